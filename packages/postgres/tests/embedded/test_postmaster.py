"""One run of the server: ready when it says so, ended within bounds, never left behind."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from llmgw_postgres._processes import PidFile, gone_within, processes_of, signal_all
from llmgw_postgres.embedded import EmbeddedConfig, StartFailed, _cluster, _postmaster
from llmgw_postgres.embedded._home import open_home


@pytest.fixture
def home(folder, a_copy):
    return open_home(a_copy(folder / "data"), folder / "shelf")


@pytest.fixture
def launch(home, folder):
    """Start servers that the test doesn't have to end."""
    started = []
    sockets = home.make_socket_folder()

    def launched(**settings: str) -> _postmaster.Postmaster:
        binaries = _cluster.programs_for(home, folder / "shelf")
        started.append(_postmaster.start(home, binaries, sockets, EmbeddedConfig(settings=settings)))
        return started[-1]

    yield launched
    for postmaster in started:
        postmaster.stop(10)
    home.remove_socket_folder()


def test_ready_is_what_the_server_itself_says(home, launch):
    """It is waited for until it takes connections; afterwards it is running, and stopped it says how it ended."""
    postmaster = launch()
    postmaster.wait_ready(30, threading.Event())
    assert PidFile(postmaster.pid, "ready") == PidFile.of(home.cluster)
    assert postmaster.running
    postmaster.stop(10)
    assert not postmaster.running
    assert postmaster.ended.startswith("with status 0; it said last:\n")
    assert "database system is shut down" in postmaster.ended


def test_a_start_that_is_given_up_or_takes_too_long_ends_the_wait(home, launch):
    """The wait for a server that hangs is over at its deadline, or at once when nobody wants it any more."""
    postmaster = launch()
    signal_all([postmaster.pid], signal.SIGSTOP)
    # On a machine that is busy it may have been ready by then.
    pid_file = home.cluster / "postmaster.pid"
    aside = pid_file.rename(home.cluster / "aside") if pid_file.exists() else None
    given_up = threading.Event()
    with pytest.raises(StartFailed, match=r"PostgreSQL was not ready within 0\.05 s"):
        postmaster.wait_ready(0.05, given_up)
    given_up.set()
    postmaster.wait_ready(30, given_up)
    if aside is not None:
        aside.rename(pid_file)
    signal_all([postmaster.pid], signal.SIGCONT)


def test_the_guard_ends_with_the_server(home, launch):
    """A stop leaves neither a server nor a guard, nor any child of theirs."""
    postmaster = launch()
    postmaster.wait_ready(30, threading.Event())
    guard = postmaster._guard.pid
    postmaster.stop(10)
    assert [] == processes_of(home.cluster)
    with pytest.raises(ProcessLookupError):
        os.kill(guard, 0)


def test_a_server_of_nobody_is_cleared_away(home, launch):
    """What runs in the cluster is ended in order, where there is time for it, and in any case."""
    for patience in (10.0, 0.0):
        postmaster = launch()
        postmaster.wait_ready(30, threading.Event())
        _postmaster.clear(home, patience)
        assert gone_within(home.cluster, 0)
        assert (patience > 0) == postmaster.ended.startswith("with status 0")
    _postmaster.clear(home, 0)
