"""A cluster's processes are known by the folder that they work in, not by a number in a file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from llmgw_postgres import _processes
from llmgw_postgres._processes import PidFile, gone_within, processes_of, signal_all
from llmgw_postgres.testing import Server


def test_the_postmaster_comes_first_and_all_are_gone_with_it():
    """Every process of a running cluster is found, the postmaster first; none is when it has stopped."""
    with Server() as server:
        written = PidFile.of(server.cluster)
        found = processes_of(server.cluster)
        assert written is not None
        assert ("ready", written.pid) == (written.status, found[0])
        assert len(found) > 3
        assert not gone_within(server.cluster, 0.05)
        server.stop()
        assert gone_within(server.cluster, 0)
        assert PidFile.of(server.cluster) is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_number_in_a_file_proves_nothing(tmp_path):
    """Another process whose pid is in the file, or which stands in the folder, is not one of the cluster's."""
    (tmp_path / "postmaster.pid").write_text(f"{os.getpid()}\n{tmp_path}\n1\n5432\n/tmp\n\n1 1\nready   \n")
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path) as shell:
        assert PidFile(os.getpid(), "ready") == PidFile.of(tmp_path)
        assert [] == processes_of(tmp_path)
        signal_all([shell.pid], signal.SIGKILL)


@pytest.mark.parametrize("text", ["", "x\n", "\n\n"])
def test_a_pid_file_that_was_cut_off_is_as_good_as_none(tmp_path, text):
    """A file that a crash left half written is no ground to believe anything."""
    (tmp_path / "postmaster.pid").write_text(text)
    assert PidFile.of(tmp_path) is None


def test_a_process_that_ends_while_it_is_looked_at_is_none():
    """Of a listing that is a moment old, some are gone."""
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    assert not _processes._is_postgres(str(process.pid))
