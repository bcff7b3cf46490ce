"""Which addresses are public: where a fetch that a request asks for may connect to.

Everything else is a way in: loopback, private and link-local networks, the clouds' metadata services, shared carrier
space, multicast, what is reserved, and IPv6 forms that hold an IPv4 address, which a router may unpack.
"""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_REFUSED = tuple(
    ipaddress.ip_network(text)
    for text in (
        # What `is_global` and its kin leave open, or did in an earlier Python.
        "100.64.0.0/10",  # carriers' shared space (RFC 6598); one cloud's metadata service as well
        "168.63.129.16/32",  # Azure's host, from inside a machine of it
        "192.0.0.0/24",  # protocol assignments (RFC 6890); another cloud's metadata service
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "64:ff9b::/96",  # IPv4 behind a translator (RFC 6052)
        "64:ff9b:1::/48",  # the same within a site (RFC 8215)
        "2001::/32",  # Teredo (RFC 4380)
        "2002::/16",  # 6to4 (RFC 3056)
        "fec0::/10",  # site-local (RFC 3879)
    )
)


def is_public(text: str) -> bool:
    """Whether a numeric address may be connected to. A text that is no address is not public."""
    try:
        address: Address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    return not any(address in network for network in _REFUSED)
