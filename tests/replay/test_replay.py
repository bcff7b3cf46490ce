"""Small exchanges in the providers' own words, replayed through the gateway: as pass-through and as translation.

The fixtures are made up, but hold what real traffic holds and a careless gateway loses: fields nobody has heard of,
numbers that a float would change, escapes, Unicode, CRLF, comments, ping events, cumulative usage.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from llmgw_gateway.build import open_gateway
from llmgw_gateway.config import load
from llmgw_pool.testing import Peer, RawServer
from llmgw_telemetry import LogConfig, configure_logging

KEY = "gw-replay-0123456789abcdefghijklmnopq"
PATHS = {
    "chat": "/v1/chat/completions",
    "messages": "/v1/messages",
    "gemini": "/v1beta/models/google/g:generateContent",
    "gemini-sse": "/v1beta/models/google/g:streamGenerateContent?alt=sse",
    "gemini-array": "/v1beta/models/google/g:streamGenerateContent",
}

CONFIG = """
server.data_bind = "127.0.0.1:0"
server.admin_bind = "127.0.0.1:0"
accounts = [
  {{ id = "o", provider = "openai", credential = "env:UP", base_url = "{up}/v1", pool = "o" }},
  {{ id = "a", provider = "anthropic", credential = "env:UP", base_url = "{up}", pool = "a" }},
  {{ id = "g", provider = "google", credential = "env:UP", base_url = "{up}", pool = "g" }},
]
models = [
  {{ name = "openai/*", targets = [{{ pool = "o", model = "*" }}] }},
  {{ name = "anthropic/*", targets = [{{ pool = "a", model = "*" }}] }},
  {{ name = "google/*", targets = [{{ pool = "g", model = "*" }}] }},
]
keys = [{{ id = "k", value = "env:KEY" }}]
"""

FIXTURES = Path(__file__).parent / "fixtures"
DIALECTS = ("chat", "messages", "gemini")


def fixture(name: str) -> bytes:
    return (FIXTURES / name).read_bytes()


REQUESTS = {dialect: fixture(f"{dialect}.request.json") for dialect in DIALECTS}
WHOLE = {dialect: fixture(f"{dialect}.answer.json") for dialect in DIALECTS}
STREAMS = {
    "chat": fixture("chat.answer.sse"),
    "messages": fixture("messages.answer.sse"),
    "gemini-sse": fixture("gemini.answer.sse"),
    "gemini-array": fixture("gemini.answer.array.json"),
}


class Replay:
    """A provider that gives one answer and remembers what it was asked."""

    def __init__(self) -> None:
        self.body = b""
        self.kind = b"application/json"
        self.asked: list[tuple[str, bytes]] = []

    async def play(self, peer: Peer) -> None:
        while True:
            head, body = await peer.request()
            self.asked.append((head.decode(), body))
            head_out = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n" % (
                self.kind,
                len(self.body),
            )
            await peer.send(head_out + self.body)


@pytest.fixture
async def replay(tmp_path):
    """`replay.ask(dialect, body)` sends a request through a gateway in front of `replay.provider`."""
    provider = Replay()
    async with RawServer(provider.play) as server:
        file = tmp_path / "gateway.toml"
        file.write_text(CONFIG.format(up=f"http://127.0.0.1:{server.port}"))
        environ = {"UP": "sk-up", "KEY": KEY, "GATEWAY_DATA_DIR": str(tmp_path), "GATEWAY_DATABASE__URL": "none"}
        import io

        import aiohttp

        log = configure_logging(LogConfig(format="json"), io.StringIO())
        async with open_gateway(load(file, environ), log) as gateway, aiohttp.ClientSession() as http:

            async def ask(dialect: str, body: bytes, **headers: str) -> tuple[int, bytes]:
                url = gateway.data_bind.url() + PATHS[dialect]
                async with http.post(url, data=body, headers={"x-api-key": KEY, **headers}) as response:
                    return response.status, await response.read()

            provider.ask = ask  # type: ignore[attr-defined]
            yield provider


def with_stream(dialect: str, body: bytes) -> bytes:
    extra = (
        b'{"stream": true, "stream_options": {"include_usage": true}, ' if dialect == "chat" else b'{"stream": true, '
    )
    return body if dialect.startswith("gemini") else extra + body[1:]


@pytest.mark.parametrize("dialect", list(WHOLE))
async def test_whole_exchanges_pass_through_byte_by_byte(replay, dialect):
    """The provider gets the client's bytes but for the model, the client the provider's."""
    replay.body = WHOLE[dialect]
    status, body = await replay.ask(dialect, REQUESTS[dialect])
    assert (status, body) == (200, WHOLE[dialect])
    sent = replay.asked[0][1]
    expected = REQUESTS[dialect]
    if dialect != "gemini":
        names = {"chat": (b"openai/gpt-new", b"gpt-new"), "messages": (b"anthropic/claude-new", b"claude-new")}
        expected = expected.replace(*names[dialect])
    assert raw_fields(sent) == raw_fields(expected)
    assert KEY not in replay.asked[0][0]


def raw_fields(body: bytes) -> list[tuple[str, bytes]]:
    """Top-level names with their values' very bytes, in order."""
    return [(k, bytes(v)) for k, v in msgspec.json.decode(body, type=dict[str, msgspec.Raw]).items()]


