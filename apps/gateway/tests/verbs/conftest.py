"""A gateway's admin listener on a real socket, and the command line in front of it."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llmgw_admin import AdminConfig, Status, admin_app
from llmgw_admin.testing import MemoryHistory, MemoryRequestLog, MemorySessions, a_session
from llmgw_control import AccountRecord, Records
from llmgw_control.testing import OWNER, Desk
from llmgw_gateway.bind import Bind
from llmgw_gateway.cli import main
from llmgw_gateway.serving import ServeConfig, bind, serve

FILE = Records(accounts=(AccountRecord(id="filed", provider="openai", pool="filed", credential="env:FILED"),))


class Said(msgspec.Struct, frozen=True):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.out)

    @property
    def rows(self) -> list[list[str]]:
        """The cells of a table."""
        return [line.split() for line in self.out.splitlines()]


class Running(msgspec.Struct, kw_only=True):
    """A listener, and what stands behind it. `owner` and `viewer` are tokens."""

    url: str
    desk: Desk
    requests: MemoryRequestLog
    sessions: MemorySessions
    owner: str
    viewer: str


Gateway = Callable[..., Said]


async def metrics_text() -> bytes:
    return b""


@pytest.fixture
def running() -> Iterator[Running]:
    """The admin application on a free port, in a thread of its own, since the command line blocks."""
    desk = Desk(file=FILE)
    owner, viewer = (
        str(desk.administration.create("token", role, {"role": role}, OWNER).secret) for role in ("owner", "viewer")
    )
    requests = MemoryRequestLog()
    sessions = MemorySessions([a_session(1), a_session(2, current="b", tenant="emca")])
    app = admin_app(
        lambda: desk.catalog,
        metrics_text,
        lambda: Status(version="9.9", uptime=1.0),
        AdminConfig(),
        administration=desk.administration,
        history=MemoryHistory(desk.journal.events),
        requests=requests,
        sessions=sessions,
    )
    started: list[str] = []
    ready, over = threading.Event(), threading.Event()

    async def listen() -> None:
        async with serve(app, bind("127.0.0.1:0"), ServeConfig()) as listener:
            started.append(Bind.parse(listener.addresses[0]).url())
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(listen(),))
    thread.start()
    assert ready.wait(10)
    yield Running(url=started[0], desk=desk, requests=requests, sessions=sessions, owner=owner, viewer=viewer)
    over.set()
    thread.join(10)


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The whole environment of a command, in an empty folder."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    variables = {"HOME": str(tmp_path)}
    monkeypatch.setattr("os.environ", variables)
    return variables


@pytest.fixture
def command(environ: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """Runs `gateway` with these arguments; `stdin` is what it may read. Wrong usage is exit code 2."""

    def run(*arguments: str, stdin: str = "") -> Said:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        try:
            code = main(arguments)
        except SystemExit as left:
            code = int(left.code or 0)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


@pytest.fixture
def gateway(running: Running, environ: dict[str, str], command: Gateway) -> Gateway:
    """The same, in front of the running listener, as its owner."""
    environ["GATEWAY_ADMIN_URL"] = running.url
    environ["GATEWAY_ADMIN_TOKEN"] = running.owner
    return command
