"""From an address to a connected socket's transport: names, a proxy's tunnel, TLS, and which protocol was agreed on."""

from __future__ import annotations

import asyncio
import base64
import functools
import socket
import ssl
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import unquote

import aiohappyeyeballs
from yarl import URL

from llmgw_domain.errors import UpstreamUnreachable
from llmgw_pool import errors
from llmgw_pool.config import PoolConfig
from llmgw_pool.connector import make_socket
from llmgw_pool.transport import Way

_SECOND_TRY = 0.25
"""Seconds after which the next address of a name is tried as well (RFC 8305)."""
_MOST_HEAD = 16384
"""Bytes of a proxy's answer."""

P = TypeVar("P", bound=asyncio.Protocol)


class NotSpoken(Exception):
    """The server was asked for HTTP/2 and chose something else."""


async def connect(url: URL, way: Way, config: PoolConfig, made: Callable[[], P]) -> P:
    """The protocol of a new connection to the URL's host, as `made` makes it. Names are resolved anew each time.

    Raises `UpstreamUnreachable`, and `NotSpoken` if TLS did not agree on `h2`.
    """
    sock = await _socket(way.proxy or url, config)
    try:
        if way.proxy is not None:
            await _tunnel(sock, way.proxy, url)
        return await _protocol(sock, url, way, made)
    except BaseException:
        sock.close()
        raise


async def _socket(url: URL, config: PoolConfig) -> socket.socket:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise UpstreamUnreachable(detail=f"dns: {errors.system(error)}") from error
    try:
        return await aiohappyeyeballs.start_connection(
            found,
            happy_eyeballs_delay=_SECOND_TRY,
            interleave=1,
            loop=loop,
            socket_factory=functools.partial(make_socket, config),
        )
    except OSError as error:
        raise UpstreamUnreachable(detail=f"connect: {errors.system(error)}") from error


async def _protocol(sock: socket.socket, url: URL, way: Way, made: Callable[[], P]) -> P:
    loop = asyncio.get_running_loop()
    secure = url.scheme == "https"
    try:
        transport, protocol = await loop.create_connection(
            made, sock=sock, ssl=way.tls if secure else None, server_hostname=url.host if secure else None
        )
    except ssl.SSLError as error:
        raise UpstreamUnreachable(detail=f"tls: {errors.tls(error)}") from error
    except OSError as error:
        raise UpstreamUnreachable(detail=f"tls: {errors.system(error)}") from error
    if secure and transport.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
        transport.abort()
        raise NotSpoken
    return protocol


async def _tunnel(sock: socket.socket, proxy: URL, url: URL) -> None:
    """Asks an HTTP proxy for a tunnel (RFC 9110, 9.3.6)."""
    loop = asyncio.get_running_loop()
    host = f"[{url.host}]" if ":" in (url.host or "") else url.host
    lines = [f"CONNECT {host}:{url.port} HTTP/1.1", f"Host: {host}:{url.port}"]
    if proxy.user is not None:
        pair = f"{unquote(proxy.raw_user or '')}:{unquote(proxy.raw_password or '')}"
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}")
    await loop.sock_sendall(sock, "\r\n".join([*lines, "", ""]).encode())
    head = b""
    while b"\r\n\r\n" not in head:
        data = await loop.sock_recv(sock, 4096)
        head += data
        if not data or len(head) > _MOST_HEAD:
            raise UpstreamUnreachable(detail="proxy: gave no answer that makes sense")
    status = head.split(b"\r\n", 1)[0].split(b" ")
    if len(status) < 2 or status[1] != b"200":
        raise UpstreamUnreachable(
            detail=f"proxy: refused with {status[1][:3].decode('latin-1') if status[1:] else '?'}"
        )
