"""Addresses to listen on: `HOST:PORT`, `[IPV6]:PORT`, or `fd://N` for a socket that the parent process opened.

Without a host (`:8080`) it is every address of the machine.
"""

from __future__ import annotations

import ipaddress
import re

import msgspec

_BIND = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.%]+)\]|(?P<host>[A-Za-z0-9._-]*)):(?P<port>\d{1,5})")
_FD = re.compile(r"fd://(\d{1,4})")


class Bind(msgspec.Struct, frozen=True):
    """An address taken apart. `fd` is None unless it is an open descriptor; then host and port are not known."""

    host: str = ""
    port: int = 0
    fd: int | None = None

    @classmethod
    def parse(cls, text: str) -> Bind:
        """Raises ValueError with what would be right."""
        fd = _FD.fullmatch(text)
        if fd:
            return cls(fd=int(fd[1]))
        match = _BIND.fullmatch(text)
        if match is None or int(match["port"]) > 65535:
            raise ValueError(f"must be HOST:PORT, [IPV6]:PORT or fd://N, not {text!r}")
        if match["v6"]:
            ipaddress.IPv6Address(match["v6"])
        return cls(host=match["v6"] or match["host"], port=int(match["port"]))

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it. Of an inherited socket that is not known, so it counts as open."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def url(self, scheme: str = "http") -> str:
        """Where a program on this machine finds it; an address that means "all of them" becomes loopback."""
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"{scheme}://[{host}]:{self.port}" if ":" in host else f"{scheme}://{host}:{self.port}"

    def __str__(self) -> str:
        if self.fd is not None:
            return f"fd://{self.fd}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def bind_problem(text: str) -> str | None:
    """What is wrong with an address to listen on, or None."""
    try:
        Bind.parse(text)
    except ValueError as error:
        return str(error)
    return None
