"""Where events are kept, as it is configured."""

from __future__ import annotations

import pytest

from llmgw_domain import Secret
from llmgw_gateway.database import DatabaseConfig, SpoolConfig, address


@pytest.mark.parametrize(
    ("url", "kind"),
    [(None, "embedded"), ("none", "none"), ("env:DATABASE_URL", "external"), ("postgresql://db/llmgw", "external")],
)
def test_the_kinds_of_databases(url: str | None, kind: str) -> None:
    """A private one, none, or one's own by its address or by a reference."""
    config = DatabaseConfig(url=url)
    assert (kind, {}) == (config.kind, config.problems())


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://me:hunter2@db/x", "must not hold a password here"),
        ("postgresql://db/x?password=hunter2", "must not hold a password here"),
        ("mysql://db/x", "postgresql://HOST/NAME"),
        ("postgresql://[", "postgresql://HOST/NAME"),
    ],
)
def test_a_wrong_address_is_told_without_quoting_it(url: str, said: str) -> None:
    """A password in the file is refused, and shown by nobody."""
    (problem,) = DatabaseConfig(url=url).problems().items()
    assert problem[0] == "url"
    assert said in problem[1]
    assert "hunter2" not in problem[1]


def test_replicas_are_of_ones_own_database() -> None:
    """The private one has none."""
    alone = DatabaseConfig(replicas=("env:R",)).problems()
    assert {"replicas": "are of a database of your own: give its address as database.url"} == alone
    assert ["replicas[0]"] == [*DatabaseConfig(url="env:D", replicas=("x://",)).problems()]


def test_a_spool_has_room_for_its_segments() -> None:
    """Sizes that could not work are refused."""
    assert {} == SpoolConfig().problems()
    wrong = SpoolConfig(segment_bytes=1, max_bytes=1, keep_seconds=-1)
    assert ["segment_bytes", "max_bytes", "keep_seconds"] == [*wrong.problems()]


def test_an_address_is_revealed_where_it_is_a_reference() -> None:
    """And used as it stands where it is none."""
    assert "postgresql://u:p@h/d" == address("env:D", lambda reference: Secret("postgresql://u:p@h/d"))
    assert "postgresql://h/d" == address("postgresql://h/d", lambda reference: Secret("never"))
