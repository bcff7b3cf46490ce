"""In-memory forms of the relay's ports, for its own tests and everybody else's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from types import TracebackType

from llmgw_domain.errors import BadRequest, UpstreamMalformed
from llmgw_relay.facts import CallOpened, CallSettled
from llmgw_relay.ports import UpstreamRequest


class MemoryFacts:
    """Keeps facts in lists."""

    def __init__(self) -> None:
        self.opened: list[CallOpened] = []
        self.settled: list[CallSettled] = []

    def append(self, fact: CallOpened | CallSettled) -> None:
        if isinstance(fact, CallOpened):
            self.opened.append(fact)
        else:
            self.settled.append(fact)


class MemoryUpload:
    """A body that comes in these pieces. `held` counts what was kept of it."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)
        self.held = 0

    def __aiter__(self) -> MemoryUpload:
        return self

    async def __anext__(self) -> bytes:
        if not self._pieces:
            raise StopAsyncIteration
        return self._pieces.pop(0)

    def hold(self, size: int) -> None:
        self.held += size


class MemoryFetch:
    """Holds what addresses lead to; no other address is allowed. `asked` are those that were fetched."""

    def __init__(self, held: Mapping[str, bytes] | None = None) -> None:
        self.held = dict(held or {})
        self.asked: list[str] = []

    def allows(self, url: str) -> bool:
        return url in self.held

    async def fetch(self, urls: Sequence[str]) -> list[bytes]:
        self.asked += urls
        if not all(map(self.allows, urls)):
            raise BadRequest("fetch.allowed_hosts does not name that host.")
        return [self.held[url] for url in urls]


class Script:
    """A scripted response: a status and pieces; a piece that is an exception is raised, any other is a network read.

    `refuse` is raised instead of a response, as a transport that can't connect does.
    """

    def __init__(
        self,
        pieces: Iterable[bytes | BaseException] = (),
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        refuse: BaseException | None = None,
    ) -> None:
        self.pieces = list(pieces)
        self.status = status
        self.headers: Mapping[str, str] = dict(headers or {})
        self.refuse = refuse
        self.progressed = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, BaseException):
                raise piece
            yield piece

    def progress(self) -> None:
        self.progressed += 1

    async def read(self, limit: int) -> bytes:
        body = b"".join([piece async for piece in self.chunks()])
        if len(body) > limit:
            raise UpstreamMalformed(detail=f"more than {limit} bytes")
        return body


class ScriptedUpstream:
    """Answers each request with the next script (the last one again and again) and remembers what it was asked.

    `alive` is what every lease says of its provider.
    """

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.asked: list[UpstreamRequest] = []
        self.uploaded: list[bytes] = []
        self.open_now = 0
        self.alive = True

    def open(self, request: UpstreamRequest) -> ScriptedLease:
        return ScriptedLease(self, request)


class ScriptedLease:
    """The relay's `UpstreamLease`."""

    def __init__(self, upstream: ScriptedUpstream, request: UpstreamRequest) -> None:
        self._upstream = upstream
        self._request = request

    @property
    def alive(self) -> bool:
        return self._upstream.alive

    async def __aenter__(self) -> Script:
        upstream, request = self._upstream, self._request
        upstream.asked.append(request)
        if request.upload is not None:
            upstream.uploaded.append(b"".join([part async for part in request.upload]))
        script = upstream.scripts.pop(0) if len(upstream.scripts) > 1 else upstream.scripts[0]
        if script.refuse is not None:
            raise script.refuse
        upstream.open_now += 1
        return script

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._upstream.open_now -= 1
