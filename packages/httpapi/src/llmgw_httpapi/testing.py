"""An in-memory ASGI client, and a relay whose answers are scripted.

`drive` plays one request against an application without a socket or a server, and refuses what a server would refuse.
`ScriptedRelay` answers with what a test gives it and notes how each call ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from types import TracebackType

import msgspec
from starlette.types import ASGIApp, Message, Scope

from llmgw_domain import Catalog, ClientKey, Policy
from llmgw_domain.errors import GatewayError, UnknownKey
from llmgw_relay.call import Admission, Beat, Call, Knock, Reply

SECRET = "sk-test"  # noqa: S105


class Exchange:
    """What an application did with one request. `complete` is whether it sent the last body message.

    `taken` counts the bytes of the request's body that it received, in all and before it began to answer.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.chunks: list[bytes] = []
        self.complete = False
        self.aborted = False
        self.taken = 0
        self.taken_before_start = 0

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    def json(self) -> object:
        return msgspec.json.decode(self.body)

    def header(self, name: bytes) -> bytes | None:
        """The only value of a header, or None. Raises ValueError for a repeated one."""
        values = [value for key, value in self.headers if key == name]
        if len(values) > 1:
            raise ValueError(f"{name!r} is sent {len(values)} times")
        return values[0] if values else None


class _Client:
    def __init__(
        self, exchange: Exchange, body: Iterable[bytes], gone_after: int | None, stall_after: int | None
    ) -> None:
        self._exchange = exchange
        self._body = list(body)
        self._gone_after = gone_after
        self._stall_after = stall_after
        self._sent_all = False
        self._gone = asyncio.Event()
        if gone_after == 0:
            self._gone.set()

    async def receive(self) -> Message:
        if self._body:
            part = self._body.pop(0)
            self._exchange.taken += len(part)
            return {"type": "http.request", "body": part, "more_body": True}
        if not self._sent_all and not self._gone.is_set():
            self._sent_all = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        exchange = self._exchange
        if exchange.complete:
            raise RuntimeError(f"{message['type']} after the end of the response")
        if message["type"] == "http.response.start":
            assert exchange.status is None
            exchange.status, exchange.headers = message["status"], list(message["headers"])
            exchange.taken_before_start = exchange.taken
            return
        assert exchange.status is not None
        if self._stall_after is not None and len(exchange.chunks) >= self._stall_after:
            await asyncio.Event().wait()
        if message["body"]:
            exchange.chunks.append(message["body"])
        exchange.complete = not message["more_body"]
        if exchange.complete or len(exchange.chunks) == self._gone_after:
            self._gone.set()


async def drive(
    app: ASGIApp,
    method: str,
    path: str,
    headers: Sequence[tuple[str, str]] = (),
    body_chunks: Iterable[bytes] = (),
    *,
    query: str = "",
    raw_path: bytes | None = None,
    http_version: str = "1.1",
    disconnect_after: int | None = None,
    stall_after: int | None = None,
) -> Exchange:
    """Plays one request. The client goes away after `disconnect_after` chunks; it takes no more than `stall_after`.

    With `disconnect_after=0` the client goes away after its body, whose end it does not send.
    """
    exchange = Exchange()

    def abort() -> None:
        exchange.aborted = True

    scope: Scope = {
        "type": "http",
        "http_version": http_version,
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode() if raw_path is None else raw_path,
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        "client": ("192.0.2.7", 40000),
        "server": ("127.0.0.1", 8080),
        "state": {"abort": abort},
    }
    client = _Client(exchange, body_chunks, disconnect_after, stall_after)
    await app(scope, client.receive, client.send)
    return exchange


Script = Callable[[Call], Awaitable[Reply]]


class ScriptedRelay:
    """A relay that answers with `script` to whoever has the key `SECRET`.

    `turned` holds who was refused at the door. `outcomes` has one entry a call that is over: `ok`, `cancelled`, or the
    name of the exception that went through.
    """

    def __init__(self, script: Script, *, policy: Policy | None = None) -> None:
        self.script = script
        self.policy = policy or Policy()
        self.calls: list[Call] = []
        self.outcomes: list[str] = []
        self.turned: list[tuple[Knock, GatewayError]] = []
        self.beats: list[Beat | None] = []

    def turned_away(self, knock: Knock, error: GatewayError) -> list[tuple[bytes, bytes]]:
        self.turned.append((knock, error))
        return [(b"x-gw-attempts", b"0")]

    def admit(self, secret: str) -> Admission:
        if secret != SECRET:
            raise UnknownKey()
        key = ClientKey(id="key-1", tenant="default", digest=ClientKey.digest_of(SECRET))
        return Admission(catalog=Catalog.of(version="1"), key=key, policy=self.policy)

    def open(self, admission: Admission, call: Call) -> ScriptedCall:
        self.calls.append(call)
        return ScriptedCall(self, call)


class ScriptedCall:
    """The relay's `Carried`. It gives what its relay has as `beats`, one by one, then None."""

    def __init__(self, relay: ScriptedRelay, call: Call) -> None:
        self._relay = relay
        self._call = call

    def beat(self, *, first: bool) -> Beat | None:
        return self._relay.beats.pop(0) if self._relay.beats else None

    async def __aenter__(self) -> Reply:
        try:
            return await self._relay.script(self._call)
        except BaseException as error:
            self._over(error)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over(error)

    def _over(self, error: BaseException | None) -> None:
        if error is None:
            self._relay.outcomes.append("ok")
        elif isinstance(error, asyncio.CancelledError):
            self._relay.outcomes.append("cancelled")
        elif isinstance(error, Exception):
            self._relay.outcomes.append(type(error).__name__)


def whole(body: bytes, status: int = 200) -> Script:
    """A script that answers every call with this JSON."""

    async def answer(call: Call) -> Reply:
        return Reply(status, [(b"content-type", b"application/json")], body)

    return answer


def stream(
    chunks: Sequence[bytes], *, pause: float = 0.0, error: Exception | None = None, hang: bool = False
) -> Script:
    """A script that streams these chunks, `pause` seconds apart, then raises `error`, hangs, or ends."""

    async def pieces() -> AsyncIterator[bytes]:
        for chunk in chunks:
            await asyncio.sleep(pause)
            yield chunk
        if error is not None:
            raise error
        if hang:
            await asyncio.Event().wait()

    async def answer(call: Call) -> Reply:
        return Reply(200, [(b"content-type", b"text/event-stream")], None, pieces())

    return answer
