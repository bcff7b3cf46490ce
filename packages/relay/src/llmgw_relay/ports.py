"""The ports of the relay: what it needs from the outside, owned here and implemented by the edges.

Each has a real form (`pool`, `telemetry`) and an in-memory one (`llmgw_relay.testing`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import TracebackType
from typing import Protocol

import msgspec

from llmgw_domain import Account, Deadlines
from llmgw_domain.advertised import Advertised
from llmgw_relay.facts import Fact

AdvertisedBy = Callable[[str, str], Advertised | None]
"""What an account's provider says of a model, by the account's id and the model's name there; None where it is not
known. Called for every attempt, so it is a look-up and no more."""


class UpstreamRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request to a provider. `path` (with a leading slash) and `query` follow the account's base URL.

    `headers` hold no credential: the transport adds the account's. `upload` is a body that is streamed instead of
    `body`, once; `length` is its size in bytes where it is known. `once`: it makes something, so the transport may
    not send it a second time by itself, where nobody knows what became of the first.
    """

    account: Account
    path: str
    body: bytes
    method: str = "POST"
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    deadlines: Deadlines = Deadlines()
    stream: bool = False
    upload: AsyncIterator[bytes] | None = None
    length: int | None = None
    once: bool = False


class Upload(Protocol):
    """A client's body as it comes in: iterated once, in several goes if need be."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Raises `TooLarge`, and `BadRequest` for a body that stops coming."""
        ...

    def hold(self, size: int) -> None:
        """Counts bytes that are kept against what may be buffered in all. Raises `GatewayBusy`."""
        ...


class UpstreamReply(Protocol):
    """A provider's response, open. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, one item a network read.

        Raises `UpstreamReset`, `UpstreamTimeout` or `UpstreamStalled`; ends normally only at a well-framed end of body.
        """
        ...

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises as `chunks`, and `UpstreamMalformed` over `limit` bytes."""
        ...

    def progress(self) -> None:
        """What was read held an event: the deadline between events starts anew. Only where `stream` was asked for."""
        ...


class UpstreamLease(Protocol):
    """A request on its way, and then its response: entered once, left once."""

    @property
    def alive(self) -> bool:
        """Whether the provider's side has answered all that it should have by now: segments, probes, PINGs.

        Also before it is entered, and while it is; true as long as there is no connection that could be asked.
        """
        ...

    async def __aenter__(self) -> UpstreamReply: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Upstream(Protocol):
    """Sends requests to providers."""

    def open(self, request: UpstreamRequest) -> UpstreamLease:
        """Sends the request and gives the response once its headers are there; leaving the context frees the
        connection.

        Leaving before the body's end closes the connection, so the provider is told to stop. Raises
        `UpstreamUnreachable` (nothing was sent), `UpstreamReset`, `UpstreamTimeout`.
        """
        ...


class Fetch(Protocol):
    """Fetches the media that requests name, as far as the operator allows it."""

    def allows(self, url: str) -> bool:
        """Whether the address may be fetched at all. Reads the configuration only."""
        ...

    async def fetch(self, urls: Sequence[str]) -> list[bytes]:
        """What these addresses hold, in their order: the media of one call, bounded together.

        Raises `BadRequest` for what is not allowed, too much, or can't be had.
        """
        ...


class Facts(Protocol):
    """Takes what happened to a call. Synchronous: what was taken survives the process."""

    def append(self, fact: Fact) -> None:
        """Writes a fact down.

        Raises `GatewayBusy` for a `CallOpened` that can't be written: nothing was sent yet, and what nobody knows of
        must not be. Nothing else raises: a call must not fail for its own record.
        """
        ...
