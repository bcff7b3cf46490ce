"""In-memory forms of the relay's ports, for its own tests and everybody else's."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from itertools import permutations
from types import TracebackType

import msgspec

from llmgw_domain.errors import BadRequest, UpstreamMalformed
from llmgw_relay.facts import AttemptEnded, CallOpened, CallSettled, Fact, SessionPlaced
from llmgw_relay.keep import Change, Drop, Found, KeptStore, Put, Sought, Touch
from llmgw_relay.memory_kept import MemoryKept
from llmgw_relay.ports import UpstreamRequest
from llmgw_relay.wrapping import Unopenable


class MemoryFacts:
    """Keeps facts in lists."""

    def __init__(self) -> None:
        self.opened: list[CallOpened] = []
        self.ended: list[AttemptEnded] = []
        self.placed: list[SessionPlaced] = []
        self.settled: list[CallSettled] = []

    def append(self, fact: Fact) -> None:
        match fact:
            case CallOpened():
                self.opened.append(fact)
            case AttemptEnded():
                self.ended.append(fact)
            case SessionPlaced():
                self.placed.append(fact)
            case CallSettled():
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


# --- what is kept -----------------------------------------------------------------------------------------------------


class MemoryStamps:
    """Counts."""

    def __init__(self, last: int = 0) -> None:
        self.last = last

    def tick(self, now: float) -> int:
        self.last += 1
        return self.last


class MemoryKeep:
    """A `Keep` whose store is at hand. While it is `away` it knows nothing, and says so.

    `asked` is what it was asked, `changes` what was written.
    """

    def __init__(self, wall: float = 1e9) -> None:
        self.wall = wall
        self.store = MemoryKept(lambda: self.wall)
        self.stamps = MemoryStamps()
        self.away = False
        self.asked: list[Sought] = []
        self.changes: list[Change] = []

    def put(self, kind: str, tenant: str, id: str, body: bytes, ttl: float) -> None:
        stamp, expires = self.stamps.tick(self.wall), self.wall + ttl
        self._take(Put(kind=kind, tenant=tenant, id=id, expires=expires, stamp=stamp, writer="w", body=body))

    def touch(self, kind: str, tenant: str, id: str, ttl: float) -> None:
        self._take(Touch(kind=kind, tenant=tenant, id=id, expires=self.wall + ttl))

    def drop(self, kind: str, tenant: str, id: str, ttl: float) -> None:
        stamp, expires = self.stamps.tick(self.wall), self.wall + ttl
        self._take(Drop(kind=kind, tenant=tenant, id=id, expires=expires, stamp=stamp, writer="w"))

    async def find(self, sought: Sought) -> Found:
        self.asked.append(sought)
        return Found((), complete=False) if self.away else await self.store.find(sought)

    def _take(self, change: Change) -> None:
        self.changes.append(change)
        self.store.take(change)


class MemorySealer:
    """Seals with a digest: what is sealed is bound to its context, and not hidden at all."""

    def __init__(self, key: bytes = b"key") -> None:
        self._key = key

    def seal(self, body: bytes, context: bytes) -> bytes:
        return self._tag(body, context) + body

    def open(self, sealed: bytes, context: bytes) -> bytes:
        body = sealed[32:]
        if sealed[:32] != self._tag(body, context):
            raise Unopenable("another key, another place, or damaged")
        return body

    def _tag(self, body: bytes, context: bytes) -> bytes:
        return hashlib.blake2s(context + b"\0" + body, key=self._key).digest()


def _later(ttl: float) -> float:
    """To the millisecond, so that it is the same after a store kept it to the microsecond."""
    return round(time.time() + ttl, 3)


def put_of(
    id: str, stamp: int, body: bytes = b"", *, kind: str = "k", tenant: str = "t", writer: str = "w", ttl: float = 60.0
) -> Put:
    """A put of these tests, for `ttl` seconds from now."""
    return Put(kind=kind, tenant=tenant, id=id, expires=_later(ttl), stamp=stamp, writer=writer, body=body)


def drop_of(id: str, stamp: int, *, kind: str = "k", tenant: str = "t", ttl: float = 60.0) -> Drop:
    return Drop(kind=kind, tenant=tenant, id=id, expires=_later(ttl), stamp=stamp, writer="w")


def touch_of(id: str, ttl: float, *, kind: str = "k", tenant: str = "t") -> Touch:
    return Touch(kind=kind, tenant=tenant, id=id, expires=_later(ttl))


def by_id(*ids: str, tenant: str | None = "t", kinds: tuple[str, ...] = ("k",)) -> Sought:
    return Sought(kinds=kinds, tenant=tenant, ids=ids)


class KeepConformance:
    """What every `KeptStore` does. Inherit it, and give it a fixture `store`: an empty store, on the real time."""

    async def beside(self, store: KeptStore) -> KeptStore:
        """Another handle on the same records, as a second process has it; override where there is such a thing."""
        return store

    async def bodies(self, store: KeptStore, sought: Sought) -> list[bytes]:
        return [put.body for put in (await store.find(sought)).puts]

    async def test_a_record_is_found_in_its_place(self, store: KeptStore) -> None:
        """Whole, by its kind, tenant and id; in no other place."""
        put = put_of("x", 5, bytes(range(256)))
        await store.apply([put])
        assert Found((put,), complete=True) == await store.find(by_id("x"))
        for elsewhere in (by_id("y"), by_id("x", tenant="u"), by_id("x", kinds=("l",)), by_id()):
            assert Found((), complete=True) == await store.find(elsewhere)

    async def test_an_id_is_found_whoever_s_it_is(self, store: KeptStore) -> None:
        """Of several kinds, and with each of its tenants, the latest first."""
        puts = [put_of("x", 1, tenant="t"), put_of("x", 3, tenant="u"), put_of("x", 2, tenant="t", kind="l")]
        await store.apply([*puts, put_of("x", 4, kind="m"), put_of("y", 5)])
        found = await store.find(by_id("x", tenant=None, kinds=("k", "l")))
        assert (puts[1], puts[2], puts[0]) == found.changes

    async def test_what_a_tenant_has_comes_latest_first(self, store: KeptStore) -> None:
        """Of the kinds that are asked for, no more than the limit, and nothing that was dropped."""
        others: list[Change] = [put_of("o", 9, tenant="u"), put_of("o", 8, kind="l"), put_of("d", 7), drop_of("d", 10)]
        await store.apply([*others, *(put_of(f"x{i}", i, b"%d" % i) for i in (2, 1, 3))])
        assert [b"3", b"2", b"1"] == await self.bodies(store, Sought(kinds=("k",), tenant="t"))
        assert [b"3", b"2"] == await self.bodies(store, Sought(kinds=("k",), tenant="t", limit=2))

    async def test_the_latest_wins_in_any_order(self, store: KeptStore) -> None:
        """Puts and drops of one place, one by one or in one batch, again and again, end the same."""
        changes: list[Put | Drop] = [put_of("x", 1, b"1"), drop_of("x", 2), put_of("x", 3, b"3"), put_of("x", 2, b"2")]
        for number, order in enumerate(permutations(changes)):
            moved = [msgspec.structs.replace(change, id=f"x{number}") for change in order]
            for batch in _batches(moved, whole=bool(number % 2)):
                await store.apply(batch)
            await store.apply(moved[:2])
            assert [b"3"] == await self.bodies(store, by_id(f"x{number}"))

    async def test_the_writer_breaks_a_tie(self, store: KeptStore) -> None:
        """So that every node sees the same record."""
        a, b = put_of("x", 1, b"a", writer="a"), put_of("x", 1, b"b", writer="b")
        await store.apply([a])
        await store.apply([b])
        await store.apply([a])
        assert [b"b"] == await self.bodies(store, by_id("x"))

    async def test_a_drop_is_told_of(self, store: KeptStore) -> None:
        """It wins over the puts before it, also those that come later, and a put after it wins over the drop."""
        drop = drop_of("x", 5)
        await store.apply([put_of("x", 4, b"old")])
        await store.apply([drop])
        await store.apply([put_of("x", 4, b"old"), put_of("x", 3, b"older")])
        assert (drop,) == (await store.find(by_id("x"))).changes
        await store.apply([put_of("x", 6, b"new")])
        assert [b"new"] == await self.bodies(store, by_id("x"))

    async def test_a_drop_comes_before_its_put(self, store: KeptStore) -> None:
        """From another spool, for example."""
        await store.apply([drop_of("x", 5)])
        await store.apply([put_of("x", 4, b"old")])
        assert [] == await self.bodies(store, by_id("x"))

    async def test_what_is_past_its_time_is_not_there(self, store: KeptStore) -> None:
        """Neither what expires, nor what had expired before it came; that does not push anything out either."""
        await store.apply([put_of("x", 1, ttl=0.3), put_of("y", 1, ttl=-1.0), put_of("z", 1), put_of("z", 2, ttl=-1.0)])
        assert {"x", "z"} == {put.id for put in (await store.find(by_id("x", "y", "z"))).puts}
        await asyncio.sleep(0.35)
        assert ["z"] == [put.id for put in (await store.find(by_id("x", "y", "z"))).puts]
        assert ["z"] == [put.id for put in (await store.find(Sought(kinds=("k",), tenant="t"))).puts]
        await store.apply([put_of("x", 0, b"again")])
        assert [b"again"] == await self.bodies(store, by_id("x"))

    async def test_a_touch_lengthens(self, store: KeptStore) -> None:
        """It never shortens, finds what it is for also in its own batch, and holds when its put is offered again."""
        puts = [put_of("x", 1, ttl=0.3), put_of("y", 1), put_of("z", 1, ttl=0.3)]
        await store.apply([*puts, touch_of("z", 60.0)])
        await store.apply([touch_of("x", 60.0), touch_of("x", 30.0), touch_of("y", 0.2)])
        await store.apply(puts)
        await asyncio.sleep(0.35)
        found = (await store.find(by_id("x", "y", "z"))).puts
        assert {"x", "y", "z"} == {put.id for put in found}
        assert all(put.expires > time.time() + 40.0 for put in found)

    async def test_a_touch_raises_nothing_from_the_dead(self, store: KeptStore) -> None:
        """What was dropped, what has expired and what was never there stay away."""
        await store.apply([put_of("x", 1), drop_of("x", 2, ttl=1.0), put_of("y", 1, ttl=0.2)])
        await asyncio.sleep(0.25)
        await store.apply([touch_of(name, 60.0) for name in "xyz"])
        found = await store.find(by_id("x", "y", "z"))
        assert ["x"] == [change.id for change in found.changes]
        assert () == found.puts
        assert found.changes[0].expires < time.time() + 5.0

    async def test_any_body_and_any_name(self, store: KeptStore) -> None:
        """A body of two megabytes, an empty one; names of every script, quotes and braces."""
        names = ["\u00fc \u4e2d\U0001f600", "'; --", '{"a",b}', "\\", "x" * 255, "NULL", ""]
        puts = [put_of(name, i, tenant=name, kind=name, body=name.encode()) for i, name in enumerate(names)]
        large = put_of("large", 99, bytes(range(256)) * 8192)
        await store.apply([*puts, large])
        for put in puts:
            assert (put,) == (await store.find(by_id(put.id, tenant=put.tenant, kinds=(put.kind,)))).changes
        assert large.body == (await store.find(by_id("large"))).puts[0].body

    async def test_many_at_once(self, store: KeptStore) -> None:
        """A thousand records in a batch, and a thousand ids in a look."""
        await store.apply([put_of(f"x{i}", i) for i in range(1000)])
        found = await store.find(by_id(*(f"x{i}" for i in range(2000))))
        assert [f"x{i}" for i in reversed(range(1000))] == [put.id for put in found.puts]

    async def test_writers_at_the_same_time_agree(self, store: KeptStore) -> None:
        """Many, over the same places in every order, and none of them fails for another."""
        handles = [store, await self.beside(store)]
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            for turn in range(20):
                names = [f"x{(i * 7 + turn) % 20}" for i in range(20)]
                changes: list[Change] = [put_of(name, turn, b"%d" % turn) for name in names]
                changes += [touch_of(name, 90.0) for name in reversed(names)]
                group.create_task(handles[turn % 2].apply(changes))
        found = (await handles[1].find(by_id(*(f"x{i}" for i in range(20))))).puts
        assert [b"19"] * 20 == [put.body for put in found]

    async def test_nothing_is_no_change(self, store: KeptStore) -> None:
        """An empty batch is allowed."""
        await store.apply([])
        assert [] == await self.bodies(store, Sought(kinds=("k",), tenant="t"))


def _batches(changes: Sequence[Change], *, whole: bool) -> list[list[Change]]:
    return [[*changes]] if whole else [[change] for change in changes]
