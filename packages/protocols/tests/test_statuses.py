"""What a status means by itself."""

import pytest

from llmgw_domain.errors import BadRequest, GatewayError, Overloaded, RateLimited, UpstreamFailed
from llmgw_protocols.statuses import kind_of


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, BadRequest),
        (418, BadRequest),
        (424, UpstreamFailed),
        (429, RateLimited),
        (500, UpstreamFailed),
        (529, Overloaded),
        (200, UpstreamFailed),
    ],
)
def test_kinds(status: int, expected: type[GatewayError]) -> None:
    """An unknown 4xx is about the request; whatever else is no refusal of it is the server's failure."""
    assert expected is kind_of(status)
