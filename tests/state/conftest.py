"""Gateways that are started again and again on the same data folder and ports, and what kills them.

A `Node` is a data folder with everything that runs for it: supervisor, control, workers, and the private PostgreSQL.
Each of them can be found by its role and killed for itself. The simulator is a process of its own, which outlives them.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from llmgw_postgres.testing import free_port

COMMANDS = Path(sys.executable).parent
START_SECONDS = 60.0
"""How long a start may take: four interpreters and a database that recovers, on a machine that is busy."""
CLIENT_KEY = "gw-client"

CONFIG = """
[server]
workers = {workers}
drain_seconds = {drain}
log_requests = false
data_bind = "127.0.0.1:{data}"
admin_bind = "127.0.0.1:{admin}"

[spool]
segment_bytes = {segment}
max_bytes = 67108864

[[accounts]]
id = "openai-a"
provider = "openai"
credential = "env:UP_KEY"
base_url = "{simulator}/v1"
pool = "openai"

[[models]]
name = "gpt"
targets = [{{ pool = "openai", model = "sim-gpt" }}]

[[keys]]
id = "test"
value = "env:CLIENT_KEY"
"""


class Reply(msgspec.Struct, frozen=True):
    """An HTTP answer that came whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


def ask(
    port: int,
    method: str,
    path: str,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    seconds: float = 10,
) -> Reply:
    """One request on a connection of its own. Raises OSError, `http.client.HTTPException`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        data = None if body is None else msgspec.json.encode(body)
        connection.request(method, path, data, {"content-type": "application/json", **(headers or {})})
        response = connection.getresponse()
        return Reply(response.status, dict(response.headers), response.read())
    finally:
        connection.close()


def until(condition: Callable[[], object], seconds: float, what: Callable[[], str] = lambda: "") -> None:
    """Waits until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what()[-8000:]}"
        time.sleep(0.02)


