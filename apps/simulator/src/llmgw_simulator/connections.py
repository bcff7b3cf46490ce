"""The connections that callers hold: how many, how old, how they are kept alive. A test sees how a client pools."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec


class Link(msgspec.Struct):
    """One connection. `streams` are requests under way, `requests` all there were; `peer` is the caller's address."""

    number: int
    http: Literal["1.1", "2"]
    peer: str
    tls: bool
    opened: float
    """Unix time."""
    streams: int = 0
    requests: int = 0
    pings: int = 0
    """PINGs that came."""
    answered: int = 0

    @contextmanager
    def request(self) -> Iterator[None]:
        """While the block runs, a request is under way."""
        self.streams += 1
        self.requests += 1
        try:
            yield
        finally:
            self.streams -= 1


class Connections:
    """Those that are open, by number. `total` counts all there ever were."""

    def __init__(self) -> None:
        self.open: dict[int, Link] = {}
        self._peers: dict[str, Link] = {}
        self.total = 0

    def opened(self, http: Literal["1.1", "2"], transport: asyncio.BaseTransport) -> Link:
        self.total += 1
        link = Link(
            number=self.total,
            http=http,
            peer=_peer(transport),
            tls=transport.get_extra_info("sslcontext") is not None,
            opened=time.time(),
        )
        self.open[link.number] = self._peers[link.peer] = link
        return link

    def of(self, transport: asyncio.BaseTransport | None) -> Link | None:
        """The connection that this transport is; None for one that is over."""
        return None if transport is None else self._peers.get(_peer(transport))

    def closed(self, link: Link) -> None:
        self.open.pop(link.number, None)
        if self._peers.get(link.peer) is link:
            del self._peers[link.peer]

    def __repr__(self) -> str:
        return f"<Connections {len(self.open)} open of {self.total}>"


def _peer(transport: asyncio.BaseTransport) -> str:
    peer = transport.get_extra_info("peername")
    return f"{peer[0]}:{peer[1]}" if peer else ""
