"""One request and its response on a connection: a future of the head, and a body that is read at its client's pace.

What the reader has taken is given back to the provider's window at the reader's next step, since only then has the
client taken it in its turn. So a client that stops reading stops its own stream at one window, and no other.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from llmgw_domain.errors import GatewayError, UpstreamReset
from llmgw_pool.http2.codec import CANCEL, NO_ERROR, Head
from llmgw_pool.transport import READ_BYTES, Unprocessed

if TYPE_CHECKING:
    from llmgw_pool.http2.connection import Connection


class Stream:
    """Implements `Body`. The connection calls `began`, `came`, `ended`, `broke` and `may_send`."""

    __slots__ = (
        "_answered",
        "_broken",
        "_connection",
        "_ended",
        "_head",
        "_interruption",
        "_lost",
        "_owed",
        "_pieces",
        "_refused",
        "_sent",
        "_size",
        "_waiting",
        "heard_before",
        "id",
    )

    delimited = True

    def __init__(self, connection: Connection, id: int, heard_before: int) -> None:
        self.id = id
        self.heard_before = heard_before
        """The connection's count of reads when the stream was opened."""
        self._connection = connection
        self._head: Head | None = None
        self._answered = False
        self._refused = False
        """The provider's answer to the request is an error."""
        # A list, for most streams are silent, and an empty deque takes 0.7 KB.
        self._pieces: list[bytes] = []
        self._size = 0
        """Bytes of the pieces."""
        self._owed = 0
        """What the reader has taken and the provider's window does not have back yet."""
        self._ended = False
        self._sent = False
        self._broken: Exception | None = None
        self._lost: OSError | None = None
        self._interruption: GatewayError | None = None
        self._waiting: asyncio.Future[None] | None = None

    # --- what the connection hears ----------------------------------------------------------------------------------

    # What comes after a break is not looked at: a request that a GOAWAY disowns may be sent again by then.

    def began(self, head: Head) -> None:
        if self._broken is not None:
            return
        self._head = head
        self._answered = True
        self._refused = head.status >= 400
        self._wake()

    def came(self, data: bytes, size: int) -> None:
        if self._broken is not None:
            self._owed += size
            return
        if data:
            self._pieces.append(data)
        self._size += len(data)
        # Padding takes of the window, and nobody reads it.
        self._owed += size - len(data)
        self._wake()

    def ended(self) -> None:
        if self._broken is None:
            self._ended = True
            self._wake()

    def broke(self, error: Exception, lost: OSError | None = None) -> None:
        """It won't go on. What ended, ended well."""
        if not self._ended and self._broken is None:
            if self._answered and isinstance(error, Unprocessed):
                # It says so of what it has begun to answer: that can't be sent again.
                error = UpstreamReset(detail=f"HTTP/2: {error}, in the middle of the answer")
            self._broken, self._lost = error, lost
            self._wake()

    def may_send(self) -> None:
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def _next(self) -> None:
        """Until the connection has something to tell."""
        self._waiting = self._connection.loop.create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None

    # --- sending ----------------------------------------------------------------------------------------------------

    async def send(self, data: bytes, *, end: bool) -> None:
        """A part of the request's body, at the provider's pace.

        Stops when the provider has refused the request already, or broken off: its answer says why.
        """
        view = memoryview(data)
        while view:
            room = self._connection.codec.room(self.id)
            if self._refused or self._broken is not None or self._ended:
                return
            if not room or self._connection.paused:
                await self._next()
                continue
            part, view = view[:room], view[room:]
            self._connection.send(self.id, part, end=end and not view)
        if end and not data:
            self._connection.send(self.id, b"", end=True)
        self._sent = self._sent or end

    def sent_whole(self) -> None:
        """The request had no body, or all of it went out at once."""
        self._sent = True

    async def head(self) -> Head:
        """The response's head, once. Raises how the stream broke before it."""
        while self._head is None:
            if self._broken is not None:
                raise self._broken
            if self._ended:
                raise UpstreamReset(detail="headers: stream ended before an answer")
            await self._next()
        # Not kept: it is half of what a silent stream would take.
        head, self._head = self._head, None
        return head

    # --- reading ----------------------------------------------------------------------------------------------------

    @property
    def at_end(self) -> bool:
        return self._ended and not self._pieces

    def take(self) -> bytes:
        self._give_back()
        if self._interruption is not None:
            raise self._interruption
        if not self._pieces and self._broken is not None:
            raise self._broken
        return self._taken(READ_BYTES)

    async def wait(self) -> bytes:
        while True:
            data = self.take()
            if data or self.at_end:
                return data
            await self._next()

    def rest(self) -> bytes:
        return self._taken(self._size)

    def lost(self) -> OSError | None:
        return self._lost

    def interrupt(self, error: GatewayError) -> None:
        self._interruption = error
        self._wake()

    def close(self) -> None:
        """Idempotent. A stream that is not over is cancelled, and its provider told so at once."""
        connection = self._connection
        self._owed += self._size
        self._pieces.clear()
        self._size = 0
        self._give_back()
        if self._broken is None and not self._ended:
            self._broken = UpstreamReset(detail="closed")
            connection.cancel(self, CANCEL)
        elif not self._sent:
            connection.cancel(self, NO_ERROR)
        connection.release(self)

    def _taken(self, most: int) -> bytes:
        """What has come, up to the piece with which it is `most` bytes or more."""
        pieces = self._pieces
        if not pieces:
            return b""
        count = size = 0
        while count < len(pieces) and size < most:
            size += len(pieces[count])
            count += 1
        data = pieces[0] if count == 1 else b"".join(pieces[:count])
        del pieces[:count]
        self._owed += len(data)
        self._size -= len(data)
        return data

    def _give_back(self) -> None:
        if self._owed:
            owed, self._owed = self._owed, 0
            self._connection.taken(self, owed)

    def __repr__(self) -> str:
        state = "broken" if self._broken else "ended" if self._ended else "open"
        return f"<Stream {self.id} {state} {self._size} bytes unread>"
