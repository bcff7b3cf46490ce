"""The HTTP/1.1 transport: performs scripts over aiohttp's server, faults included.

Resets and early ends are done on the socket, behind the framework's back: a framework only knows how to end well.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import ClientConnectionResetError, web

from llmgw_simulator.breaking import cut, vanish
from llmgw_simulator.calllog import Entry
from llmgw_simulator.service import Performance
from llmgw_simulator.stage import Gone, Stage


class Http1Stage(Stage):
    """One answer under way, as `response`."""

    def __init__(self, request: web.BaseRequest, performance: Performance, entry: Entry, scale: float) -> None:
        super().__init__(performance, entry, scale)
        self.response: web.StreamResponse = web.StreamResponse()
        self._request = request

    async def _whole(self, body: bytes) -> None:
        performance = self._performance
        self.response = web.Response(body=body, status=performance.status, headers=performance.headers)
        with _gone():
            await self.response.prepare(self._request)
            await self.response.write_eof()

    async def _head(self, length: int | None) -> None:
        self.response = web.StreamResponse(status=self._performance.status, headers=self._performance.headers)
        if length is None:
            self.response.enable_chunked_encoding()
        else:
            self.response.content_length = length
        with _gone():
            await self.response.prepare(self._request)

    async def _body(self, data: bytes) -> None:
        with _gone():
            await self.response.write(data)

    async def _finish(self) -> None:
        with _gone():
            await self.response.write_eof()

    async def _break_off(self, how: str) -> None:
        if self._request.transport is not None:
            await cut(self._request.transport, "fin" if how == "fin" else "reset")

    async def _vanish(self) -> None:
        if self._request.transport is not None:
            await vanish(self._request.transport)


@contextmanager
def _gone() -> Iterator[None]:
    """Says in the stage's words that the caller has left."""
    try:
        yield
    except ClientConnectionResetError:
        raise Gone from None
