"""What comes in and what goes out: the relay's side of an HTTP exchange, without HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from enum import StrEnum
from types import TracebackType
from typing import Literal, Protocol

import msgspec

from llmgw_domain import Catalog, ClientKey, Policy, StreamErrors
from llmgw_protocols import Dialect, WireRequest
from llmgw_protocols.enquiry import Enquiry
from llmgw_protocols.resources import Resource
from llmgw_relay.ports import Upload


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """A caller let in: the catalog that serves this request to its end, the caller's key, and what it may do."""

    catalog: Catalog
    key: ClientKey
    policy: Policy


class Verb(StrEnum):
    """What a call is about: a chat, or one of the smaller questions around it."""

    GENERATE = "generate"
    ENQUIRE = "enquire"
    LIST = "list"
    FORWARD = "forward"


Heartbeats = Literal["off", "json"]
"""What a client may ask for: none at all, or also before an answer that is no stream."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a client, read whole but for an `upload`. `started` is the monotonic time of its first byte.

    `id` is the gateway's own and never comes again; `request_id` is what the client knows it by, which the client may
    have chosen, and chosen before.
    """

    id: str
    request_id: str
    dialect: Dialect
    wire: WireRequest
    started: float
    verb: Verb = Verb.GENERATE
    enquiry: Enquiry | None = None
    """The smaller question that is asked, where it is no chat."""
    resource: Resource | None = None
    """What of OpenAI's API is asked for, where it is passed through."""
    method: str = "POST"
    upload: Upload | None = None
    """The body of what is passed through, in place of the wire's."""
    pool: str = ""
    """What `x-gw-pool` asked for: where to put what names no model."""
    client: str = ""
    stream_errors: StreamErrors | None = None
    """What `x-gw-stream-errors` asked for."""
    heartbeats: Heartbeats | None = None
    """What `x-gw-heartbeats` asked for."""
    tags: str = ""
    timeout: float | None = None
    """Seconds, from `x-gw-timeout`: an upper bound on the whole call."""


class Knock(msgspec.Struct, frozen=True, kw_only=True):
    """A request that got no further than the door: no valid key, a body that is too large or was never sent whole.

    `key` is None if the caller is not known. Header names are lower-case; `started` is monotonic. The ids are those of
    `Call`.
    """

    id: str
    request_id: str
    dialect: Dialect
    started: float
    headers: Mapping[str, str]
    client: str = ""
    key: ClientKey | None = None


class Reply:
    """An answer to a client: either `body` is whole, or it is None and `chunks` brings it, one item a write.

    `broken` is one that failed when its status had been sent already: it must not end as if it were whole.
    """

    __slots__ = ("body", "broken", "chunks", "headers", "status")

    def __init__(
        self,
        status: int,
        headers: list[tuple[bytes, bytes]],
        body: bytes | None = None,
        chunks: AsyncIterator[bytes] | None = None,
        *,
        broken: bool = False,
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.chunks = chunks
        self.broken = broken

    def __repr__(self) -> str:
        size = "stream" if self.body is None else f"{len(self.body)} bytes"
        return f"<Reply {self.status} {size}>"


class Beat(msgspec.Struct, frozen=True):
    """A sign of life: a frame that says nothing. `headers` are those of the reply, as far as it is known now."""

    data: bytes
    headers: list[tuple[bytes, bytes]]


class Carried(Protocol):
    """A call on its way: entered once for its reply, left once, which settles it on cancellation as well."""

    def beat(self, *, first: bool) -> Beat | None:
        """What to send to a client that has waited long; None where nothing can be sent now, or nothing is wanted.

        `first` says that nothing was sent yet: with this the reply's status is settled as 200, and a failure is told
        inside of the answer. Synchronous, and safe at any time between entering and leaving.
        """
        ...

    async def __aenter__(self) -> Reply: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
