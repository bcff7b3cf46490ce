import pytest

from llmgw_pool import FetchConfig


def test_the_defaults_are_off_and_valid():
    """Nothing is fetched, and there is nothing to complain of."""
    assert (False, {}) == (FetchConfig().enabled, FetchConfig().problems())


@pytest.mark.parametrize(
    "host", ["images.example.com", "*.example.org", "Example.COM:8443", "localhost", "xn--bcher-kva.de"]
)
def test_hosts_that_can_be_allowed(host):
    """Names and every name below one, with a port where it is not the usual one."""
    assert {} == FetchConfig(enabled=True, allowed_hosts=(host,)).problems()


@pytest.mark.parametrize(
    "host",
    [
        "",
        "*",
        "*.",
        "https://example.com",
        "example.com/x",
        "10.0.0.1",
        "2130706433",
        "[::1]",
        "a.*.com",
        "u@x.com",
        "x.com:",
        "x com",
    ],
)
def test_hosts_that_can_not_be_allowed(host):
    """Addresses, and forms that would never match or match everything."""
    assert ["allowed_hosts[0]"] == list(FetchConfig(enabled=True, allowed_hosts=(host,)).problems())


def test_limits_are_positive_and_an_open_door_leads_somewhere():
    """Fetching that is on without any host is a mistake, not a wish."""
    wrong = FetchConfig(enabled=True, max_bytes=0, max_urls=-1, max_concurrency=0, timeout_seconds=0)
    expected = ["max_bytes", "max_urls", "max_concurrency", "timeout_seconds", "allowed_hosts"]
    assert expected == list(wrong.problems())
    assert ["timeout_seconds"] == list(FetchConfig(timeout_seconds=float("inf")).problems())
