"""The seam between a lease and the two transports.

A lease knows deadlines, credentials and when a request may be sent again; a transport knows connections. The lease
gives it an `Outgoing` and is told by it, through `Attempt`, which connection carries the request. What comes back is an
`Incoming`: a head, and a body that `Reply` reads with its deadlines.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import NamedTuple, Protocol

import msgspec
from multidict import CIMultiDict
from yarl import URL

from llmgw_domain.errors import GatewayError
from llmgw_pool.wire import Streamed

READ_BYTES = 64 * 1024
"""About so much a read. What is read is held several times over, by turns: as it came, decoded, written. A whole window
at once would make a client that does not read hold more than a megabyte."""


class Unprocessed(Exception):
    """The provider says that it has not looked at the request: it may be sent again, whatever it does.

    RFC 9113, 8.7: a stream that was refused, or that is above the last one a GOAWAY names.
    """


class Unheard(Exception):
    """A connection that had served before died under the request, without a byte of answer to it.

    Most likely the provider closed it while it was idle, and the request crossed that on its way.
    """


class Way(NamedTuple):
    """How an origin is reached: `tls` for https, `proxy` to go through. Different ways share no connection."""

    tls: ssl.SSLContext
    proxy: URL | None = None


class Outgoing(NamedTuple):
    """A request as it goes on the wire. `fresh` asks for a connection that was never used."""

    method: str
    url: URL
    headers: CIMultiDict[str]
    body: bytes
    upload: Streamed | None
    way: Way
    account: str
    fresh: bool = False

    @property
    def origin(self) -> str:
        """Scheme, host and port, as the metrics name it."""
        return str(self.url.origin())


class Hop(Protocol):
    """A connection, as far as a lease asks about it."""

    @property
    def alive(self) -> bool:
        """Whether its other side has answered all that it should have by now."""
        ...


class Attempt(Protocol):
    """One sending of a request. The transport tells it how far it has come."""

    fresh_only: bool

    def connecting(self) -> None: ...
    def connected(self, hop: Hop) -> None: ...


class Body(Protocol):
    """A response's body as it comes in. One reader at a time."""

    @property
    def at_end(self) -> bool:
        """Whether nothing is left to read, and the body ended as its framing says."""
        ...

    @property
    def delimited(self) -> bool:
        """Whether its framing says where it ends; otherwise the connection's end is the body's."""
        ...

    def take(self) -> bytes:
        """What has arrived, without waiting; may be nothing. Raises how the body broke."""
        ...

    async def wait(self) -> bytes:
        """What has arrived, or arrives next; nothing at the end. Raises how the body broke."""
        ...

    def rest(self) -> bytes:
        """After a break: what had arrived before it and was not read."""
        ...

    def lost(self) -> OSError | None:
        """How the connection broke, where that is known: it says more than the body's framing does."""
        ...

    def interrupt(self, error: GatewayError) -> None:
        """Makes the reader, who waits or will wait, raise `error`."""
        ...

    def close(self) -> None:
        """Frees the connection. A body that was not read to its end is given up, and the provider told so."""
        ...


class Incoming(NamedTuple):
    """A response. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: Body


class Counted(msgspec.Struct, frozen=True):
    """Connections of one transport to one origin."""

    transport: str
    origin: str
    state: str
    """`connecting`, `leased` (somebody's request is on it), `idle`, or `draining` (serves its last requests)."""
    count: int


class Transport(Protocol):
    """One way to carry requests."""

    async def send(self, outgoing: Outgoing, attempt: Attempt) -> Incoming:
        """Sends the request; the response once its headers are there.

        Raises `Unprocessed`, `Unheard`, a `GatewayError`, or one of `errors.FOREIGN`.
        """
        ...

    def connections(self) -> list[Counted]:
        """What is open now, without what is none."""
        ...
