"""Real PostgreSQL servers for tests: private, quick, easy to kill, freeze, fill up, replicate and promote.

    with Server() as primary, Server.replica_of(primary, synchronous=True) as replica:
        psycopg.connect(primary.conninfo)
        primary.kill()
        replica.promote()

Each has a temporary folder of its own, listens on a unix socket there (with `tcp`, on a loopback port as well), trusts
every client, and keeps its port over restarts. Nothing survives the `with`. Everything here blocks: a test on a loop
that has something else to do meanwhile calls it through asyncio.to_thread. `fsync` is off, which a killed process does
not notice, only a machine without power.
"""
# ruff: noqa: S603, S607  -- it runs programs of the system, with arguments of its own making

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import psycopg
from psycopg.conninfo import make_conninfo

from llmgw_postgres._binaries import Binaries, find, within_reach
from llmgw_postgres._processes import PidFile, gone_within, processes_of, signal_all
from llmgw_postgres._users import RunAs, unprivileged

SHELF: Final = Path("/var/lib/llmgw")
"""Where root's copy of programs goes that lie in a closed home."""

STOP_SIGNALS: Final = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
"""What the postmaster takes each signal for: wait for clients, send them away, or stop with nothing written down."""

QUICK: Final[Mapping[str, str]] = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "16MB",
    "max_connections": "50",
    "wal_keep_size": "64MB",  # so that a replica that was away finds what it missed
    "wal_sender_timeout": "5s",
    "wal_receiver_status_interval": "1s",
    "wal_retrieve_retry_interval": "200ms",
}
"""Settings of every server here; a test's own come after them."""


