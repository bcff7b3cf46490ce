"""Requests in each dialect, as its clients send them, and what came back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest

MODELS = {"chat": "sim/gpt", "messages": "sim/claude", "gemini": "sim/gemini"}


class Answer(msgspec.Struct):
    """A whole response."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.raw)

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.json["error"]
        return found

    @property
    def frames(self) -> list[Any]:
        """The data of an event stream, in order."""
        blocks = self.raw.decode().replace("\r\n", "\n").split("\n\n")
        data = ["\n".join(line[6:] for line in block.split("\n") if line.startswith("data: ")) for block in blocks]
        return [text if text == "[DONE]" else msgspec.json.decode(text) for text in data if text]


class Caller:
    """A client of a stack that speaks all three dialects: `await call("chat", stream=True, text="Hi")`."""

    def __init__(self, stack: Any) -> None:
        self.stack = stack

    def request(self, dialect: str, stream: bool, model: str | None, text: str, fields: Any) -> tuple[str, Any]:
        """Path and body."""
        model = model or MODELS[dialect]
        message = {"role": "user", "content": text}
        if dialect == "chat":
            return "/v1/chat/completions", {"model": model, "messages": [message], "stream": stream, **fields}
        if dialect == "messages":
            body = {"model": model, "max_tokens": 4000, "messages": [message], "stream": stream, **fields}
            return "/v1/messages", body
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        contents = [{"role": "user", "parts": [{"text": text}]}]
        return f"/v1beta/models/{model}:{verb}", {"contents": contents, **fields}

    @asynccontextmanager
    async def open(
        self,
        dialect: str = "chat",
        *,
        stream: bool = False,
        model: str | None = None,
        text: str = "Hi",
        headers: Mapping[str, str] | None = None,
        path: str | None = None,
        **fields: Any,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A response whose body is still to be read."""
        natural, body = self.request(dialect, stream, model, text, fields)
        given = {"authorization": f"Bearer {self.stack.key}", **(headers or {})}
        async with self.stack.http.post(self.stack.base + (path or natural), json=body, headers=given) as response:
            yield response

    async def __call__(self, dialect: str = "chat", **more: Any) -> Answer:
        async with self.open(dialect, **more) as response:
            return Answer(response.status, response.headers, await response.read())

    async def fault(self, *, times: int | None = None, match: Mapping[str, str] | None = None, **fault: Any) -> None:
        """Sets the one fault of the simulator: `status=429`, `eof_events=2`, `think=1.5`, ... A limit that does not say
        for how long is over at once, or calls would wait for it.
        """
        if fault.get("status") == 429:
            fault.setdefault("retry_after", 0)
        await self.stack.sim("DELETE", "faults")
        rule = {"times": times, "fault": fault, "match": dict(match or {})}
        await self.stack.sim("POST", "faults", json=rule)

    async def logged(self, count: int = 1) -> list[dict[str, Any]]:
        """The last request lines; waits for them for three seconds."""
        for _ in range(300):
            if len(self.stack.requests) >= count:
                break
            await asyncio.sleep(0.01)
        lines: list[dict[str, Any]] = self.stack.requests[-count:]
        return lines


@pytest.fixture
def caller() -> Callable[[Any], Caller]:
    """For a test that opens its stack itself: `caller(stack)`."""
    return Caller


@pytest.fixture
def call(stack: Any) -> Caller:
    """A client of the stack, on each engine."""
    return Caller(stack)
