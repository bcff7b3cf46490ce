from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import Message

from llmgw_admin.api import body
from llmgw_admin.api.body import MOST_BYTES, read_object
from llmgw_admin.refusal import UnsupportedMedia
from llmgw_domain.errors import BadRequest, ClientGone, TooLarge

JSON = {"content-type": "application/json"}


def source(*parts: bytes, end: str = "http.request") -> Any:
    """A `receive` that gives these parts, and then the end: the last part, or that the client has gone."""
    messages: list[Message] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": end})
    left = iter(messages)

    async def receive() -> Message:
        return next(left)

    return receive


async def read(headers: dict[str, str], receive: Any, types: tuple[str, ...] = ("application/json",)) -> Any:
    return await read_object(headers, receive, types)


async def test_a_body_may_come_in_parts() -> None:
    """Parts are joined, wherever they were cut."""
    assert {"a": "ü"} == await read(JSON, source(b'{"a": "\xc3', b'\xbc"}'))


@pytest.mark.parametrize(
    "type",
    ["application/json", "Application/JSON", "application/json; charset=utf-8", 'application/json;charset="UTF-8"'],
)
async def test_json_is_declared_in_several_ways(type: str) -> None:
    """Case and a charset of UTF-8 make no difference."""
    assert {} == await read({"content-type": type}, source(b"{}"))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json; charset=latin-1"},
        {**JSON, "content-encoding": "gzip"},
    ],
)
async def test_what_is_not_declared_as_json_is_not_read(headers: dict[str, str]) -> None:
    """A form, as another site could send it, is refused before a byte is read."""
    with pytest.raises(UnsupportedMedia):
        await read(headers, source(b"{}"))


async def test_a_body_is_bounded_by_its_announcement_and_by_its_bytes() -> None:
    """Too long is told from the announced length alone, and from what really comes."""
    with pytest.raises(TooLarge):
        await read({**JSON, "content-length": str(MOST_BYTES + 1)}, source())
    with pytest.raises(TooLarge):
        await read(JSON, source(*[b" " * 65536] * 17))
    most = b'{"a": "' + b"x" * (MOST_BYTES - 9) + b'"}'
    assert MOST_BYTES == len(most)
    assert MOST_BYTES - 9 == len((await read({**JSON, "content-length": str(MOST_BYTES)}, source(most)))["a"])


async def test_a_client_that_leaves_is_told_apart() -> None:
    """Half a body is no body."""
    with pytest.raises(ClientGone):
        await read(JSON, source(b'{"a"', end="http.disconnect"))


async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while the request is refused, so that it holds nothing for ever."""
    monkeypatch.setattr(body, "PATIENCE_SECONDS", 0.01)

    async def receive() -> Message:
        await asyncio.sleep(60)
        raise AssertionError

    with pytest.raises(BadRequest, match="did not come"):
        await read(JSON, receive)
