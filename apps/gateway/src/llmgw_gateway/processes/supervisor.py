"""The supervisor: it holds the listening sockets, the data folder and the private PostgreSQL, and keeps the others up.

    supervisor ── control          admin listener, state, database
               └─ worker 0 ... N   data listener, providers

It does little, so that there is little that could fail in it: it binds, starts, waits, and starts again. A process that
ends is started again after a pause that grows while it fails quickly; the sockets stay open meanwhile, so a client's
connection waits instead of being refused. Children learn of the supervisor's own end by their standard input.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import msgspec

from llmgw_gateway.config import Settings
from llmgw_gateway.node import Node
from llmgw_gateway.processes.setup import DO_NOT_RESTART, Setup
from llmgw_gateway.serving import bind

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_STEADY_SECONDS = 30.0
"""A process that lived this long failed for a new reason, so it is started again at once."""
_CONTROL_SECONDS = 15.0
"""How long the control process may take to bring what is left to the database, once the workers are gone."""
_HURRIED_SECONDS = 3.0

_log = logging.getLogger(__name__)


class GaveUp(Exception):
    """A child said that it can't run as it is configured; it has told why."""


class Child:
    """One process that should be running: started, waited for, started again."""

    def __init__(self, name: str, command: Sequence[str], setup: Setup, descriptors: Sequence[int]) -> None:
        self.name = name
        self._command = command
        self._setup = setup
        self._descriptors = descriptors
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False

    async def keep(self) -> None:
        """Runs it until `stop`. Raises `GaveUp`."""
        pause = _FIRST_PAUSE
        while True:
            began = time.monotonic()
            code = await self._run()
            if self._is_over():
                return
            if code == DO_NOT_RESTART:
                raise GaveUp(self.name)
            pause = _FIRST_PAUSE if time.monotonic() - began > _STEADY_SECONDS else min(pause * 2, _LONGEST_PAUSE)
            _log.error("process ended", extra={"child": self.name, "how": how(code), "restart_after": pause})
            await asyncio.sleep(pause)
            if self._is_over():
                return

    def stop(self) -> None:
        """Asks it to end in its own time; a second time, to end at once."""
        self._stopping = True
        self._signal(signal.SIGTERM)

    def _is_over(self) -> bool:
        return self._stopping

    def reload(self) -> None:
        self._signal(signal.SIGHUP)

    def kill(self) -> None:
        self._stopping = True
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _run(self) -> int:
        process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, pass_fds=self._descriptors
        )
        self._process = process
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(self._setup) + b"\n")
        if self._stopping:
            self._signal(signal.SIGTERM)
        # Only the first process of each kind speaks to the person who started the gateway.
        self._setup = msgspec.structs.replace(self._setup, announce=False)
        code = await process.wait()
        process.stdin.close()
        return code

    def __repr__(self) -> str:
        return f"<Child {self.name} {self._process.pid if self._process else 'not started'}>"


class Supervisor:
    """The children and their end. `command` starts a child; its role follows."""

    def __init__(self, settings: Settings, command: Sequence[str], node: Node) -> None:
        self._settings = settings
        self._command = tuple(command)
        self._node = node
        self._data: list[socket.socket] = []
        self._admin: list[socket.socket] = []
        self._link: socket.socket | None = None
        # A worker cuts what is left at the end of its time by itself; this is for one that does not.
        self._drain_seconds = settings.config.server.drain_seconds + 5
        self.children: list[Child] = []

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Binds what the children listen on. Raises `CannotListen`."""
        server = self._settings.config.server
        async with AsyncExitStack() as stack:
            self._data = [stack.enter_context(sock) for sock in bind(server.data_bind)]
            self._admin = [stack.enter_context(sock) for sock in bind(server.admin_bind)]
            for sock in (*self._data, *self._admin):
                # From here on connections wait for a process instead of being refused.
                sock.listen(2048)
            folder = stack.enter_context(_private_folder())
            self._link = stack.enter_context(_listening(folder / "control"))
            yield

    def prepare(self, database: str | None) -> None:
        """Makes the children, which are started by `run`; `database` is the connection string for control."""
        assert self._link is not None, "not opened"
        workers = self._settings.config.server.workers
        data, admin = ([sock.fileno() for sock in sockets] for sockets in (self._data, self._admin))
        base = Setup(role="worker", node=self._node, workers=workers, link=self._link.getsockname(), data=tuple(data))
        control = msgspec.structs.replace(
            base,
            role="control",
            listening=self._link.fileno(),
            admin=tuple(admin),
            database=database,
            announce=True,
        )
        self.children.append(self._child("control", control, [self._link.fileno(), *admin, *data]))
        for slot in range(workers):
            self.children.append(self._child(f"worker {slot}", msgspec.structs.replace(base, slot=slot), data))

    def _child(self, name: str, setup: Setup, descriptors: Sequence[int]) -> Child:
        return Child(name, (*self._command, setup.role), setup, descriptors)

    async def run(self, stop: asyncio.Event, now: asyncio.Event) -> None:
        """Keeps the children running until `stop`, then lets them end; `now` hurries them. Raises `GaveUp`."""
        control, *workers = self.children
        keeping = {child: asyncio.get_running_loop().create_task(child.keep()) for child in self.children}
        stopping = asyncio.get_running_loop().create_task(stop.wait())
        try:
            await asyncio.wait({stopping, *keeping.values()}, return_when=asyncio.FIRST_COMPLETED)
            # From here on nobody else holds them, so that a new connection is refused, and can go elsewhere.
            for sock in self._data:
                sock.close()
            hurry = asyncio.get_running_loop().create_task(self._hurry(workers, now))
            await self._end([keeping[worker] for worker in workers], workers, self._drain_seconds)
            hurry.cancel()
            await self._end([keeping[control]], [control], _HURRIED_SECONDS if now.is_set() else _CONTROL_SECONDS)
        finally:
            stopping.cancel()
            for child in self.children:
                child.kill()
            ended = await asyncio.gather(*keeping.values(), stopping, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _end(self, tasks: list[asyncio.Task[None]], children: Sequence[Child], seconds: float) -> None:
        """Asks children to end and waits for it, at most `seconds`; those that are left are killed."""
        for child in children:
            child.stop()
        _, left = await asyncio.wait(tasks, timeout=seconds)
        for child, task in zip(children, tasks, strict=True):
            if task in left:
                _log.error("process killed: it did not end in its time", extra={"child": child.name})
                child.kill()
        if left:
            await asyncio.wait(left)

    async def _hurry(self, children: Sequence[Child], now: asyncio.Event) -> None:
        await now.wait()
        for child in children:
            child.stop()

    def reload(self) -> None:
        """Tells every child to read its configuration again."""
        for child in self.children:
            child.reload()

    def __repr__(self) -> str:
        return f"<Supervisor of {', '.join(child.name for child in self.children)}>"


def how(code: int) -> str:
    """How a process ended, for a log."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def command(arguments: Sequence[str]) -> tuple[str, ...]:
    """The command line of a child: this interpreter, this program, the same options."""
    return (sys.executable, "-m", "llmgw_gateway", "process", *arguments)


@contextmanager
def _private_folder() -> Iterator[Path]:
    """A folder for sockets that only this user may enter. Its path is short: a socket's has 107 bytes (unix(7))."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    base = runtime if runtime and len(runtime) < 60 and os.access(runtime, os.W_OK) else "/tmp"  # noqa: S108
    path = Path(tempfile.mkdtemp(prefix="llmgw-", dir=base))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _listening(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(str(path))
    sock.listen(128)
    return sock
