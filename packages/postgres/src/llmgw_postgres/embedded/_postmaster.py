"""One run of the server: its process, the guard beside it, and how both end. Everything here blocks.

The guard is a shell that reads from a pipe which only the owner holds open. When the owner is gone, however it went,
the read ends, and the guard sends the server the signal for a fast shutdown. Linux's own way to be told of a parent's
death is tied to the parent's thread and lost at a change of user, so it serves neither threads nor root.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

from llmgw_postgres._binaries import Binaries
from llmgw_postgres._processes import PidFile, gone_within, processes_of, signal_all
from llmgw_postgres.embedded._advice import advice
from llmgw_postgres.embedded._cluster import environment
from llmgw_postgres.embedded._home import Home
from llmgw_postgres.embedded._log import open_log, size, tail
from llmgw_postgres.embedded.config import EmbeddedConfig
from llmgw_postgres.embedded.errors import EmbeddedError, StartFailed

_log = logging.getLogger(__name__)

GUARD: Final = 'read -r _; kill -INT "$1" 2>/dev/null'

CUT_SHORT_SECONDS: Final = 5.0
"""How long an immediate shutdown may take; it writes nothing, so this is generous."""


class Postmaster:
    """A started server. `start` makes one; `running` and `ended` tell, `stop` ends it."""

    def __init__(
        self, process: subprocess.Popen[bytes], guard: subprocess.Popen[bytes], home: Home, since: int
    ) -> None:
        self._process = process
        self._guard = guard
        self._home = home
        self._since = since

    def __repr__(self) -> str:
        return f"<Postmaster {self.pid} in {self._home.cluster}: {'running' if self.running else 'ended'}>"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def ended(self) -> str:
        """How it ended, and its last words."""
        code = self._process.poll()
        how = f"by {signal.Signals(-code).name}" if code is not None and code < 0 else f"with status {code}"
        return f"{how}; it said last:\n{tail(self._home.log, self._since)}"

    def wait_ready(self, seconds: float, given_up: threading.Event) -> None:
        """Wait until it takes connections. Raises StartFailed; returns early when `given_up` is set."""
        deadline = time.monotonic() + seconds
        while not self._ready() and not given_up.is_set():
            if not self.running or time.monotonic() > deadline:
                said = tail(self._home.log, self._since)
                what = (
                    "PostgreSQL did not start" if not self.running else f"PostgreSQL was not ready within {seconds} s"
                )
                raise StartFailed(what, advice(said, self._home.cluster, self._home.user.name), said)
            time.sleep(0.01)

    def stop(self, seconds: float) -> None:
        """End it: in order within `seconds`, else cut short, else killed. Committed data is safe in each case."""
        self._guard.kill()
        self._guard.communicate()
        for number, patience in ((signal.SIGINT, seconds), (signal.SIGQUIT, CUT_SHORT_SECONDS)):
            if self.running:
                self._process.send_signal(number)
                try:
                    self._process.wait(patience)
                except subprocess.TimeoutExpired:
                    _log.warning("PostgreSQL did not stop within %s s of %s", patience, number.name)
        end_all(self._home, 0)
        self._process.wait()

    def _ready(self) -> bool:
        written = PidFile.of(self._home.cluster)
        return written is not None and (written.pid, written.status) == (self.pid, "ready")


def start(home: Home, binaries: Binaries, sockets: Path, config: EmbeddedConfig) -> Postmaster:
    """Start the server, without waiting for it. Raises OSError."""
    settings = {**config.effective(), "unix_socket_directories": str(sockets)}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    since = size(home.log)
    started: list[str | Path] = [binaries.program("postgres"), "-D", home.cluster, *options]
    with open_log(home.log) as log, home.given(started) as (words, how):
        process = subprocess.Popen(  # noqa: S603
            words,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=environment(), umask=0o077,
            start_new_session=True,  # a terminal's Ctrl-C is for the gateway, which needs the server until its end
            **how,
        )  # fmt: skip
    try:
        guard = subprocess.Popen(  # noqa: S603
            ["/bin/sh", "-c", GUARD, "llmgw-guard", str(process.pid)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", env=environment(),
            start_new_session=True, **home.user.spawn(),
        )  # fmt: skip
    except BaseException:
        process.kill()
        process.wait()
        raise
    return Postmaster(process, guard, home, since)


def clear(home: Home, seconds: float) -> None:
    """End what an owner that is gone has left: its server, and a pid file that names somebody else by now.

    For the holder of the lock, before it starts a server. Raises EmbeddedError if something can't be ended.
    """
    if processes_of(home.cluster, home.user):
        _log.warning("stopping a server that a gateway has left running in %s", home.cluster)
        end_all(home, seconds)
    if processes_of(home.cluster, home.user):
        raise EmbeddedError(
            f"processes of PostgreSQL that can't be ended work in {home.cluster}: "
            f"{processes_of(home.cluster, home.user)}; they may be waiting for a disk"
        )
    written = PidFile.of(home.cluster)
    # PostgreSQL takes a living process of that number for its own and refuses to start, as after each restart of a
    # container. Where the number is nobody's, the file stays, for PostgreSQL looks there for shared memory in use.
    if written is not None and sys.platform == "linux" and os.path.exists(f"/proc/{written.pid}"):
        (home.cluster / "postmaster.pid").unlink(missing_ok=True)


def end_all(home: Home, seconds: float) -> None:
    """End every process that works in the cluster, the postmaster in order if it does so within `seconds`."""
    written = PidFile.of(home.cluster)
    found = processes_of(home.cluster, home.user)
    if written is not None and written.pid in found and seconds > 0:
        signal_all([written.pid], signal.SIGINT)
    if found and not gone_within(home.cluster, seconds, home.user):
        signal_all(processes_of(home.cluster, home.user), signal.SIGKILL)
        gone_within(home.cluster, CUT_SHORT_SECONDS, home.user)
