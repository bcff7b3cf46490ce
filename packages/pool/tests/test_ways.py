"""Which transport carries an account's calls."""

import pytest

from llmgw_domain import Account, Provider, Secret
from llmgw_domain.errors import UpstreamUnreachable
from llmgw_pool import PoolConfig
from llmgw_pool.ways import Ways


def account(provider: Provider = Provider.ANTHROPIC, base_url: str = "https://up", **more) -> Account:
    return Account(id="a", provider=provider, base_url=base_url, credential=Secret("k"), pool="p", **more)


@pytest.mark.parametrize(
    ("transport", "asked"),
    [
        ("http2", account()),
        ("http1", account(Provider.OPENAI_COMPATIBLE)),
        ("http1", account(base_url="http://up")),
        ("http2", account(base_url="http://up", transport="http2")),
        ("http1", account(transport="http1")),
    ],
)
def test_what_suits_an_account(transport, asked):
    """HTTP/2 for the providers that speak it, over TLS; what is configured goes before it."""
    assert transport == Ways(PoolConfig(), None).transport(asked)


def test_a_server_that_declined_is_asked_again_later():
    """ALPN chose HTTP/1.1: that is remembered for an hour, and refused where HTTP/2 was insisted on."""
    now = [0.0]
    ways = Ways(PoolConfig(), None, clock=lambda: now[0])
    ways.only_http1(account())
    assert "http1" == ways.transport(account())
    now[0] = 3601.0
    assert "http2" == ways.transport(account())
    with pytest.raises(UpstreamUnreachable):
        ways.only_http1(account(transport="http2"))


def test_certificates_that_make_no_sense_are_unreachable():
    """The account can't be asked, and its name is in the log."""
    with pytest.raises(UpstreamUnreachable) as caught:
        Ways(PoolConfig(), None).of(account(ca="nonsense"), "http1")
    assert "account a" in (caught.value.detail or "")


def test_contexts_are_shared_and_ways_are_told_apart():
    """Equal accounts go the same way; one with a proxy does not."""
    ways = Ways(PoolConfig(), None)
    assert ways.of(account(), "http2") == ways.of(account(), "http2")
    assert ways.of(account(), "http2") != ways.of(account(proxy=Secret("http://proxy:3128")), "http2")
