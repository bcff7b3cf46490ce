"""Hypercorn's HTTP/2 protocol, with what would lose or hold clients' streams mended. Experimental.

- A request that was answered before its body ended took the whole connection with it; its body is now dropped.
- A body that its application does not read stopped the connection, PINGs and all; now only its own window stays closed.
- What a client does not read was held without bound; now the application waits.
- One stream too many closed the connection; now it alone is refused (REFUSED_STREAM), also while draining.
- A response that its application gave up was never ended; now its stream is reset.
- Resetting streams again and again cost the client nothing (CVE-2023-44487); now the connection is ended.

A drain tells clients by GOAWAY, and lets the streams that are open go on to their end.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import struct
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import h2.events
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from hypercorn.asyncio.task_group import _handle
from hypercorn.events import Closed, RawData, Updated
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.events import Response, StreamClosed
from hypercorn.protocol.h2 import BUFFER_HIGH_WATER, BUFFER_LOW_WATER, H2Protocol, StreamBuffer
from hypercorn.protocol.http_stream import ASGIHTTPState

_log = logging.getLogger(__name__)

MAX_STREAMS = 100
_MAX_HEADER_LIST = 64 * 1024
_IDLE_RESETS = 100
"""Streams that a client may reset before they were answered, beyond as many as it let be answered."""
_NOT_SENT = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})
"""HTTP/1.1's own (RFC 9113, 8.2.2)."""
_GOAWAY = b"\0\0\x08\x07\0"
"""The head of the frame: 8 bytes, type 7, no flags, then stream 0 (RFC 9113, 6.8)."""


