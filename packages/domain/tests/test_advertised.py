"""What providers say of their models."""

import pytest

from llmgw_domain.advertised import Advertised


@pytest.mark.parametrize(
    ("lifecycle", "retires_at", "expected"),
    [
        ("", "", False),
        ("", "2026-12-11", True),
        ("active", "", False),
        ("active", "2027-01-01T00:00:00Z", False),
        ("deprecated", "", True),
        ("retired", "2026-01-01T00:00:00Z", True),
    ],
)
def test_is_leaving(lifecycle: str, retires_at: str, expected: bool) -> None:
    """A lifecycle says it, and where a provider has none, the date does."""
    assert expected is Advertised(lifecycle=lifecycle, retires_at=retires_at).is_leaving
