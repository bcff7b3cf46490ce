"""The data plane as one ASGI callable: find the endpoint, admit, read, relay, write.

How an exchange ends:

- Complete: the last body message has `more_body` False.
- Client gone or not reading: the relay's work is cancelled and settles; a client that does not read is cut off.
- The relay or the server breaks it in mid-stream: no last body message is sent. Hypercorn and uvicorn then close the
  connection without the terminating chunk, after what was written before, so no client takes the answer for whole. An
  HTTP/1.0 body ends with its connection and would look whole, so there the connection is reset.

Resetting needs the server's help: `scope["state"]["abort"]`, if it is there, is a callable that does it.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from llmgw_domain import ClientKey
from llmgw_domain.errors import ClientGone, GatewayError
from llmgw_httpapi.answer import CLOSE, Headers, must_close, refusal
from llmgw_httpapi.body import BodyLate, Buffered, Patience, Share, read_body, refuse_length, refuse_size
from llmgw_httpapi.config import HttpConfig
from llmgw_httpapi.headers import (
    Wishes,
    declared_length,
    header_map,
    query_map,
    refuse_encoding,
    request_id_of,
    take_secret,
    wishes_of,
)
from llmgw_httpapi.lifeline import Lifeline
from llmgw_httpapi.pages import Pages, Ready, wrong_method
from llmgw_httpapi.paths import Endpoint, Paths
from llmgw_httpapi.ports import Relay
from llmgw_httpapi.upload import Upload
from llmgw_protocols import WireRequest
from llmgw_relay.call import Admission, Call, Carried, Knock, Reply

_log = logging.getLogger(__name__)

# Proxies on the way must neither keep nor collect a stream.
_STREAM_HEADERS = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))


def data_app(
    relay: Relay,
    config: HttpConfig,
    *,
    new_request_id: Callable[[], str],
    clock: Callable[[], float],
    ready: Ready = lambda: (True, ""),
    draining: Callable[[], bool] = lambda: False,
) -> ASGIApp:
    """The data plane.

    `clock` is monotonic, in seconds. `ready` says whether new requests should come here, and why not. While `draining`
    says so, every response ends its connection.
    """

    def closes(scope: Scope) -> bool:
        # HTTP/2 has no such header: its connections end with GOAWAY.
        return draining() and scope["http_version"].startswith("1")

    paths = Paths()
    pages = Pages(paths, config, ready=ready, closes=closes, new_request_id=new_request_id)
    return _DataApp(relay, config, paths, pages.app, new_request_id=new_request_id, clock=clock, closes=closes)


class _Heads:
    """What is known of a request before its body."""

    __slots__ = ("client", "endpoint", "headers", "id", "key", "method", "query", "request_id", "started")

    def __init__(self, endpoint: Endpoint, scope: Scope, new_request_id: Callable[[], str], started: float) -> None:
        self.endpoint = endpoint
        self.method: str = scope["method"]
        self.headers = header_map(scope)
        self.query = query_map(scope)
        self.id = new_request_id()
        self.request_id = request_id_of(self.headers, lambda: self.id)
        self.started = started
        self.client: str = (scope.get("client") or ("",))[0]
        self.key: ClientKey | None = None

    def knock(self) -> Knock:
        return Knock(
            id=self.id,
            request_id=self.request_id,
            dialect=self.endpoint.dialect,
            started=self.started,
            headers=self.headers,
            client=self.client,
            key=self.key,
        )

    def call(self, wishes: Wishes, body: bytes, upload: Upload | None) -> Call:
        return Call(
            id=self.id,
            request_id=self.request_id,
            dialect=self.endpoint.dialect,
            wire=self._wire(body),
            started=self.started,
            verb=self.endpoint.verb,
            enquiry=self.endpoint.enquiry,
            client=self.client,
            stream_errors=wishes.stream_errors,
            tags=wishes.tags,
            timeout=wishes.timeout,
            pool=wishes.pool,
            heartbeats=wishes.heartbeats,
            method=self.method,
            resource=self.endpoint.resource,
            upload=upload,
        )

    def _wire(self, body: bytes) -> WireRequest:
        return WireRequest(
            body=body,
            headers=self.headers,
            query=self.query,
            path_model=self.endpoint.model,
            path_stream=self.endpoint.stream,
            path_version=self.endpoint.version,
        )


class _DataApp:
    def __init__(
        self,
        relay: Relay,
        config: HttpConfig,
        paths: Paths,
        pages: ASGIApp,
        *,
        new_request_id: Callable[[], str],
        clock: Callable[[], float],
        closes: Callable[[Scope], bool],
    ) -> None:
        self._relay = relay
        self._config = config
        self._paths = paths
        self._pages = pages
        self._new_request_id = new_request_id
        self._clock = clock
        self._closes = closes
        self._buffered = Buffered(config.max_buffered_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _decline(scope, receive, send)
            return
        endpoint = self._paths.find(scope)
        if endpoint is None:
            await self._pages(scope, receive, send)
            return
        heads = _Heads(endpoint, scope, self._new_request_id, self._clock())
        if scope["method"] not in endpoint.methods:
            allowed = ", ".join(endpoint.methods)
            error = wrong_method(scope, allowed)
            told = [*self._relay.turned_away(heads.knock(), error), (b"allow", allowed.encode())]
            await self._refusal(error, heads, scope, extra=told)(scope, receive, send)
            return
        with self._buffered.share() as share:
            await self._serve(heads, share, scope, receive, send)

    async def _serve(self, heads: _Heads, share: Share, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            admission, call = await self._admit(heads, share, scope, receive)
        except ClientGone as gone:
            self._relay.turned_away(heads.knock(), gone)
            return
        except GatewayError as error:
            told = self._relay.turned_away(heads.knock(), error)
            await self._refusal(error, heads, scope, extra=told)(scope, receive, send)
            return
        await self._carry(admission, call, heads, scope, receive, send)

    async def _admit(self, heads: _Heads, share: Share, scope: Scope, receive: Receive) -> tuple[Admission, Call]:
        """Everything that can be refused without the body is refused before a byte of it is read."""
        headers = heads.headers
        admission = self._relay.admit(take_secret(headers, heads.query))
        heads.key = admission.key
        wishes = wishes_of(headers)
        refuse_encoding(headers)
        config = self._config
        patience = Patience(config.body_timeout, config.body_rate)
        if heads.endpoint.resource is not None:
            refuse_size(declared_length(headers), config.max_upload_bytes)
            upload = Upload(share, limit=config.max_upload_bytes, patience=patience)
            takes_body = heads.endpoint.resource.body != "none"
            return admission, heads.call(wishes, b"", upload if takes_body else None)
        limit = admission.policy.max_body_bytes or config.max_body_bytes
        refuse_length(declared_length(headers), limit, self._buffered)
        body = await read_body(receive, share, limit=limit, patience=patience)
        return admission, heads.call(wishes, body, None)

    async def _carry(
        self, admission: Admission, call: Call, heads: _Heads, scope: Scope, receive: Receive, send: Send
    ) -> None:
        upload = call.upload if isinstance(call.upload, Upload) else None
        config, carried = self._config, self._relay.open(admission, call)
        line = Lifeline(
            receive,
            send,
            send_timeout=config.send_timeout,
            upload=upload,
            beat=lambda first: self._beat(carried, call, scope, first=first),
            beat_seconds=config.heartbeat_seconds,
        )
        try:
            with line:
                async with carried as reply:
                    await self._write(reply, call, scope, line)
        except Exception:
            _log.exception("request %s failed inside the gateway", call.request_id)
            if not line.started:
                await self._refusal(GatewayError(), heads, scope, unread=False)(scope, receive, send)
                return
        if line.lost == "stalled" or (line.started and not line.complete and scope["http_version"] == "1.0"):
            _abort(scope)

    async def _write(self, reply: Reply, call: Call, scope: Scope, line: Lifeline) -> None:
        headers = [*reply.headers, (b"x-request-id", call.request_id.encode("latin-1"))]
        upload = call.upload if isinstance(call.upload, Upload) else None
        if self._closes(scope) or (upload is not None and not upload.ended):
            headers.append(CLOSE)
        body, chunks = reply.body, reply.chunks
        headers += _STREAM_HEADERS if body is None else ((b"content-length", b"%d" % len(body)),)
        await line.start(reply.status, headers)
        if reply.broken:
            # The client may read why; but without its end no answer with the status 200 is taken for a good one.
            await line.send({"type": "http.response.body", "body": body, "more_body": True})
            return
        if body is None:
            assert chunks is not None
            await _write_chunks(chunks, line)
        if upload is not None and not upload.ended:
            # Closing on a client that is still sending would reset its connection before it reads the answer.
            await line.send({"type": "http.response.body", "body": body or b"", "more_body": True})
            await upload.discard(self._config.linger_bytes, self._config.linger_seconds)
            body = b""
        line.complete = True
        await line.send({"type": "http.response.body", "body": body or b"", "more_body": False})

    def _beat(self, carried: Carried, call: Call, scope: Scope, *, first: bool) -> tuple[bytes, Headers] | None:
        """A sign of life, and the headers that go before it if it is the first thing that is sent."""
        beat = carried.beat(first=first)
        if beat is None:
            return None
        headers = [*beat.headers, (b"x-request-id", call.request_id.encode("latin-1")), *_STREAM_HEADERS]
        if self._closes(scope):
            headers.append(CLOSE)
        return beat.data, headers

    def _refusal(
        self, error: GatewayError, heads: _Heads, scope: Scope, *, extra: Headers | None = None, unread: bool = True
    ) -> ASGIApp:
        return refusal(
            error,
            heads.endpoint.dialect,
            request_id=heads.request_id,
            config=self._config,
            # A body that did not come so far is not waited for again.
            close=self._closes(scope)
            or isinstance(error, BodyLate)
            or (unread and must_close(heads.headers, self._config)),
            extra=extra,
            unread=unread,
        )


async def _write_chunks(chunks: AsyncIterator[bytes], line: Lifeline) -> None:
    try:
        async for chunk in chunks:
            await line.send({"type": "http.response.body", "body": chunk, "more_body": True})
    finally:
        # An unfinished generator would otherwise be closed by the garbage collector, in a task that nobody owns.
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()


async def _decline(scope: Scope, receive: Receive, send: Send) -> None:
    """WebSockets are not spoken here, and there is no state to open at the server's start."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000, "reason": ""})
        return
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


def _abort(scope: Scope) -> None:
    abort = scope.get("state", {}).get("abort")
    if abort is not None:
        abort()