class Http2(H2Protocol):
    """One connection."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._group = self.task_group
        self.task_group = _Group(self._group, self)  # type: ignore[assignment]
        announced = {
            SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
            SettingCodes.MAX_HEADER_LIST_SIZE: _MAX_HEADER_LIST,
        }
        self.connection.local_settings = Settings(client=False, initial_values=announced)
        self.bodies: dict[int, asyncio.Queue[dict[str, Any]]] = {}
        """What has come of each request and its application has not taken yet: within the window."""
        self._answered = 0
        self._resets = 0
        self._highest = 0
        self._going = False

    async def initiate(self, headers: Any = None, settings: Any = None) -> None:
        await super().initiate(headers, settings)
        # `h2` ends the connection for one stream too many, so it is told of no limit, and we refuse that stream.
        kept = {SettingCodes.MAX_HEADER_LIST_SIZE: _MAX_HEADER_LIST}
        self.connection.local_settings = Settings(client=False, initial_values=kept)

    async def go_away(self) -> None:
        """No new streams; the open ones go on."""
        if self._going:
            return
        self._going = True
        await self._flush()
        await self._say_goodbye(ErrorCodes.NO_ERROR)
        if not self.streams:
            await self.send(Closed())

    async def _say_goodbye(self, code: ErrorCodes) -> None:
        # `h2` thinks that all is over after its own.
        await self.send(RawData(_GOAWAY + struct.pack(">III", 0, self._highest, code)))

    # --- what comes -------------------------------------------------------------------------------------------------

    async def _handle_events(self, events: list[h2.events.Event]) -> None:
        for event in events:
            match event:
                case h2.events.RequestReceived():
                    await self._request(event)
                case h2.events.DataReceived():
                    self._data(event)
                case h2.events.StreamEnded(stream_id=number):
                    if number in self.bodies:
                        self.bodies[number].put_nowait(_message(b"", more=False))
                case h2.events.StreamReset(stream_id=number):
                    await self._reset_by_client(number)
                case _:
                    await super()._handle_events([event])
        await self._flush()

    async def _request(self, event: h2.events.RequestReceived) -> None:
        number = event.stream_id
        if self._going or len(self.streams) >= MAX_STREAMS:
            self.connection.reset_stream(number, ErrorCodes.REFUSED_STREAM)
            return
        self._highest = number
        await self._create_stream(event)
        await self.send(Updated(idle=False))

    async def _create_stream(self, request: h2.events.RequestReceived) -> None:
        state = self.connection_state
        number = request.stream_id
        # An application that has to end its client's connection ends its stream.
        self.connection_state = type(state)({**state, "abort": partial(self._abort, number)})
        try:
            await super()._create_stream(request)
        finally:
            self.connection_state = state
        self.stream_buffers[number] = _Buffer(self.context.event_class)

    def _data(self, event: h2.events.DataReceived) -> None:
        data, size = event.data or b"", event.flow_controlled_length or 0
        body = self.bodies.get(event.stream_id)
        if body is not None and data:
            body.put_nowait(_message(data, more=True))
            size -= len(data)
        # Padding, and what nobody will take, takes no window.
        self.taken(event.stream_id, size)

    def taken(self, number: int, size: int) -> None:
        """An application has taken so many bytes of its request's body: its client may send as many more."""
        if not size:
            return
        try:
            self.connection.acknowledge_received_data(size, number)
        except ProtocolError:
            return
        data = self.connection.data_to_send()
        if data:
            self._group.spawn(self.send, RawData(data))

    async def _reset_by_client(self, number: int) -> None:
        stream = self.streams.get(number)
        if stream is not None and getattr(stream, "state", None) is ASGIHTTPState.REQUEST:
            self._resets += 1
        await self._close_stream(number)
        await self._window_updated(number)
        if self._resets > _IDLE_RESETS + self._answered:
            _log.warning("a client resets streams again and again, its connection is ended")
            await self._say_goodbye(ErrorCodes.ENHANCE_YOUR_CALM)
            await self.send(Closed())

    # --- what goes --------------------------------------------------------------------------------------------------

    async def stream_send(self, event: StreamEvent) -> None:
        if isinstance(event, Response):
            self._answered += 1
            kept = [pair for pair in event.headers if pair[0].lower() not in _NOT_SENT]
            event = dataclasses.replace(event, headers=kept)
        if isinstance(event, StreamClosed) and event.stream_id in self.stream_buffers:
            buffer = self.stream_buffers[event.stream_id]
            if not buffer._complete:
                await self._abandon(event.stream_id)
        await super().stream_send(event)
        if self._going and not self.streams:
            await self.send(Closed())

    def _abort(self, number: int) -> None:
        # Owned by the connection's task group.
        self._group.spawn(self._abandon, number)

    async def _abandon(self, number: int) -> None:
        """The response can't be ended well."""
        try:
            self.connection.reset_stream(number, ErrorCodes.INTERNAL_ERROR)
        except ProtocolError:
            return
        await self._flush()
        await self._window_updated(number)

    async def _close_stream(self, stream_id: int) -> None:
        body = self.bodies.pop(stream_id, None)
        while body is not None and not body.empty():
            self.taken(stream_id, len(body.get_nowait()["body"]))
        await super()._close_stream(stream_id)


class _Group:
    """The connection's task group, with a queue for each application that never blocks: windows bound it."""

    def __init__(self, group: Any, protocol: Http2) -> None:
        self._group = group
        self._protocol = protocol
        self.spawn = group.spawn

    async def spawn_app(self, app: Any, config: Any, scope: Any, send: Any) -> Callable[[Any], Awaitable[None]]:
        protocol, number = self._protocol, send.__self__.stream_id
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        protocol.bodies[number] = queue

        async def receive() -> dict[str, Any]:
            message = await queue.get()
            protocol.taken(number, len(message.get("body", b"")))
            return message

        async def put(message: dict[str, Any]) -> None:
            queue.put_nowait(message)

        loop = asyncio.get_running_loop()
        self.spawn(_handle, app, config, scope, receive, send, partial(loop.run_in_executor, None), None)
        return put


def _message(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


class _Buffer(StreamBuffer):
    """A response's bytes that its client does not have yet; its application waits while they are many."""

    async def push(self, data: bytes) -> None:
        await super().push(data)
        while len(self.buffer) >= BUFFER_HIGH_WATER and not self._complete:
            await self._paused.clear()
            await self._paused.wait()

    async def pop(self, max_length: int) -> bytes:
        length = min(len(self.buffer), max_length)
        data = bytes(self.buffer[:length])
        del self.buffer[:length]
        if len(self.buffer) < BUFFER_LOW_WATER:
            await self._paused.set()
        if not self.buffer:
            await self._is_empty.set()
        return data
