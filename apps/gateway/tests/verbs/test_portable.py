from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import msgspec

from llmgw_control.testing import OWNER


def test_a_state_goes_out_and_comes_in(gateway: Any, running: Any, tmp_path: Path) -> None:
    """The file is private, is never written over, and is taken back whole."""
    running.desk.administration.create("policy", "p", {"models": ["a"]}, OWNER)
    file = tmp_path / "state.json"
    said = gateway("export", str(file))
    assert (0, True) == (said.code, "records in" in said.out)
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)
    assert (2, True) == ((again := gateway("export", str(file))).code, "File exists" in again.err)
    running.desk.administration.delete("policy", "p", OWNER)
    assert "1 of " in gateway("import", str(file)).out
    assert ("a",) == running.desk.administration.get("policy", "p").fields["models"]


def test_the_configuration_s_records_come_in_without_a_file(gateway: Any) -> None:
    """Those of the gateway that is asked."""
    assert "of the configuration file are in the log" in gateway("import").out


def test_a_file_that_is_no_state_is_said(gateway: Any, tmp_path: Path) -> None:
    """Before anything is sent."""
    (tmp_path / "x").write_bytes(msgspec.json.encode([1]))
    for name in ("x", "missing"):
        said = gateway("import", str(tmp_path / name))
        assert (2, True) == (said.code, name in said.err)


def test_a_gateway_without_a_database_has_no_log_to_replay(gateway: Any) -> None:
    """This one's API has no such operation."""
    assert 1 == gateway("replay").code
