"""Real processes, started as a user starts them: the installed commands, real signals, files for their output.

Each runs in a session of its own, so that whatever it may have started is found by the session's id when it is over.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llmgw_postgres.testing import free_port

COMMANDS = Path(sys.executable).parent
READY_SECONDS = 60.0
"""How long a start or a line of the log may take on a machine that is busy; a test of that time says so."""
END_SECONDS = 30.0
"""The same of an end, and less than a drain would take that is not over when the last call is."""


class Program:
    """A running command. `out` and `err` are what it has written so far, `lines` its log."""

    def __init__(self, command: list[str], folder: Path, environ: Mapping[str, str], **options: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._out, self._err = folder / "out", folder / "err"
        self.began = time.monotonic()
        with self._out.open("wb") as out, self._err.open("wb") as err:
            given = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": err, **options}
            # The file's position and the environment are the program's own: nothing of the machine's comes in.
            self.process = subprocess.Popen(command, cwd=folder, env=dict(environ), start_new_session=True, **given)
        self.pid = self.process.pid

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log lines that are whole."""
        whole = [line for line in self.err.split("\n")[:-1] if line.startswith("{")]
        return [msgspec.json.decode(line) for line in whole]

    def event_names(self) -> list[str]:
        return [line["event"] for line in self.lines]

    def event(self, name: str, seconds: float = READY_SECONDS) -> dict[str, Any]:
        """Waits for a log line."""
        found: list[dict[str, Any]] = []

        def logged() -> bool:
            found[:] = [line for line in self.lines if line["event"] == name]
            return bool(found)

        self.until(logged, seconds)
        return found[0]

    def until(self, condition: Callable[[], object], seconds: float = READY_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.err}"
            assert time.monotonic() < deadline, f"not within {seconds} s: {self.err}"
            time.sleep(0.01)

    def ready(self) -> tuple[str, int]:
        """Waits until it serves; where."""
        host, _, port = self.event("ready")["data"].rpartition(":")
        return host, int(port)

    @staticmethod
    def reachable(port: int) -> bool:
        """Whether somebody listens at this port of 127.0.0.1."""
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(*self.ready(), timeout=20)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def ended(self, seconds: float = END_SECONDS) -> int:
        """Waits for its end; the exit code."""
        return self.process.wait(seconds)

    def alone(self, seconds: float = READY_SECONDS) -> None:
        """Waits until nothing of it is left: what it started ends when it does, a moment later."""
        deadline = time.monotonic() + seconds
        while self.relatives() and time.monotonic() < deadline:
            time.sleep(0.01)

    def relatives(self) -> list[int]:
        """Living processes of its session, itself not counted."""
        return [pid for pid in _pids() if pid != self.pid and _session(pid) == self.pid]


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _session(pid: int) -> int | None:
    try:
        # The command stands in parentheses and may hold anything, so the fields are counted from behind it.
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[3])
    except OSError:
        return None


Start = Callable[..., Program]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts commands: `start("gateway", "serve", NAME="value")`. They are ended, and must leave no process behind."""
    programs: list[Program] = []

    def started(
        command: str,
        *arguments: str,
        options: Mapping[str, Any] | None = None,
        before: Sequence[str] = (),
        **environ: str,
    ) -> Program:
        base = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "GATEWAY_DATA_DIR": str(tmp_path / "data"),
            "GATEWAY_SERVER__DATA_BIND": "127.0.0.1:0",
            "GATEWAY_SERVER__ADMIN_BIND": "127.0.0.1:0",
            # Without a database a gateway is open at once; an empty value is the private one.
            "GATEWAY_DATABASE__URL": "none",
            "GATEWAY_SPOOL__MAX_BYTES": "4194304",
            "GATEWAY_SPOOL__SEGMENT_BYTES": "262144",
        }
        folder = tmp_path / f"run{len(programs)}"
        program = Program([*before, str(COMMANDS / command), *arguments], folder, base | environ, **(options or {}))
        programs.append(program)
        return program

    yield started
    for program in programs:
        _end(program)
    for program in programs:
        program.alone()
    assert [pid for program in programs for pid in program.relatives()] == []


def _end(program: Program) -> None:
    if program.process.poll() is None:
        program.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.process.wait(0.3)
    if program.process.poll() is None:
        program.process.kill()
        program.process.wait(5)
    for pipe in (program.process.stdin, program.process.stdout, program.process.stderr):
        if pipe is not None:
            pipe.close()


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def simulator(start: Start) -> Callable[..., str]:
    """Starts a simulator with flags; its address."""

    def started(*flags: str) -> str:
        there = free_port()
        program = start("simulator", "--port", str(there), *flags)
        program.until(lambda: program.reachable(there))
        return f"http://127.0.0.1:{there}"

    return started


CONFIG = """
[server]
engine = "{engine}"
drain_seconds = {drain}

[[accounts]]
id = "openai-a"
provider = "openai"
credential = "{credential}"
base_url = "{simulator}/v1"
pool = "openai"

[[models]]
name = "gpt"
targets = [{{ pool = "openai", model = "sim-gpt" }}]

[[keys]]
id = "test"
value = "env:CLIENT_KEY"
"""


@pytest.fixture
def configured(tmp_path: Path, start: Start) -> Callable[..., Program]:
    """Starts a gateway in front of a simulator; the client's key is `gw-client`."""

    def started(
        simulator: str, engine: str = "hypercorn", drain: float = 60, credential: str = "env:UP_KEY"
    ) -> Program:
        file = tmp_path / "gateway.toml"
        file.write_text(CONFIG.format(simulator=simulator, engine=engine, drain=drain, credential=credential))
        return start("gateway", "serve", "--config", str(file), CLIENT_KEY="gw-client", UP_KEY="sk-upstream")

    return started
