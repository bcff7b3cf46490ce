"""Fetching media that a request names: the one place where a client's text says whom the gateway connects to.

So nothing is left to that text. The scheme is https, the host one that the operator allowed, and whatever its name
leads to, no socket is made for an address that is not public: the check stands where the socket is made, on the very
address that it will be connected to, so no second look-up can come between (DNS rebinding). Redirects are not followed,
nothing is decompressed, no cookie, proxy or credential is used, and size, time, number and concurrency are bounded.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from llmgw_domain.errors import BadRequest
from llmgw_pool import errors
from llmgw_pool.addresses import is_public
from llmgw_pool.config import FetchConfig
from llmgw_protocols.media import shown

_HEADERS = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "llmgw/0.1"}
_MAX_HEADER_BYTES = 16 * 1024


class Fetcher:
    """Implements the relay's `Fetch`. Each fetch has a connection of its own, so there is nothing to open or close."""

    def __init__(
        self,
        config: FetchConfig,
        *,
        tls: ssl.SSLContext | None = None,
        resolver: AbstractResolver | None = None,
        allowed: Callable[[str], bool] = is_public,
    ) -> None:
        """`allowed` judges numeric addresses; `tls` and `resolver` replace the system's."""
        self._config = config
        # Loading the system's certificates takes 20 ms, and most gateways fetch nothing.
        self._tls = tls or (ssl.create_default_context() if config.enabled else None)
        self._resolver = resolver
        self._allowed = allowed
        self._slots = asyncio.Semaphore(config.max_concurrency)

    def allows(self, url: str) -> bool:
        return self._config.enabled and self._target(url) is not None

    async def fetch(self, urls: Sequence[str]) -> list[bytes]:
        config = self._config
        if len(urls) > config.max_urls:
            raise BadRequest(f"The request names {len(urls)} addresses to fetch; fetch.max_urls is {config.max_urls}.")
        room = _Room(config.max_bytes)
        try:
            async with asyncio.timeout(config.timeout_seconds), asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(self._one(url, room)) for url in urls]
        except TimeoutError:
            limit = f"fetch.timeout_seconds, {config.timeout_seconds:g} s"
            raise BadRequest(f"Fetching the media that the request names took longer than {limit}.") from None
        except BaseExceptionGroup as group:
            # The first failure ends the others; it alone is told.
            raise group.exceptions[0] from None
        return [task.result() for task in running]

    def _target(self, text: str) -> URL | None:
        """The address to connect to; None for one that is not allowed. What is checked here is what is used."""
        try:
            url = URL(text)
            host, port = url.raw_host, url.port
        except ValueError:
            return None
        if url.scheme != "https" or not host or not port or url.user is not None or url.password is not None:
            return None
        return url if any(_matches(host, port, entry) for entry in self._config.allowed_hosts) else None

    async def _one(self, text: str, room: _Room) -> bytes:
        url = self._target(text) if self._config.enabled else None
        if url is None or self._tls is None:
            raise BadRequest(
                f"The address {shown(text)} may not be fetched: see fetch.enabled and fetch.allowed_hosts."
            )
        async with self._slots:
            return await _Fetch(url, room, self._allowed).run(self._tls, self._resolver)

    def __repr__(self) -> str:
        state = f"{len(self._config.allowed_hosts)} hosts" if self._config.enabled else "off"
        return f"<Fetcher {state}>"


def _matches(host: str, port: int, entry: str) -> bool:
    """Whether an entry of `allowed_hosts` covers a host."""
    name, _, number = entry.lower().partition(":")
    if port != int(number or 443):
        return False
    return host.lower().endswith(name[1:]) if name.startswith("*.") else host.lower() == name


class _Room:
    """What the media of one call may still bring, in bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._left = limit

    def take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise BadRequest(f"The media that the request names are more than fetch.max_bytes, {self._limit} bytes.")

    def fits(self, size: int) -> None:
        """Refuses what is announced to be too much before it is read."""
        if size > self._left:
            self.take(size)


class _Fetch:
    """One fetch."""

    def __init__(self, url: URL, room: _Room, allowed: Callable[[str], bool]) -> None:
        self._url = url
        self._room = room
        self._allowed = allowed
        self._inward = False
        """Whether the name led to an address that is not public."""

    async def run(self, tls: ssl.SSLContext, resolver: AbstractResolver | None) -> bytes:
        connector = aiohttp.TCPConnector(
            ssl=tls, resolver=resolver, use_dns_cache=False, force_close=True, socket_factory=self._socket
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
            headers=_HEADERS,
            max_field_size=_MAX_HEADER_BYTES,
        )
        async with session:
            try:
                async with session.get(self._url, allow_redirects=False) as response:
                    return await self._body(response)
            except errors.FOREIGN as error:
                raise self._failed(error) from None

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        family, kind, proto, _, address = info
        if not self._allowed(address[0]):
            self._inward = True
            raise PermissionError("not a public address")
        return socket.socket(family, kind, proto)

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        if response.status != 200:
            moved = "; redirects are not followed" if 300 <= response.status < 400 else ""
            raise self._refused(f"it answered with status {response.status}{moved}")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise self._refused("its answer is compressed, although that was not asked for")
        self._room.fits(response.content_length or 0)
        body = bytearray()
        async for piece in response.content.iter_any():
            self._room.take(len(piece))
            body += piece
        return bytes(body)

    def _failed(self, error: BaseException) -> BadRequest:
        if self._inward:
            return self._refused("its host's name leads to an address that is not public")
        return self._refused("it can't be reached", errors.while_opening(error).detail)

    def _refused(self, why: str, detail: str | None = None) -> BadRequest:
        where = shown(str(self._url))
        return BadRequest(f"The address {where} can't be fetched: {why}.", detail=detail and f"{where}: {detail}")