@pytest.mark.parametrize("dialect", list(STREAMS))
async def test_streams_pass_through_frame_by_frame(replay, dialect):
    """A stream comes back as the provider's own bytes; only comments are missing."""
    replay.body = STREAMS[dialect]
    replay.kind = b"application/json" if dialect == "gemini-array" else b"text/event-stream"
    family = dialect.split("-")[0]
    status, body = await replay.ask(dialect, with_stream(dialect, REQUESTS[family]))
    assert (status, body) == (200, STREAMS[dialect].removeprefix(b": OPENROUTER PROCESSING\n\n"))


async def test_betas_and_versions_reach_anthropic(replay):
    """`anthropic-version` and every name in `anthropic-beta` go on, known to us or not."""
    replay.body = WHOLE["messages"]
    version, betas = "2026-10-21", "new-thing-2027-01-01,context-management-2025-06-27"
    await replay.ask("messages", REQUESTS["messages"], **{"anthropic-version": version, "anthropic-beta": betas})
    head = replay.asked[0][0].lower()
    assert f"anthropic-version: {version}\r\n" in head
    assert f"anthropic-beta: {betas}\r\n" in head


ASK = {"messages": [{"role": "user", "content": "Hi"}]}
EXPECTED = {
    "openai/m": ("Grüezi", "stop", [], (30, 10, 7, 4)),
    "anthropic/claude-sonnet-4-5": ("", "tool_calls", [("look", {"a": 1.5})], (1212, 1000, 50, None)),
    "google/gemini-2.5-flash": ("Grüezi", "stop", [], (20, 5, 7, 4)),
}
ANSWERS = {
    "openai/m": (WHOLE["chat"], STREAMS["chat"]),
    "anthropic/claude-sonnet-4-5": (WHOLE["messages"], STREAMS["messages"]),
    "google/gemini-2.5-flash": (WHOLE["gemini"], STREAMS["gemini-sse"]),
}


def usage_of(usage: dict[str, Any]) -> tuple[int, int, int, int | None]:
    details = usage.get("completion_tokens_details") or {}
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    return usage["prompt_tokens"], cached, usage["completion_tokens"], details.get("reasoning_tokens")


@pytest.mark.parametrize("model", list(EXPECTED))
async def test_answers_to_chat_keep_text_calls_finish_and_usage(replay, model):
    """Whatever the provider's dialect, a chat client reads the same text, calls, finish reason and token arithmetic."""
    replay.body = ANSWERS[model][0]
    _, raw = await replay.ask("chat", msgspec.json.encode({**ASK, "model": model}))
    answer = msgspec.json.decode(raw)
    message = answer["choices"][0]["message"]
    calls = [
        (c["function"]["name"], msgspec.json.decode(c["function"]["arguments"])) for c in message.get("tool_calls", [])
    ]
    finish = answer["choices"][0]["finish_reason"]
    assert (message["content"] or "", finish, calls, usage_of(answer["usage"])) == EXPECTED[model]


@pytest.mark.parametrize("model", list(EXPECTED))
async def test_streamed_answers_to_chat_keep_them_too(replay, model):
    """The same from a stream, put together from its chunks."""
    replay.body, replay.kind = ANSWERS[model][1], b"text/event-stream"
    body = {**ASK, "model": model, "stream": True, "stream_options": {"include_usage": True}}
    _, raw = await replay.ask("chat", msgspec.json.encode(body))
    *frames, done = [line[6:] for line in raw.split(b"\n") if line.startswith(b"data: ")]
    chunks = [msgspec.json.decode(f) for f in frames]
    deltas = [c["delta"] for chunk in chunks for c in chunk["choices"]]
    text = "".join(d.get("content") or "" for d in deltas)
    parts = [p for d in deltas for p in d.get("tool_calls", [])]
    names = [p["function"]["name"] for p in parts if p["function"].get("name")]
    arguments = "".join(p["function"].get("arguments") or "" for p in parts)
    calls = [(name, msgspec.json.decode(arguments)) for name in names]
    finish = next(c["finish_reason"] for chunk in chunks for c in chunk["choices"] if c["finish_reason"])
    usage = next(c["usage"] for c in chunks if c.get("usage"))
    assert (text, finish, calls, usage_of(usage), done) == (*EXPECTED[model], b"[DONE]")
