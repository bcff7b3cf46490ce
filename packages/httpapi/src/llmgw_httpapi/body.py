"""Reading a request's body within bounds: of one request, and of all of them together.

Bytes count from when they arrive until their request is over, since a body is kept for retries. So the sum over all
requests is what the process really holds.
"""

from __future__ import annotations

import asyncio

from starlette.types import Receive

from llmgw_domain.errors import BadRequest, ClientGone, GatewayBusy, TooLarge


class Buffered:
    """The body bytes that all requests hold, against their limit."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0

    def share(self) -> Share:
        return Share(self)

    def refuse_beyond(self, size: int) -> None:
        """Raises `GatewayBusy` if `size` more bytes don't fit now."""
        if self.held + size > self.limit:
            raise GatewayBusy("The gateway buffers as many request bodies as it may; try again.", retry_after=1.0)

    def __repr__(self) -> str:
        return f"<Buffered {self.held} of {self.limit} bytes>"


class Share:
    """One request's part of the buffered bytes; leaving the context gives it back."""

    __slots__ = ("_of", "size")

    def __init__(self, of: Buffered) -> None:
        self._of = of
        self.size = 0

    def grow(self, size: int) -> None:
        """Takes `size` more bytes. Raises `GatewayBusy` if there is no room."""
        self._of.refuse_beyond(size)
        self._of.held += size
        self.size += size

    def __enter__(self) -> Share:
        return self

    def __exit__(self, *_: object) -> None:
        self._of.held -= self.size
        self.size = 0


def refuse_length(declared: int | None, limit: int, buffered: Buffered) -> None:
    """Judges a body by its announced length, before a byte is read. Raises `TooLarge`, `GatewayBusy`."""
    if declared is not None:
        refuse_size(declared, limit)
        buffered.refuse_beyond(declared)


def refuse_size(declared: int | None, limit: int) -> None:
    """The same for a body that is passed on and not kept. Raises `TooLarge`."""
    if declared is not None and declared > limit:
        raise _too_large(limit)


async def read_body(receive: Receive, share: Share, *, limit: int, timeout: float) -> bytes:
    """The whole body; `timeout` is in seconds between two reads.

    Raises `TooLarge`, `GatewayBusy`, `BadRequest` when it does not come in time, `ClientGone`.
    """
    try:
        async with asyncio.timeout(timeout) as bound:
            return await _read(receive, share, limit, bound, timeout)
    except TimeoutError:
        raise BadRequest(f"The request's body stopped coming for {timeout:g} s.") from None


async def _read(receive: Receive, share: Share, limit: int, bound: asyncio.Timeout, timeout: float) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone()
        part = message.get("body", b"")
        if part:
            share.grow(len(part))
            parts.append(part)
            if share.size > limit:
                raise _too_large(limit)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)
        if part:
            bound.reschedule(asyncio.get_running_loop().time() + timeout)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The request's body is larger than the {limit} bytes that this key may send.")
