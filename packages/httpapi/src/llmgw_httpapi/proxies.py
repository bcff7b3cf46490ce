"""Who the client is when proxies stand in front: `X-Forwarded-For`, believed as far as it was written by trusted ones.

Each proxy adds the address that it was asked from at the right. So the list is read from right to left, and the first
address that is no trusted proxy's is the client; what stands left of it the client may have made up.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class TrustedProxies:
    """The networks of the proxies in front, as CIDR. Raises `ValueError` for what is none."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(network) for network in networks)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def client(self, peer: str, forwarded: Iterable[bytes]) -> str:
        """The client's address: the peer's own, unless it is a trusted proxy. `forwarded` are the headers, in order."""
        found = _address(peer)
        if found is None or not self._trusts(found):
            return peer
        for part in reversed(b",".join(forwarded).split(b",")):
            said = _address(part.strip().decode("latin-1"))
            if said is None:
                break
            found = said
            if not self._trusts(found):
                break
        return str(found)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    def __repr__(self) -> str:
        return f"<TrustedProxies {', '.join(map(str, self._networks))}>"


class Behind:
    """The application, told its client's address instead of the proxy's."""

    def __init__(self, app: ASGIApp, proxies: TrustedProxies) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = scope.get("client")
        if peer is not None:
            forwarded = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
            if forwarded:
                client = self._proxies.client(peer[0], forwarded)
                # A proxy does not tell its client's port.
                scope["client"] = peer if client == peer[0] else (client, 0)
        await self._app(scope, receive, send)


def _address(text: str) -> Address | None:
    """An address as proxies write it: also with a port, IPv6 then in brackets."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    # An IPv4 client of a socket for both kinds is trusted, or not, by its IPv4 address.
    return getattr(found, "ipv4_mapped", None) or found
