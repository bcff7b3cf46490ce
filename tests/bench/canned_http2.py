"""The same canned answers over HTTP/2, for `canned.py` to hand its connections to."""

from __future__ import annotations

import asyncio
from itertools import cycle, islice

import canned
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset, WindowUpdated
from h2.exceptions import StreamClosedError

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

_JSON = [(":status", "200"), ("content-type", "application/json"), ("content-length", str(len(canned.CHAT)))]
_STREAM = [(":status", "200"), ("content-type", "text/event-stream")]


class CannedHttp2(asyncio.Protocol):
    """One connection. What is said to several streams in one turn of the loop is written once."""

    def __init__(self, tasks: set[asyncio.Task[None]], gap: float) -> None:
        self._tasks = tasks
        self._gap = gap
        self._h2 = H2Connection(
            H2Configuration(client_side=False, header_encoding="utf-8", validate_inbound_headers=False)
        )
        self._asked: dict[int, tuple[str, bytearray]] = {}
        self._window = asyncio.Event()
        self._flushing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(2**24)
        self._flush()

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            match event:
                case RequestReceived(stream_id=id, headers=headers) if headers is not None:
                    self._asked[id] = (dict(headers)[":path"], bytearray())
                case DataReceived(stream_id=id, data=part, flow_controlled_length=size):
                    self._asked[id][1].extend(part)
                    self._h2.acknowledge_received_data(size, id)
                case StreamEnded(stream_id=id):
                    self._answer(id, *self._asked.pop(id))
                case StreamReset(stream_id=id):
                    self._asked.pop(id, None)
                case WindowUpdated():
                    self._window.set()
        self._flush()

    def _answer(self, id: int, path: str, body: bytearray) -> None:
        if b'"stream":true' not in body.replace(b" ", b""):
            self._h2.send_headers(id, _JSON)
            self._h2.send_data(id, canned.CHAT, end_stream=True)
            return
        task = asyncio.get_running_loop().create_task(self._stream(id, messages="/messages" in path))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stream(self, id: int, *, messages: bool) -> None:
        start, chunk, end = (
            (canned.MESSAGE_START, canned.MESSAGE_CHUNK, canned.MESSAGE_END)
            if messages
            else (b"", canned.CHAT_CHUNK, canned.CHAT_END)
        )
        try:
            self._h2.send_headers(id, _STREAM)
            if start:
                await self._send(id, start)
            for word in islice(cycle(canned.WORDS), canned.CHUNKS):
                await asyncio.sleep(self._gap)
                await self._send(id, chunk % word)
            await self._send(id, end, last=True)
        except StreamClosedError:
            return

    async def _send(self, id: int, data: bytes, *, last: bool = False) -> None:
        while self._h2.local_flow_control_window(id) < len(data):
            self._window.clear()
            await self._window.wait()
        self._h2.send_data(id, data, end_stream=last)
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        data = self._h2.data_to_send()
        if data and not self._transport.is_closing():
            self._transport.write(data)
