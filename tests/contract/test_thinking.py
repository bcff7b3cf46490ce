"""What a model thinks, in the client's own form, and what cuts an answer, in the client's own word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec
import openai
import pytest
from yarl import URL

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


# --- several turns ----------------------------------------------------------------------------------------------------

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
SIGNERS = [
    "anthropic/claude-sonnet-4-5",
    "google/gemini-3-pro-preview",
    "vertex/claude-sonnet-4-5",
    "vertex/gemini-3-pro-preview",
    "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0",
]
"""Models whose providers want their signed reasoning back."""


def bare(message: Any) -> dict[str, Any]:
    """What most clients bring back of an answer: the fields that OpenAI has."""
    calls = [
        {"id": c.id, "type": "function", "function": {"name": c.function.name, "arguments": c.function.arguments}}
        for c in message.tool_calls or []
    ]
    return {"role": "assistant", "content": message.content, **({"tool_calls": calls} if calls else {})}


def kept(message: Any) -> dict[str, Any]:
    """What others bring back: all of it."""
    brought = message.model_dump(exclude_none=True)
    # The helper for streams parses arguments, which is its own affair.
    for call in brought.get("tool_calls", []):
        call["function"].pop("parsed_arguments", None)
        call.pop("index", None)
    brought.pop("parsed", None)
    return brought


class Conversation:
    """One client of the OpenAI SDK: `bring` is what it makes of an answer for the next request."""

    def __init__(self, stack: Any, model: str, bring: Callable[[Any], dict[str, Any]], *, stream: bool) -> None:
        self.sdk = openai.AsyncOpenAI(base_url=f"{stack.base}/v1", api_key=stack.key, max_retries=0)
        self.model = model
        self.messages: list[Any] = []
        self._bring = bring
        self._stream = stream

    async def __aenter__(self) -> Conversation:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.sdk.close()

    async def answer(self) -> Any:
        """The next message of the model, which becomes part of the conversation."""
        ask = {"model": self.model, "messages": self.messages, "tools": [TOOL], "reasoning_effort": "high"}
        if self._stream:
            async with self.sdk.chat.completions.stream(**ask) as events:
                async for _ in events:
                    pass
                message = (await events.get_final_completion()).choices[0].message
        else:
            message = (await self.sdk.chat.completions.create(**ask)).choices[0].message
        self.messages.append(self._bring(message))
        return message

    async def turn(self, question: str) -> str:
        """A question, the call that it leads to, its result, and what the model says of it."""
        self.messages.append({"role": "user", "content": question})
        called = await self.answer()
        assert ["weather"] == [call.function.name for call in called.tool_calls]
        self.messages.append({"role": "tool", "tool_call_id": called.tool_calls[0].id, "content": f"rain: {question}"})
        return (await self.answer()).content


def signatures(value: Any) -> list[str]:
    """Every signature in a request, in order."""
    if isinstance(value, list):
        return [found for item in value for found in signatures(item)]
    if not isinstance(value, dict):
        return []
    own = [v for k, v in value.items() if k in ("signature", "thoughtSignature") and isinstance(v, str)]
    return own + [found for item in value.values() for found in signatures(item)]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("bring", [bare, kept])
@pytest.mark.parametrize("model", SIGNERS)
async def test_three_turns_with_a_tool(clouds, model, bring, stream):
    """The provider gets its signed reasoning back, whether or not the client knows how to keep it."""
    async with Conversation(clouds, model, bring, stream=stream) as talk:
        for question in ("In Oslo?", "And in Rome?", "And in Lima?"):
            assert f"rain: {question}" in await talk.turn(question)
    asked = [request for request in await clouds.upstream_saw() if request["path"] != "/token"]
    assert ([200] * 6, 6) == ([request["status"] for request in asked], len(asked))
    # Every request brings what those before it did, and more after each call.
    counts = [len(signatures(request["body"])) for request in asked]
    assert (0, True) == (counts[0], counts == sorted(counts))
    assert counts[5] >= 3
    await refused_without_signatures(clouds, asked[5])


def stripped(value: Any) -> Any:
    """A request without any reasoning of the model's."""
    if isinstance(value, list):
        thoughts = ("thinking", "reasoningContent")
        return [stripped(v) for v in value if not (isinstance(v, dict) and any(t in v for t in thoughts))]
    if isinstance(value, dict):
        return {name: stripped(v) for name, v in value.items() if name != "thoughtSignature"}
    return value


async def refused_without_signatures(stack: Any, asked: dict[str, Any]) -> None:
    """The proof that it mattered: the provider refuses the same request with a wrong signature, and with none."""
    raw = msgspec.json.encode(asked["body"])
    last = signatures(asked["body"])[-1]
    wrong = raw.replace(last.encode(), last[:-4].encode() + b"AAA=")
    headers = {"authorization": "Bearer sk", "x-goog-api-key": "sk", "anthropic-version": "2023-06-01"}
    url = URL(stack.simulator.base_url + quote(asked["path"]), encoded=True)
    for body in (wrong, msgspec.json.encode(stripped(asked["body"]))):
        async with stack.http.post(url, data=body, headers=headers) as response:
            assert 400 == response.status, await response.text()


async def test_a_client_that_changes_its_reasoning(clouds):
    """The provider refuses it as forged; it is asked once more without any, and answers."""

    def forged(message: Any) -> dict[str, Any]:
        brought = kept(message)
        for block in brought.get("thinking_blocks", []) + brought.get("reasoning_details", []):
            for name in ("thinking", "text"):
                if name in block:
                    block[name] += " And more."
        return brought

    async with Conversation(clouds, SIGNERS[0], forged, stream=False) as talk:
        assert "rain: In Oslo?" in await talk.turn("In Oslo?")
    asked = await clouds.upstream_saw()
    assert [200, 400, 200] == [request["status"] for request in asked]
    assert [1, 0] == [len(signatures(request["body"])) for request in asked[1:]]


OVER = """
[[models]]
name = "over"
targets = [
    { pool = "anthropic", model = "claude-sonnet-4-5" },
    { pool = "google", model = "gemini-3-pro-preview", priority = 2 },
]
"""


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("bring", [bare, kept])
async def test_another_model_gets_no_signatures_of_the_first(open_stack, bring, stream):
    """After a failover the second model is asked without them; when the first is back, it gets its own again."""
    async with open_stack(more=OVER) as stack, Conversation(stack, "over", bring, stream=stream) as talk:
        await talk.turn("In Oslo?")
        first = set(signatures((await stack.upstream_saw())[-1]["body"]))
        assert first
        rule = {"times": None, "match": {"path": "/v1/messages"}, "fault": {"status": 529}}
        await stack.sim("POST", "faults", json=rule)
        assert "rain: In Rome?" in await talk.turn("In Rome?")
        other = [r for r in await stack.upstream_saw() if r["path"].startswith("/v1beta") and r["status"] == 200]
        assert 2 == len(other)
        assert not first & {found for r in other for found in signatures(r["body"])}
        theirs = set(signatures(other[-1]["body"]))
        await stack.sim("DELETE", "faults")
        stack.gateway.balancer.resume("anthropic-a")
        assert "rain: In Lima?" in await talk.turn("In Lima?")
        last = (await stack.upstream_saw())[-1]
        assert ("/v1/messages", 200) == (last["path"], last["status"])
        sent = set(signatures(last["body"]))
        assert first < sent
        assert not theirs & sent
