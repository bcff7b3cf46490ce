"""What a model thinks, in the client's own form, and what cuts an answer, in the client's own word."""

from __future__ import annotations

import pytest

ASK = {
    "chat": {"reasoning_effort": "high"},
    "messages": {"thinking": {"type": "enabled", "budget_tokens": 2000}},
    "gemini": {"generationConfig": {"thinkingConfig": {"includeThoughts": True, "thinkingBudget": 2000}}},
}
MODELS = {"openai": "sim/gpt", "deepseek": "openai/deepseek-r1", "anthropic": "sim/claude", "google": "sim/gemini"}
SHOWN = ["deepseek", "anthropic", "google"]
"""OpenAI counts its reasoning and keeps it to itself."""


@pytest.fixture(params=["chat", "messages", "gemini"])
def dialect(request):
    return request.param


def thoughts(dialect: str, answer, stream: bool) -> str:
    """The text of the thinking in an answer."""
    if dialect == "chat":
        parts = [c["choices"][0] for c in (answer.frames[:-1] if stream else [answer.json]) if c["choices"]]
        return "".join((p.get("delta") or p.get("message") or {}).get("reasoning_content") or "" for p in parts)
    if dialect == "messages":
        if stream:
            deltas = [f["delta"] for f in answer.frames if f["type"] == "content_block_delta"]
            return "".join(d["thinking"] for d in deltas if d["type"] == "thinking_delta")
        return "".join(b["thinking"] for b in answer.json["content"] if b["type"] == "thinking")
    chunks = answer.frames if stream else [answer.json]
    parts = [p for c in chunks for p in c["candidates"][0].get("content", {}).get("parts", [])]
    return "".join(p["text"] for p in parts if p.get("thought") and "text" in p)


def reasoning_tokens(dialect: str, answer) -> int | None:
    if dialect == "chat":
        return answer.json["usage"]["completion_tokens_details"]["reasoning_tokens"]
    return answer.json["usageMetadata"].get("thoughtsTokenCount")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("provider", SHOWN)
async def test_thinking_is_shown(stack, call, dialect, provider, stream):
    """`reasoning_content`, a thinking block, a thought part; the answer itself follows it."""
    answer = await call(dialect, model=MODELS[provider], stream=stream, **ASK[dialect])
    assert answer.status == 200, answer.raw
    shown = thoughts(dialect, answer, stream)
    assert len(shown.split()) > 5
    assert "You said" not in shown
    assert "You" in answer.raw.decode()


@pytest.mark.parametrize("provider", ["openai", "deepseek", "google"])
@pytest.mark.parametrize("inbound", ["chat", "gemini"])
async def test_reasoning_tokens_are_told(stack, call, inbound, provider):
    """Where the client's dialect has a count for them and the provider gives it."""
    answer = await call(inbound, model=MODELS[provider], **ASK[inbound])
    assert reasoning_tokens(inbound, answer) > 0
    assert (await call.logged())[0]["tokens_reasoning"] == reasoning_tokens(inbound, answer)


async def test_without_asking_there_is_none(stack, call, dialect):
    """Thinking is the client's wish."""
    for provider in SHOWN:
        answer = await call(dialect, model=MODELS[provider])
        assert thoughts(dialect, answer, False) == ""


LIMITS = {
    "chat": ({"max_completion_tokens": 5}, "length"),
    "messages": ({"max_tokens": 5}, "max_tokens"),
    "gemini": ({"generationConfig": {"maxOutputTokens": 5}}, "MAX_TOKENS"),
}


def finish(dialect: str, answer, stream: bool) -> str:
    if dialect == "chat":
        chunks = answer.frames[:-1] if stream else [answer.json]
        return next(c["finish_reason"] for f in chunks for c in f["choices"] if c.get("finish_reason"))
    if dialect == "messages":
        if stream:
            return next(f["delta"]["stop_reason"] for f in answer.frames if f["type"] == "message_delta")
        return answer.json["stop_reason"]
    last = (answer.frames if stream else [answer.json])[-1]
    return last["candidates"][0]["finishReason"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["sim/gpt", "sim/claude", "sim/gemini"])
async def test_the_token_limit_ends_with_the_dialects_word(call, dialect, model, stream):
    """`length`, `max_tokens`, `MAX_TOKENS`, whatever the provider called it."""
    fields, word = LIMITS[dialect]
    answer = await call(dialect, model=model, stream=stream, **fields)
    assert (answer.status, finish(dialect, answer, stream)) == (200, word)
    assert (await call.logged())[0]["finish"] == "length"
