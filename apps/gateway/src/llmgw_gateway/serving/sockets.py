"""Listening sockets: made here or handed over by a service manager, with the options that their connections inherit.

On Linux an accepted socket has its listener's options, so the kernel itself ends connections whose other side is dead
or does not take what was sent, whatever the server above them does.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence

from llmgw_gateway.bind import Bind

_KEEP_ALIVE_IDLE = 30
_KEEP_ALIVE_INTERVAL = 10
_KEEP_ALIVE_PROBES = 3
_USER_TIMEOUT_MS = 75_000
"""Above the application's own send timeout, which tells more than the kernel's error does."""
_NOT_SENT_BYTES = 256 << 10
"""Bounds what the kernel holds of a stream whose client reads slowly: it would take megabytes."""

_TCP_OPTIONS = {
    "TCP_NODELAY": 1,
    "TCP_KEEPIDLE": _KEEP_ALIVE_IDLE,
    "TCP_KEEPINTVL": _KEEP_ALIVE_INTERVAL,
    "TCP_KEEPCNT": _KEEP_ALIVE_PROBES,
    "TCP_USER_TIMEOUT": _USER_TIMEOUT_MS,
    "TCP_NOTSENT_LOWAT": _NOT_SENT_BYTES,
}


class CannotListen(Exception):
    """An address can't be listened on; the message names it and says why."""


def bind(address: str) -> list[socket.socket]:
    """The sockets of an address: `HOST:PORT`, `[IPV6]:PORT` or `fd://N`. Raises `CannotListen`.

    A host name gives one socket for each of its addresses. The sockets are bound and do not listen yet.
    """
    try:
        wanted = Bind.parse(address)
    except ValueError as error:
        raise CannotListen(f"An address to listen on {error}.") from None
    if wanted.fd is not None:
        return [_inherited(wanted.fd, address)]
    try:
        found = socket.getaddrinfo(wanted.host, wanted.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise CannotListen(f"Can't listen on {address}: the host is not known ({error.strerror}).") from None
    sockets: list[socket.socket] = []
    try:
        for family, _, _, _, where in dict.fromkeys(found):
            sockets.append(_bound(family, where, address))
    except CannotListen:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def inherited(number: int) -> socket.socket:
    """The listening socket that the parent process left open under this number. Raises `CannotListen`."""
    return _inherited(number, f"fd://{number}")


def taken_name(numbers: Sequence[int]) -> str:
    """The first address of inherited sockets that this process only wants to know, and closes."""
    sockets = [socket.socket(fileno=number) for number in numbers]
    name = name_of(sockets[0])
    for sock in sockets:
        sock.close()
    return name


def name_of(sock: socket.socket) -> str:
    """A socket's own address, as it is shown."""
    name = sock.getsockname()
    if sock.family == socket.AF_INET6:
        return f"[{name[0]}]:{name[1]}"
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else str(name)


def _bound(family: int, where: object, address: str) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # An IPv4 address in IPv6 clothes would escape rules that are written for IPv4.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        _prepare(sock)
        sock.bind(where)  # type: ignore[arg-type]
    except OSError as error:
        sock.close()
        raise CannotListen(f"Can't listen on {address}: {_reason(error)}.") from None
    return sock


def _inherited(number: int, address: str) -> socket.socket:
    try:
        sock = socket.socket(fileno=number)
    except OSError as error:
        raise CannotListen(f"Can't listen on {address}: {_reason(error)}.") from None
    _prepare(sock)
    return sock


def _prepare(sock: socket.socket) -> None:
    sock.setblocking(False)
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _TCP_OPTIONS.items():
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the address is already in use; stop what listens there or choose another one"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "this user may not use that port"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine has no such address"
    return os.strerror(error.errno) if error.errno else str(error)
