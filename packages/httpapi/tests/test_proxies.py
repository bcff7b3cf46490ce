import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_httpapi.proxies import Behind, TrustedProxies

PROXIES = TrustedProxies(["10.0.0.0/8", "fd00::/8", "192.0.2.7"])

CASES = [
    ("198.51.100.1", [b"203.0.113.9"], "198.51.100.1", "nobody's word but a trusted proxy's"),
    ("10.1.1.1", [b"203.0.113.9"], "203.0.113.9", "a trusted proxy's"),
    ("10.1.1.1", [b"203.0.113.9, 192.0.2.7"], "203.0.113.9", "through two of them"),
    ("10.1.1.1", [b"203.0.113.9", b"192.0.2.7, 10.2.2.2"], "203.0.113.9", "several headers are one list"),
    ("10.1.1.1", [b"1.1.1.1, 203.0.113.9"], "203.0.113.9", "what stands further left may be made up"),
    ("10.1.1.1", [b"10.9.9.9, 10.2.2.2"], "10.9.9.9", "a client inside the proxies' own network"),
    ("10.1.1.1", [b"203.0.113.9:4711"], "203.0.113.9", "with a port"),
    ("10.1.1.1", [b"[2001:db8::1]:4711"], "2001:db8::1", "IPv6 with a port"),
    ("fd00::1", [b"2001:db8::1"], "2001:db8::1", "IPv6"),
    ("::ffff:10.1.1.1", [b"203.0.113.9"], "203.0.113.9", "IPv4 in IPv6's clothes"),
    ("10.1.1.1", [b"203.0.113.9, unknown"], "10.1.1.1", "nonsense ends the reading"),
    ("10.1.1.1", [b"203.0.113.9, nonsense, 10.2.2.2"], "10.2.2.2", "at the last that made sense"),
    ("10.1.1.1", [b""], "10.1.1.1", "nothing"),
    ("", [b"203.0.113.9"], "", "a socket without addresses"),
]


@pytest.mark.parametrize(("peer", "headers", "client", "why"), CASES, ids=[case[3] for case in CASES])
def test_the_client_is_the_first_from_the_right_that_is_no_proxy(peer, headers, client, why):
    assert client == PROXIES.client(peer, headers)


@given(st.lists(st.binary(max_size=60), max_size=3))
def test_any_header_gives_an_address(headers):
    """Whatever a client sends through a proxy."""
    assert PROXIES.client("10.1.1.1", headers)


async def test_the_application_is_told():
    """The client's address without a port; the proxy's where nobody forwarded."""
    told = []

    async def app(scope, receive, send):
        told.append(scope["client"])

    behind = Behind(app, PROXIES)
    for headers in ([], [(b"x-forwarded-for", b"203.0.113.9")]):
        await behind({"type": "http", "client": ("10.1.1.1", 99), "headers": headers}, None, None)
    await behind({"type": "http", "client": None, "headers": [(b"x-forwarded-for", b"203.0.113.9")]}, None, None)
    assert [("10.1.1.1", 99), ("203.0.113.9", 0), None] == told


@pytest.mark.parametrize("network", ["10.0.0.1/8", "10.0.0.0/33", "proxy.example.com", ""])
def test_what_is_no_network(network):
    with pytest.raises(ValueError):
        TrustedProxies([network])