class Server:
    """One PostgreSQL server of a test.

    `binaries`: those of another major than the wheel's; `settings`: lines of postgresql.conf; `tcp`: listen on
    127.0.0.1 too; `disk_bytes`: a file system of its own of that size (root on Linux only, see `has_mounts`).
    """

    def __init__(
        self,
        *,
        binaries: Binaries | None = None,
        settings: Mapping[str, str] | None = None,
        tcp: bool = False,
        disk_bytes: int | None = None,
        name: str = "primary",
    ) -> None:
        self.binaries = binaries or find()
        self.settings = {**QUICK, "cluster_name": name, **(settings or {})}
        self.name = name
        self.port = free_port()
        self._tcp = tcp
        self._disk_bytes = disk_bytes
        self._user: RunAs = unprivileged()
        self._primary: Server | None = None
        self._synchronous = False
        self._postmaster: subprocess.Popen[bytes] | None = None
        self.folder = Path()

    def __repr__(self) -> str:
        state = "up" if self.running else "down"
        return f"<Server {self.name} PostgreSQL {self.binaries.version} {state} in {self.folder}>"

    @classmethod
    def replica_of(
        cls,
        primary: Server,
        *,
        synchronous: bool = False,
        name: str = "replica",
        settings: Mapping[str, str] | None = None,
    ) -> Self:
        """A streaming replica of a running server. With `synchronous`, the primary's commits wait for it from then."""
        replica = cls(binaries=primary.binaries, settings=settings, tcp=primary._tcp, name=name)
        replica._primary = primary
        replica._synchronous = synchronous
        return replica

    # -- where it is

    @property
    def cluster(self) -> Path:
        """The cluster's folder (PGDATA)."""
        return self.folder / "disk" / "cluster"

    @property
    def log(self) -> str:
        """What the server has said so far."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def conninfo(self) -> str:
        """How to connect as the superuser: by the unix socket, or by the loopback port with `tcp`."""
        host = "127.0.0.1" if self._tcp else str(self.folder)
        return make_conninfo(host=host, port=self.port, user="postgres", dbname="postgres", connect_timeout=5)

    @property
    def running(self) -> bool:
        return self._postmaster is not None and self._postmaster.poll() is None

    # -- life

    def __enter__(self) -> Self:
        # Not one of pytest's folders, which belong to one user and could not be entered by the server's.
        self.folder = Path(tempfile.mkdtemp(prefix="llmgw-pg-", dir=quick_folder()))
        try:
            self._user.own(self.folder)
            self.binaries = within_reach(self.binaries, self._user, SHELF)
            self._make_disk()
            self._make_cluster()
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if self._disk_bytes is not None:
            subprocess.run(["umount", self.folder / "disk"], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, timeout: float = 30) -> None:
        """Start, and wait until it takes connections. Raises RuntimeError with what it said if it doesn't."""
        listen = "127.0.0.1" if self._tcp else ""
        options = {**self.settings, "listen_addresses": listen, "unix_socket_directories": str(self.folder)}
        given = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._postmaster = subprocess.Popen(
                [self.binaries.program("postgres"), "-D", self.cluster, "-p", str(self.port), *given],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True,
                env=_environment(), **self._user.spawn(),
            )  # fmt: skip
        deadline = time.monotonic() + timeout
        while not self._ready():
            if not self.running or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not start; it said:\n{self.log[-4000:]}")
            time.sleep(0.01)

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast", timeout: float = 30) -> None:
        """Stop as `pg_ctl stop -m MODE` does, and wait for it. Does nothing to one that isn't running."""
        if self._postmaster is not None and self.running:
            self._postmaster.send_signal(STOP_SIGNALS[mode])
            self._postmaster.wait(timeout)

    def kill(self) -> None:
        """SIGKILL to the postmaster and all its children: what the OOM killer or a lost machine leaves behind."""
        if self._postmaster is None:
            return
        self._postmaster.kill()
        self._postmaster.wait()
        signal_all(processes_of(self.cluster, self._user), signal.SIGKILL)
        gone_within(self.cluster, 10, self._user)

    def restart(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop and start again; every connection is lost."""
        self.stop(mode)
        self.start()

    def freeze(self) -> None:
        """SIGSTOP to every process: connections stay open and nothing answers, as behind a dead network."""
        signal_all(processes_of(self.cluster, self._user), signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        signal_all(processes_of(self.cluster, self._user), signal.SIGCONT)

    # -- asking it

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement as the superuser, in a connection of its own, outside of a transaction."""
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            cursor = connection.execute(sql.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def configure(self, name: str, value: str) -> None:
        """ALTER SYSTEM SET and reload. Only for what a running server can change and `settings` doesn't set."""
        self.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        self.execute("SELECT pg_reload_conf()")

    # -- replication

    def promote(self) -> None:
        """Make a replica a primary on a timeline of its own, and wait until it takes writes."""
        self.execute("SELECT pg_promote(true, 30)")

    def pause_streaming(self) -> None:
        """Let a replica receive nothing more: promoted now, it has lost what its primary commits from here on.

        The replica doesn't forget its primary: `resume_streaming`, or a restart after it, catches up.
        """
        source = self.execute("SHOW primary_conninfo")[0][0]
        if source:
            self._source = source
        self.configure("primary_conninfo", "")
        self._until("SELECT count(*) = 0 FROM pg_stat_wal_receiver")

    def resume_streaming(self) -> None:
        """Undo `pause_streaming`."""
        self.configure("primary_conninfo", self._source.replace("'", "''"))
        self._until("SELECT count(*) = 1 FROM pg_stat_wal_receiver")

    def pause_replay(self) -> None:
        """Let a replica receive, but not apply: it loses nothing, and its reads are of the past."""
        self.execute("SELECT pg_wal_replay_pause()")
        self._until("SELECT pg_get_wal_replay_pause_state() = 'paused'")

    def resume_replay(self) -> None:
        """Undo `pause_replay`."""
        self.execute("SELECT pg_wal_replay_resume()")

    def catch_up(self, timeout: float = 10) -> None:
        """Wait until a replica has applied all that its primary has written so far."""
        assert self._primary is not None
        lsn = self._primary.execute("SELECT pg_current_wal_insert_lsn()")[0][0]
        self._until(f"SELECT pg_last_wal_replay_lsn() >= '{lsn}'", timeout)

    # -- its disk

    def fill_disk(self, leave: int = 0) -> None:
        """Use up the cluster's own disk but for `leave` bytes. For servers with `disk_bytes`."""
        assert self._disk_bytes is not None, "this would fill a disk that isn't the server's own"
        room = os.statvfs(self.cluster)
        with (self.folder / "disk" / "ballast").open("ab") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, max(room.f_bavail * room.f_frsize - leave, 1))

    def empty_disk(self) -> None:
        """Give back what `fill_disk` took."""
        (self.folder / "disk" / "ballast").unlink()

    # -- the making of it

    def _make_disk(self) -> None:
        disk = self.folder / "disk"
        disk.mkdir()
        if self._disk_bytes is not None:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self._disk_bytes}", "tmpfs", disk], check=True)
        self._user.own(disk)

    def _make_cluster(self) -> None:
        if self._primary is None:
            flags = "-U postgres -E UTF8 --locale=C --auth=trust --no-sync --no-instructions"
            self._run("initdb", "-D", self.cluster, *flags.split())
            return
        source = f"{self._primary.conninfo} application_name={self.name}"
        self._run("pg_basebackup", "-D", self.cluster, "-d", source, *["-R", "-X", "stream", "-c", "fast", "--no-sync"])
        if self._synchronous:
            self._primary.configure("synchronous_standby_names", f'"{self.name}"')

    def _run(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [self.binaries.program(program), *arguments],
            capture_output=True, text=True, cwd="/", env=_environment(), check=False, **self._user.spawn(),
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{done.stdout}{done.stderr}")

    def _ready(self) -> bool:
        written = PidFile.of(self.cluster)
        ours = written is not None and self._postmaster is not None and written.pid == self._postmaster.pid
        if not ours or written is None or written.status not in ("ready", "standby"):
            return False
        try:
            self.execute("SELECT 1")
            return True
        except psycopg.OperationalError:  # a replica says "standby" before it can be read
            return False

    def _until(self, question: str, timeout: float = 10) -> None:
        deadline = time.monotonic() + timeout
        while not self.execute(question)[0][0]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name}: not so within {timeout} s: {question}")
            time.sleep(0.02)