class Simulated:
    """A simulator in a process of its own."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._seen: dict[int, dict[str, Any]] = {}
        with (folder / "simulator.log").open("wb") as log:
            self._process = subprocess.Popen(
                [COMMANDS / "simulator", "--port", str(self.port), *flags],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(lambda: reachable(self.port), START_SECONDS)

    def look(self) -> dict[int, dict[str, Any]]:
        """Every request that it has received, by its number. Its log is bounded: look before it forgets."""
        for entry in ask(self.port, "GET", "/_sim/log?limit=900").json()["requests"]:
            self._seen[entry["id"]] = entry
        return self._seen

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


class Node:
    """A data folder and its gateway. `start` and `kill` as often as you like; `url` is an external database's."""

    def __init__(
        self,
        folder: Path,
        simulator: str,
        *,
        workers: int = 2,
        drain: float = 2,
        segment: int = 65536,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.data_dir = folder, folder / "data"
        self.data, self.admin = free_port(), free_port()
        self.workers = workers
        self._file, self._log = folder / "gateway.toml", folder / "log"
        self._file.write_text(
            CONFIG.format(
                simulator=simulator, workers=workers, drain=drain, data=self.data, admin=self.admin, segment=segment
            )
        )
        self._environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "GATEWAY_DATA_DIR": str(self.data_dir),
            "CLIENT_KEY": CLIENT_KEY,
            "UP_KEY": "sk-upstream",
            **(environ or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._sessions: set[int] = set()
        self._began = 0
        self.starts = 0

    # -- life

    def start(self) -> None:
        """Starts it, and waits for nothing."""
        with self._log.open("ab") as log:
            self._began = log.tell()
            self._process = subprocess.Popen(
                [COMMANDS / "gateway", "serve", "--config", self._file],
                cwd=self.folder, env=self._environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        self._sessions.add(self._process.pid)
        self.starts += 1

    def ready(self, seconds: float = START_SECONDS) -> None:
        """Waits until it says that every worker serves."""
        until(lambda: self.over or '"ready"' in self._said(), seconds, self._said)
        assert not self.over, self._said()[-8000:]

    def stop(self, seconds: float = 60) -> None:
        """Ends it in good order."""
        assert self._process is not None
        self._process.terminate()
        assert self._process.wait(seconds) == 0, self._said()[-8000:]

    @property
    def over(self) -> bool:
        """Whether the supervisor has ended."""
        return self._process is None or self._process.poll() is not None

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The whole log of all starts, as far as lines are whole."""
        found = []
        for line in self._log.read_text(errors="replace").split("\n")[:-1]:
            with contextlib.suppress(msgspec.DecodeError):
                found.append(msgspec.json.decode(line))
        return [line for line in found if isinstance(line, dict)]

    def _said(self) -> str:
        """The log since the last start."""
        with self._log.open("rb") as log:
            log.seek(self._began)
            return log.read().decode(errors="replace")

    # -- killing

    def pids(self, role: str) -> list[int]:
        """The processes of a role: `supervisor`, `control`, `worker`, `postmaster`, or `all`, with what is left over of
        earlier starts."""
        if role == "supervisor":
            return [] if self._process is None or self.over else [self._process.pid]
        if role == "postmaster":
            return self._postmaster()
        own = [pid for pid in living() if session_of(pid) in self._sessions]
        if role == "all":
            return [*own, *self._postmaster()]
        return [pid for pid in own if last_word_of(pid) == role]

    def kill(self, *pids: int) -> None:
        """SIGKILL, to each that is still there."""
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._process is not None and self._process.pid in pids:
            self._process.wait(5)

    def end(self) -> None:
        """Leaves nothing behind."""
        deadline = time.monotonic() + 20
        while (left := self.pids("all")) and time.monotonic() < deadline:
            self.kill(*left)
            time.sleep(0.05)
        if self._process is not None:
            self._process.wait(5)
        assert left == []

    def _postmaster(self) -> list[int]:
        """By what it wrote down, if that is still a PostgreSQL."""
        try:
            text = (self.data_dir / "postgres" / "cluster" / "postmaster.pid").read_text()
            pid = int(text.split("\n")[0])
            return [pid] if Path(f"/proc/{pid}/comm").read_text().strip() == "postgres" else []
        except (OSError, ValueError):
            return []

    # -- asking

    def command(self, method: str, path: str, body: object = None, seconds: float = 10) -> Reply:
        """A command of the owner. Raises OSError, `http.client.HTTPException`."""
        token = (self.data_dir / "owner.token").read_text().strip()
        return ask(self.admin, method, f"/api/v1/{path}", body, {"authorization": f"Bearer {token}"}, seconds)

    @property
    def conninfo(self) -> str:
        """Of the private database."""
        home = self.data_dir / "postgres"
        return make_conninfo(
            host=(home / "socket-folder").read_text().strip(),
            user="llmgw",
            dbname="llmgw",
            passfile=str(home / "password"),
        )

    def spooled(self) -> int:
        """Bytes in the spools that are not in the database yet."""
        from llmgw_eventstore.spool import SpoolReader

        folders = [path for path in (self.data_dir / "spool").iterdir() if path.is_dir()]
        return sum(SpoolReader(folder).backlog() for folder in folders)


def rows(conninfo: str, sql: str) -> list[tuple[Any, ...]]:
    """What a database answers."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        return connection.execute(sql.encode()).fetchall()


def living() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def session_of(pid: int) -> int | None:
    """None for one that is gone, or dead and not waited for."""
    try:
        # The command stands in parentheses and may hold anything, so the fields are counted from behind it.
        state, _, _, session = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:4]
        return None if state == "Z" else int(session)
    except (OSError, ValueError):
        return None


def last_word_of(pid: int) -> str:
    """The last argument, which is the role of a child."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").rpartition(b"\0")[2].decode()
    except OSError:
        return ""


def reachable(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def simulated(tmp_path: Path) -> Iterator[Callable[..., Simulated]]:
    """Starts simulators with flags."""
    made: list[Simulated] = []

    def started(*flags: str) -> Simulated:
        made.append(Simulated(tmp_path, *flags))
        return made[-1]

    yield started
    for each in made:
        each.end()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    """Makes nodes, that are not started: `node(simulator.url, workers=2, environ={...})`."""
    made: list[Node] = []

    def new(simulator: str, **options: Any) -> Node:
        made.append(Node(tmp_path / f"node{len(made)}", simulator, **options))
        return made[-1]

    yield new
    for each in made:
        each.end()
