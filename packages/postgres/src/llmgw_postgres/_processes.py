"""The processes of one cluster, whoever started them: the postmaster and its children.

Each of them has the cluster's folder as its working directory, which no pid file can get wrong: a pid in a file may be
another process by now, above all in a container, where the same few numbers come again at each start.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from llmgw_postgres._users import RunAs


@dataclass(frozen=True, slots=True)
class PidFile:
    """What a postmaster wrote down of itself; `status` is "starting", "ready", "stopping" or "standby"."""

    pid: int
    status: str

    @classmethod
    def of(cls, cluster: Path) -> PidFile | None:
        """The cluster's postmaster.pid, or None where there is none that can be read."""
        try:
            lines = (cluster / "postmaster.pid").read_text().splitlines()
            return cls(abs(int(lines[0])), lines[7].strip() if len(lines) > 7 else "starting")
        except (OSError, ValueError, IndexError):
            return None


def processes_of(cluster: Path, user: RunAs | None = None) -> list[int]:
    """Pids of the processes that work in `cluster`, the postmaster first where it is alive.

    `user`: whose processes they are, where that isn't the caller. In a container, root may not look at another user's
    processes (it lacks CAP_SYS_PTRACE); a process of that user may.
    """
    found = _working_in(cluster, user) if sys.platform == "linux" else _family_of(cluster)
    written = PidFile.of(cluster)
    return sorted(found, key=lambda pid: (written is None or pid != written.pid, pid))


def signal_all(pids: list[int], number: int) -> None:
    """Send a signal to each that is still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def gone_within(cluster: Path, seconds: float, user: RunAs | None = None) -> bool:
    """Wait until no process works in `cluster`. Blocks."""
    deadline = time.monotonic() + seconds
    while processes_of(cluster, user):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _working_in(cluster: Path, user: RunAs | None) -> list[int]:
    wanted = os.path.realpath(cluster)
    found, denied = [], False
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and _command(entry) == "postgres" and os.readlink(f"/proc/{entry}/cwd") == wanted:
                found.append(int(entry))
        except PermissionError:  # another user's
            denied = True
        except OSError:  # it has ended
            continue
    return _asked_of(user, wanted) if denied and user is not None and user.change else found


def _asked_of(user: RunAs, wanted: str) -> list[int]:
    """The same, asked of a process of that user. One `ls` for all, because a process each would be slow."""
    listing = subprocess.run(
        ["/bin/sh", "-c", "ls -l /proc/[0-9]*/cwd"],
        capture_output=True, text=True, errors="replace", check=False, env={"PATH": os.defpath, "LC_ALL": "C"},
        cwd="/", **user.spawn(),
    )  # fmt: skip
    ends = (line.partition(" /proc/")[2].partition("/cwd -> ") for line in listing.stdout.splitlines())
    return [int(pid) for pid, _, folder in ends if folder == wanted and _is_postgres(pid)]


def _is_postgres(pid: str) -> bool:
    try:
        return _command(pid) == "postgres"
    except OSError:  # it has ended since
        return False


def _command(entry: str) -> str:
    return Path(f"/proc/{entry}/comm").read_text().rstrip("\n")  # an operator's shell may stand in the folder too


def _family_of(cluster: Path) -> list[int]:
    """Without /proc: the pid that the postmaster wrote down, if that is a PostgreSQL, and its children."""
    written = PidFile.of(cluster)
    if written is None:
        return []
    rows = subprocess.run(["/bin/ps", "-A", "-o", "pid=,ppid=,comm="], capture_output=True, text=True, check=True)
    listed = [line.split(None, 2) for line in rows.stdout.splitlines()]
    return [int(pid) for pid, parent, name in listed if "postgres" in name and str(written.pid) in (pid, parent)]
