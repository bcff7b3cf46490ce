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


class BodyLate(BadRequest):
    """The request's body did not come in time."""


class Patience:
    """How long a client's body is waited for: so many seconds for each read, and for all of it at a least rate.

    A byte now and then would else keep a connection, and what was read, for ever.
    """

    __slots__ = ("_rate", "_received", "_seconds", "_waited")

    def __init__(self, seconds: float, rate: float) -> None:
        """`rate` is in bytes a second."""
        self._seconds = seconds
        self._rate = rate
        self._received = 0
        self._waited = 0.0

    @property
    def left(self) -> float:
        """Seconds for the next read. Time in which nobody waits for the client does not count."""
        return min(self._seconds, self._seconds + self._received / self._rate - self._waited)

    def came(self, size: int, waited: float) -> None:
        """So many bytes, after waiting so many seconds."""
        self._received += size
        self._waited += waited

    def lost(self) -> BodyLate:
        """What a client is told whose body did not come in time."""
        if self._waited > self._seconds / 2:
            return BodyLate(f"The request's body came at less than {self._rate:g} bytes a second.")
        return BodyLate(f"The request's body stopped coming for {self._seconds:g} s.")


async def read_body(receive: Receive, share: Share, *, limit: int, patience: Patience) -> bytes:
    """The whole body.

    Raises `TooLarge`, `GatewayBusy`, `BodyLate`, `ClientGone`.
    """
    try:
        async with asyncio.timeout(patience.left) as bound:
            return await _read(receive, share, limit, bound, patience)
    except TimeoutError:
        raise patience.lost() from None


async def _read(receive: Receive, share: Share, limit: int, bound: asyncio.Timeout, patience: Patience) -> bytes:
    loop = asyncio.get_running_loop()
    since = loop.time()
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
            now = loop.time()
            patience.came(len(part), now - since)
            since = now
            bound.reschedule(now + patience.left)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The request's body is larger than the {limit} bytes that this key may send.")
