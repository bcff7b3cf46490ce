"""A database's schema, brought up from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmgw_gateway.config import load
from llmgw_gateway.migrating import Unmigrated, bring_up
from llmgw_postgres.testing import Server


def test_the_schema_is_brought_up_once(tmp_path: Path) -> None:
    """The second run has nothing to do."""
    with Server() as server:
        environ = {"GATEWAY_DATA_DIR": str(tmp_path), "GATEWAY_DATABASE__URL": "env:DB", "DB": server.conninfo}
        settings = load(None, environ)
        assert len(bring_up(settings)) > 0
        assert [] == bring_up(settings)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("none", "give its address as database.url"),
        ("env:NOWHERE", "NOWHERE is not set"),
        ("postgresql://u@127.0.0.1:1/x", "127.0.0.1"),
    ],
)
def test_what_can_not_be_brought_up_is_said(tmp_path: Path, url: str, says: str) -> None:
    """No database of one's own, an address that can't be had, and nobody there."""
    settings = load(None, {"GATEWAY_DATA_DIR": str(tmp_path), "GATEWAY_DATABASE__URL": url})
    with pytest.raises(Unmigrated, match=says):
        bring_up(settings)