def has_mounts() -> bool:
    """Whether this process may mount a file system, as `disk_bytes` needs."""
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory(prefix="llmgw-pg-") as place:
        tried = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", place], capture_output=True, check=False
        )
        if tried.returncode == 0:
            subprocess.run(["umount", place], check=True)
        return tried.returncode == 0


def quick_folder() -> Path | None:
    """Where temporary files are in memory, if there is room for some clusters of 40 MB; else None, for the usual place.

    A container has little room there.
    """
    memory = Path("/dev/shm")  # noqa: S108 -- the folder made in it is private
    return memory if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 << 30 else None


def free_port() -> int:
    """A loopback port for a server that will be started on it, perhaps again and again.

    It lies below those that the system itself gives out, so that no connection takes it meanwhile. Each worker of a
    parallel run draws from a part of its own, where a port comes again only after all the others.
    """
    for port in _ports:
        with socket.socket() as found:
            # As servers do: connections that were closed a moment ago hinder nobody.
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                found.bind(("127.0.0.1", port))
                return port
            except OSError:  # somebody else's
                continue
    raise AssertionError("unreachable: the ports have no end")


def _own_ports() -> Iterator[int]:
    """The ports of this process, from anywhere among them on, since other runs may be going on beside this one."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 20_000 + worker % 12 * 1_000
    start = random.randrange(1_000)
    return (first + (start + number) % 1_000 for number in itertools.count())


_ports: Final = _own_ports()


def _environment() -> dict[str, str]:
    """Without PGHOST and its like, which would send the programs to another server; messages in English."""
    return {k: v for k, v in os.environ.items() if not k.startswith("PG")} | {"LC_ALL": "C"}
