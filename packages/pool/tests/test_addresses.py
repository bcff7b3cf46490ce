"""Which addresses a fetch may connect to."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_pool.addresses import is_public

PRIVATE = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "168.63.129.16/32",
    "::/128",
    "::1/128",
    "::/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/32",
    "2001:db8::/32",
    "2002::/16",
    "fc00::/7",
    "fd00:ec2::254/128",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
]


@pytest.mark.parametrize("network", PRIVATE)
def test_no_range_that_is_not_public_is_reached(network):
    """The first and last address of each, and those of IPv4 also in IPv6's clothes."""
    found = ipaddress.ip_network(network)
    for address in (found[0], found[-1]):
        assert not is_public(str(address))
        if address.version == 4:
            assert not is_public(f"::ffff:{address}")
            assert not is_public(f"64:ff9b::{address}")
            assert not is_public(f"::{address}")


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:8.8.8.8"]
)
def test_public_addresses_are_reached(address):
    """Of both families."""
    assert is_public(address)


@pytest.mark.parametrize("text", ["", "localhost", "2130706433", "0x7f000001", "127.1", "fe80::1%eth0", "1.2.3.4.5"])
def test_what_is_no_public_address_is_refused(text):
    """Names and forms that only some resolvers read are no addresses; a scope does not make one public."""
    assert not is_public(text)


@given(st.ip_addresses(v=4))
def test_an_address_is_as_public_as_its_mapped_form(address):
    """IPv4-mapped IPv6 is the IPv4 address."""
    assert is_public(str(address)) == is_public(f"::ffff:{address}")
