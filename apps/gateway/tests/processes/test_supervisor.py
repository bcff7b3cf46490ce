"""Children that are kept up, and their end. The children here are small programs of the test's own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from pathlib import Path

import pytest

from llmgw_gateway.config import load
from llmgw_gateway.node import Node
from llmgw_gateway.processes import supervisor as module
from llmgw_gateway.processes.supervisor import GaveUp, Supervisor, command, how

FREE = {"GATEWAY_SERVER__DATA_BIND": "127.0.0.1:0", "GATEWAY_SERVER__ADMIN_BIND": "127.0.0.1:0"}


class House:
    """A supervisor whose children run `code`, with `setup` their part, and write lines to a file."""

    def __init__(self, folder: Path, code: str, workers: int = 1) -> None:
        program = folder / "child.py"
        self.log = folder / "log"
        self.log.write_text("")
        head = f"""
            import json, os, signal, sys, time
            setup = json.loads(sys.stdin.readline())
            name = setup["role"] + str(setup["slot"])
            def say(text):
                with open({str(self.log)!r}, "a") as file:
                    file.write(name + " " + text + "\\n")
        """
        program.write_text(textwrap.dedent(head) + textwrap.dedent(code))
        environ = {"GATEWAY_DATA_DIR": str(folder / "data"), "GATEWAY_SERVER__WORKERS": str(workers), **FREE}
        settings = load(None, environ)
        self.supervisor = Supervisor(settings, [sys.executable, str(program)], Node("n", 1))
        self.stop, self.now = asyncio.Event(), asyncio.Event()

    @property
    def said(self) -> list[str]:
        return self.log.read_text().splitlines()

    async def until(self, *lines: str) -> None:
        async with asyncio.timeout(10):
            while not set(lines) <= set(self.said):  # noqa: ASYNC110 - other processes write it
                await asyncio.sleep(0.01)

    async def run(self) -> None:
        async with self.supervisor.opened():
            self.supervisor.prepare(None)
            await self.supervisor.run(self.stop, self.now)


WAITS = """
signal.signal(signal.SIGTERM, lambda *_: (say("term"), sys.exit(0)))
say("up")
while True:
    time.sleep(0.01)
"""


async def test_workers_end_before_control(tmp_path: Path) -> None:
    """Control is asked to end once every worker has ended, so that it hears all that they did."""
    house = House(tmp_path, WAITS, workers=2)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(house.run())
        await house.until("control0 up", "worker0 up", "worker1 up")
        house.stop.set()
    assert "control0 term" == house.said[-1]
    assert {"worker0 term", "worker1 term"} == set(house.said[-3:-1])


async def test_a_process_that_dies_is_started_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its end is logged with the way it ended, and the next one is no first start any more."""
    code = "say(f\"announce {setup['announce']}\")\n" + WAITS
    house = House(tmp_path, code)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(house.run())
        await house.until("control0 announce True", "control0 up", "worker0 up")
        control = house.supervisor.children[0]
        os.kill(int(repr(control).split()[2].rstrip(">")), signal.SIGKILL)
        await house.until("control0 announce False")
        house.stop.set()
    (record,) = [r for r in caplog.records if r.message == "process ended"]
    assert ("control", "SIGKILL") == (record.child, record.how)  # type: ignore[attr-defined]


async def test_a_process_that_can_never_run_ends_all(tmp_path: Path) -> None:
    """It has said why; starting it again would only say it again."""
    house = House(tmp_path, 'if setup["role"] == "control": sys.exit(78)\n' + WAITS)
    with pytest.raises(GaveUp, match="control"):
        await house.run()


async def test_what_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time for draining, whatever the process says to it."""
    monkeypatch.setattr(module, "_CONTROL_SECONDS", 0.2)
    house = House(tmp_path, 'signal.signal(signal.SIGTERM, lambda *_: say("no"))\nsay("up")\nwhile 1: time.sleep(1)')
    house.supervisor._drain_seconds = 0.2
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(house.run())
        await house.until("control0 up", "worker0 up")
        house.stop.set()
    assert {"worker0 no", "control0 no"} <= set(house.said)


async def test_a_second_signal_hurries(tmp_path: Path) -> None:
    """The workers hear it as their own second one."""
    code = """
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: (asked.append(1), say(f"asked {len(asked)}")))
    say("up")
    while len(asked) < (2 if setup["role"] == "worker" else 1): time.sleep(0.01)
    """
    house = House(tmp_path, code)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(house.run())
        await house.until("control0 up", "worker0 up")
        house.stop.set()
        await house.until("worker0 asked 1")
        house.now.set()
        await house.until("worker0 asked 2", "control0 asked 1")


async def test_children_learn_of_the_supervisors_end_by_their_standard_input(tmp_path: Path) -> None:
    """A supervisor that is killed takes its end of the pipe with it."""
    house = House(tmp_path, 'say("up")\nsys.stdin.read()\nsay("orphan")\ntime.sleep(60)')
    running = asyncio.get_running_loop().create_task(house.run())
    await house.until("control0 up", "worker0 up")
    for child in house.supervisor.children:
        assert child._process is not None
        assert child._process.stdin is not None
        child._process.stdin.close()
    await house.until("control0 orphan", "worker0 orphan")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_a_childs_command_is_this_program() -> None:
    """The same interpreter and options; the part comes over standard input."""
    assert (sys.executable, "-m", "llmgw_gateway", "process", "--config", "f") == command(["--config", "f"])


@pytest.mark.parametrize(("code", "said"), [(1, "exit code 1"), (-9, "SIGKILL"), (-200, "signal 200")])
def test_how_a_process_ended(code: int, said: str) -> None:
    """Signals by their names."""
    assert said == how(code)
