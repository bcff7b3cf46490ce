"""Folders that any user can enter, a database to start with, and gateways in processes of their own."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llmgw_postgres._binaries import find
from llmgw_postgres._processes import signal_all
from llmgw_postgres._users import RunAs, unprivileged
from llmgw_postgres.embedded import Embedded, EmbeddedConfig
from llmgw_postgres.testing import has_mounts, quick_folder

OWNER = """
import asyncio, concurrent.futures.thread, logging, os, sys
from pathlib import Path
import psycopg
from llmgw_postgres.embedded import Embedded, EmbeddedConfig, EmbeddedError

async def main(data_dir, shelf, user):
    if user:  # from here on nothing is imported: Python itself may lie in a closed home
        os.setgroups([])
        os.setresgid(*[int(user.split(":")[1])] * 3)
        os.setresuid(*[int(user.split(":")[0])] * 3)
    try:
        async with Embedded(Path(data_dir), EmbeddedConfig(shelf=shelf)) as server:
            print(server.conninfo, flush=True)
            await asyncio.to_thread(sys.stdin.read)
    except EmbeddedError as error:
        print(f"{type(error).__name__}: {error}", flush=True)

logging.basicConfig(level=logging.WARNING)
asyncio.run(main(*sys.argv[1:]))
"""


class Owners:
    """Gateways, as far as a server is concerned, each in a process that can be killed."""

    def __init__(self, shelf: Path) -> None:
        self._shelf = shelf
        self._started: list[subprocess.Popen[str]] = []

    def start(self, data_dir: Path, *before: str, user: RunAs | None = None) -> tuple[subprocess.Popen[str], str]:
        """One that holds the server until its input ends, and the connection string that it prints (or its refusal).

        `before`: of the command, e.g. what takes rights away; `user`: whom root becomes.
        """
        become = f"{user.uid}:{user.gid}" if user else ""
        process = subprocess.Popen(
            [*before, sys.executable, "-c", OWNER, str(data_dir), str(self._shelf), become],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/",
        )  # fmt: skip
        self._started.append(process)
        return process, process.stdout.readline().strip()

    def abandon(self, owner: subprocess.Popen[str], postmaster: int) -> None:
        """Kill a gateway and the guard of its server, so that nobody is left to end the server."""
        found = subprocess.run(
            ["pgrep", "-f", f"llmgw-guard {postmaster}$"], capture_output=True, text=True, check=True
        )
        signal_all([int(pid) for pid in found.stdout.split()], signal.SIGKILL)
        owner.kill()
        owner.wait()

    def close(self) -> None:
        for process in self._started:
            process.communicate()


@contextmanager
def open_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="llmgw-test-", dir=quick_folder()) as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with an open way to it, as /srv or a container's volume has."""
    with open_folder() as made:
        yield made


@pytest.fixture
def small_disk(folder) -> Iterator[Callable[[str], Path]]:
    """A data folder on a file system of its own: called with its size ("12m"), and again to make that another one."""
    if not has_mounts():
        pytest.skip("needs the right to mount a file system")
    place = folder / "data"

    def sized(size: str) -> Path:
        again = "remount," if place.exists() else ""
        place.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"{again}size={size},mode=755", "tmpfs", place], check=True)
        return place

    yield sized
    subprocess.run(["umount", place], check=True)


@pytest.fixture
def config(folder) -> EmbeddedConfig:
    """Nothing outside of the test's own folder is written to."""
    return EmbeddedConfig(shelf=str(folder / "shelf"))


@pytest.fixture
def owners(folder) -> Iterator[Owners]:
    made = Owners(folder / "shelf")
    yield made
    made.close()


@pytest.fixture(scope="session")
def finished_data_dir() -> Iterator[Path]:
    """A data folder in which a server has run once."""

    async def run_once(data_dir: Path) -> None:
        async with Embedded(data_dir):
            pass

    with open_folder() as made:
        asyncio.run(run_once(made / "data"))
        yield made / "data"


@pytest.fixture
def a_copy(finished_data_dir) -> Callable[[Path], Path]:
    """Makes a folder a copy of it, so that not each test has to wait for a new database."""

    def copied(place: Path) -> Path:
        place.mkdir(exist_ok=True)
        subprocess.run(["cp", "-a", f"{finished_data_dir}/.", place], check=True)
        return place

    return copied


@pytest.fixture
def data_dir(folder, a_copy) -> Path:
    """A data folder with a database in it."""
    return a_copy(folder / "data")


@pytest.fixture
def plain_user() -> RunAs:
    """Somebody without rights. For a suite that root runs."""
    user = unprivileged()
    if not user.change:
        pytest.skip("needs root, to become somebody else")
    if not user.enters(Path(find().program("postgres"))):
        pytest.skip("the programs lie in a closed home")
    return user


@pytest.fixture
def without_rights() -> Callable[..., list[str]]:
    """What to put before a command so that root runs it without some capabilities: `without_rights("sys_ptrace")`."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root, and setpriv")

    def before(*names: str) -> list[str]:
        listed = ",".join(f"-{name}" for name in names)
        return ["setpriv", f"--bounding-set={listed}", f"--inh-caps={listed}"]

    return before
