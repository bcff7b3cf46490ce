"""An upstream that costs next to nothing: canned OpenAI and Anthropic answers on one asyncio protocol.

    python tests/bench/canned.py PORT [--gap SECONDS] [--tls PORT CERTIFICATE KEY]

A body whose JSON has `"stream":true` gets a stream of `CHUNKS` text events, each in a write of its own; GAP seconds
(0.002 unless given) lie between two of them, so that the reader sees one event a read. Anything else gets a whole
answer. HTTP/1.1 and, by prior knowledge or ALPN, HTTP/2 (`canned_http2.py`).

The words of a stream vary and the models are real ones: LiteLLM takes a chunk that comes a hundred times for a model
that hangs and breaks the stream off, and does more work for a model that has no price.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
from itertools import cycle, islice

import uvloop

CHUNKS = 200
GAP = 0.002
WORDS = (b" the", b" cat", b" sat", b" on", b" a", b" mat", b" and", b" looked", b" out", b" of", b" its", b" window")

CHAT = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{"index":0,"message":{"role":'
    b'"assistant","content":"Hello, this is a canned answer of some twenty words, as short as most of them are in '
    b'practice."},"finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":20,"total_tokens":32}}'
)
CHAT_CHUNK = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":[{"index":0,'
    b'"delta":{"content":"%s"},"finish_reason":null}]}\n\n'
)
CHAT_END = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":[{"index":0,'
    b'"delta":{},"finish_reason":"stop"}]}\n\ndata: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,'
    b'"model":"gpt-4o","choices":[],"usage":{"prompt_tokens":12,"completion_tokens":200,"total_tokens":212}}\n\n'
    b"data: [DONE]\n\n"
)
MESSAGE_START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant",'
    b'"model":"claude-sonnet-4-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":12,'
    b'"output_tokens":1}}}\n\nevent: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"text","text":""}}\n\n'
)
MESSAGE_CHUNK = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":'
    b'"%s"}}\n\n'
)
MESSAGE_END = (
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\nevent: message_delta\ndata: {"type":'
    b'"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":200}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)

WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(CHAT), CHAT)
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


CHAT_PIECES = [chunk(CHAT_CHUNK % word) for word in WORDS]
MESSAGE_PIECES = [chunk(MESSAGE_CHUNK % word) for word in WORDS]


def body_length(head: bytes) -> int:
    """Of a head in lower case; 0 where none is given, as in a GET."""
    _, found, rest = head.partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0


class Canned(asyncio.Protocol):
    """One connection. Requests have a content-length, as those of a gateway do."""

    def __init__(self, tasks: set[asyncio.Task[None]], gap: float) -> None:
        self._tasks = tasks
        self._gap = gap
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._buffer.startswith(b"PRI "):
            self._speak_http2()
            return
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            length = body_length(head)
            if len(self._buffer) < end + 4 + length:
                return
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            self._answer(head, body)

    def _speak_http2(self) -> None:
        from canned_http2 import CannedHttp2  # it imports the answers from here

        other = CannedHttp2(self._tasks, self._gap)
        self._transport.set_protocol(other)
        other.connection_made(self._transport)
        other.data_received(self._buffer)

    def _answer(self, head: bytes, body: bytes) -> None:
        if b'"stream":true' not in body.replace(b" ", b""):
            self._transport.write(WHOLE)
            return
        task = asyncio.get_running_loop().create_task(self._stream(b"/messages" in head.split(b"\r\n")[0]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stream(self, messages: bool) -> None:
        write = self._transport.write
        write(STREAM + (chunk(MESSAGE_START) if messages else b""))
        for piece in islice(cycle(MESSAGE_PIECES if messages else CHAT_PIECES), CHUNKS):
            await asyncio.sleep(self._gap)
            if self._transport.is_closing():
                return
            write(piece)
        write(chunk(MESSAGE_END if messages else CHAT_END) + b"0\r\n\r\n")


async def main(options: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()
    listening = [await loop.create_server(lambda: Canned(tasks, options.gap), "127.0.0.1", options.port)]
    if options.tls:
        port, certificate, key = options.tls
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.set_alpn_protocols(["h2", "http/1.1"])
        listening.append(
            await loop.create_server(lambda: Canned(tasks, options.gap), "127.0.0.1", int(port), ssl=context)
        )
    await asyncio.gather(*(server.serve_forever() for server in listening))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--gap", type=float, default=GAP)
    parser.add_argument("--tls", nargs=3, metavar=("PORT", "CERTIFICATE", "KEY"))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(parser.parse_args()))
