"""A request's body that is passed on as it comes in.

The client's lifeline is the only one that receives, so that a client that goes away is noticed whatever the relay does.
It puts what comes in here, and waits while nobody takes it: so a slow provider slows the client down, and no more than
a few reads are held.
"""

from __future__ import annotations

import asyncio

from starlette.types import Message

from llmgw_domain.errors import TooLarge
from llmgw_httpapi.body import Patience, Share

_HELD = 2
"""Reads that wait to be taken."""


class Upload:
    """Implements the relay's `Upload`. `ended` says whether all of the body has been taken."""

    def __init__(self, share: Share, *, limit: int, patience: Patience) -> None:
        """`limit` is in bytes."""
        self._share = share
        self._limit = limit
        self._patience = patience
        self._parts: asyncio.Queue[tuple[bytes, bool]] = asyncio.Queue(_HELD)
        self._size = 0
        self.ended = False

    async def put(self, message: Message) -> None:
        """Takes one `http.request` message; waits until there is room."""
        await self._parts.put((message.get("body", b""), message.get("more_body", False)))

    def hold(self, size: int) -> None:
        """Raises `GatewayBusy`."""
        self._share.grow(size)

    def __aiter__(self) -> Upload:
        return self

    async def __anext__(self) -> bytes:
        """The next piece, never empty. Raises `TooLarge`, and `BadRequest` for a body that stops coming."""
        while not self.ended:
            part, more = await self._next()
            self.ended = not more
            self._size += len(part)
            if self._size > self._limit:
                raise TooLarge(f"The request's body is larger than the {self._limit} bytes that may be uploaded.")
            if part:
                return part
        raise StopAsyncIteration

    async def _next(self) -> tuple[bytes, bool]:
        loop = asyncio.get_running_loop()
        since = loop.time()
        try:
            async with asyncio.timeout(self._patience.left):
                part, more = await self._parts.get()
        except TimeoutError:
            raise self._patience.lost() from None
        self._patience.came(len(part), loop.time() - since)
        return part, more

    async def discard(self, limit: int, seconds: float) -> bool:
        """Takes what is left, within bounds, so that the client gets to see its answer; whether that was all."""
        left = self._size + limit
        try:
            async with asyncio.timeout(seconds):
                while not self.ended and self._size < left:
                    part, more = await self._parts.get()
                    self._size += len(part)
                    self.ended = not more
        except TimeoutError:
            return False
        return self.ended

    def __repr__(self) -> str:
        return f"<Upload {self._size} bytes{' ended' if self.ended else ''}>"
