"""What outlives a call, durably: small sealed records with a place, and the port through which they are kept.

A record's place is its kind, its tenant and its id. It is put whole, and of two puts of one place the later stamp wins;
a drop is a tombstone, which wins over the puts before it until they would have expired all the same. So changes may
arrive in any order and any number of times: a spool that is offered again does no harm. A touch only lengthens the life
of what is there, wins over nothing, and raises nothing from the dead.

Writing is synchronous, because it belongs to the settling of a call. Reading has a bounded wait, and says whether the
answer is complete: while the store is away it holds what is known here, and the caller copes.

In a spool a change is a frame of its own (`encode`), told from an event by its first byte (`is_change`): the body of
one may be megabytes, and none of them belongs into the log of facts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from llmgw_eventstore import Unreadable

Place = tuple[str, str, str]
"""Kind, tenant and id."""

_FRAME = b"K\x01"
"""A letter that no JSON begins with, and the version of what follows."""

_MAX_ID = 255


class _Change(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """`expires` is in Unix seconds, by the writer's clock."""

    kind: str
    tenant: str
    id: str
    expires: float

    @property
    def place(self) -> Place:
        return self.kind, self.tenant, self.id


class Put(_Change, frozen=True, kw_only=True, tag="put"):
    """A record in its place. `stamp` is a hybrid logical clock's, `writer` breaks its ties."""

    stamp: int
    writer: str
    body: bytes

    @property
    def version(self) -> tuple[int, str]:
        return self.stamp, self.writer


class Drop(_Change, frozen=True, kw_only=True, tag="drop"):
    """A tombstone: the place is empty for everything that was put there before."""

    stamp: int
    writer: str

    @property
    def version(self) -> tuple[int, str]:
        return self.stamp, self.writer


class Touch(_Change, frozen=True, kw_only=True, tag="touch"):
    """What is in this place lives until `expires` at least."""


Change = Put | Drop | Touch
_decoder: msgspec.msgpack.Decoder[Change] = msgspec.msgpack.Decoder(Change)


def encode(change: Change) -> bytes:
    """The frame of a change for a spool or a link."""
    return _FRAME + msgspec.msgpack.encode(change)


def is_change(frame: bytes) -> bool:
    """Whether a frame of a spool is one of these; an event is a JSON object and begins with a brace."""
    return frame[:1] == _FRAME[:1]


def decode(frame: bytes) -> Change:
    """The change in a frame. Raises `Unreadable` for what is none, or of a later version."""
    if not frame.startswith(_FRAME):
        raise Unreadable("the frame is no change to what is kept, or of a later release: upgrade this node")
    try:
        return _decoder.decode(memoryview(frame)[len(_FRAME) :])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise Unreadable(f"the change to what is kept is damaged: {error}") from None


def latest(changes: Iterable[Put | Drop]) -> dict[Place, Put | Drop]:
    """Of each place, the change that wins."""
    found: dict[Place, Put | Drop] = {}
    for change in changes:
        known = found.get(change.place)
        if known is None or change.version > known.version:
            found[change.place] = change
    return found


class Sought(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for: the given `ids`, of one tenant or of any; or without them what a tenant has, the latest
    `limit` of it.
    """

    kinds: tuple[str, ...]
    tenant: str | None = None
    ids: tuple[str, ...] | None = None
    limit: int = 10_000

    def __post_init__(self) -> None:
        if self.tenant is None and self.ids is None:
            raise ValueError("look for ids, or for what one tenant has")


class Found(msgspec.Struct, frozen=True):
    """What was found, the latest put first. Tombstones are there too where ids were asked for, because they win over
    what a cache may hold. `complete`: the store was asked, so what is not here is nowhere.
    """

    changes: tuple[Put | Drop, ...]
    complete: bool

    @property
    def puts(self) -> tuple[Put, ...]:
        return tuple(change for change in self.changes if isinstance(change, Put))


class Keep(Protocol):
    """Keeps records. `ttl` is in seconds from now; no call to it fails because the store is away."""

    def put(self, kind: str, tenant: str, id: str, body: bytes, ttl: float) -> None:
        """Keeps a record, in place of an earlier one."""
        ...

    def touch(self, kind: str, tenant: str, id: str, ttl: float) -> None:
        """Keeps what is there for longer."""
        ...

    def drop(self, kind: str, tenant: str, id: str, ttl: float) -> None:
        """Forgets a record. `ttl` is that of its kind: the tombstone must outlive every put before it."""
        ...

    async def find(self, sought: Sought) -> Found: ...


class KeptStore(Protocol):
    """Where the records are in the end: PostgreSQL (`llmgw_postgres.kept`), or `MemoryKept`.

    `KeepConformance` in `llmgw_relay.testing_keep` is what every store passes.
    """

    async def apply(self, changes: Sequence[Change]) -> None:
        """Takes changes in; those that are there already change nothing, so a batch that failed is simply repeated.

        Raises `StoreAway`.
        """
        ...

    async def find(self, sought: Sought) -> Found:
        """Raises `StoreAway`."""
        ...


def name_of(id: str) -> str:
    """An id as a place has it: itself, or its digest where it is too long or too odd for a database's key.

    Ids come from providers and from clients, which may send any text.
    """
    if len(id) <= _MAX_ID and id.isascii() and id.isprintable() and not id.startswith("sha256:"):
        return id
    return f"sha256:{hashlib.sha256(id.encode('utf-8', 'surrogatepass')).hexdigest()}"
