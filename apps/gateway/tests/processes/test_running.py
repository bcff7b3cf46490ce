"""Processes as they are started; whole gateways are in tests/process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from llmgw_gateway.node import Node
from llmgw_gateway.processes.setup import DO_NOT_RESTART, Setup


def run(folder: Path, *arguments: str, text: bytes = b"", **environ: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "llmgw_gateway", *arguments]
    base = {"PATH": os.environ["PATH"], "HOME": str(folder), "GATEWAY_DATA_DIR": str(folder / "data")}
    return subprocess.run(command, input=text, env=base | environ, cwd=folder, capture_output=True, timeout=30)


def test_a_child_is_not_for_people(tmp_path: Path) -> None:
    """Started by hand it says what to do instead."""
    done = run(tmp_path, "process", "worker")
    assert (2, True) == (done.returncode, b"start it with `gateway serve`" in done.stderr)


@pytest.mark.parametrize("role", ["control", "worker"])
def test_a_child_that_can_never_run_says_so_by_its_code(tmp_path: Path, role: str) -> None:
    """Its master key is none: the supervisor does not start it again for that."""
    setup = Setup(role=role, node=Node("n", 1), workers=1, link=str(tmp_path / "link"), listening=0)  # type: ignore[arg-type]
    done = run(tmp_path, "process", role, text=msgspec.json.encode(setup) + b"\n", GATEWAY_MASTER_KEY="none")
    assert DO_NOT_RESTART == done.returncode, done.stderr
    assert b"master key" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_second_gateway_leaves_the_folder_alone(tmp_path: Path) -> None:
    """It names the first one's process."""
    from llmgw_gateway.node import owned

    with owned(tmp_path / "data"):
        done = run(tmp_path, "serve", GATEWAY_DATABASE__URL="none", GATEWAY_SERVER__DATA_BIND="127.0.0.1:0")
    assert 1 == done.returncode
    assert f"in use by another gateway (process {os.getpid()})".encode() in done.stderr
