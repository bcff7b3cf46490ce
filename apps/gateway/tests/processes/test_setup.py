"""What a child is told, and how it learns that its supervisor is gone."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from llmgw_gateway.node import Node
from llmgw_gateway.processes.setup import Setup

SETUP = Setup(
    role="worker", node=Node("n", 3), workers=2, link="/run/x", slot=1, data=(5, 6), database="password=hunter2"
)

CHILD = """
import asyncio
from llmgw_gateway.processes.setup import adopted, receive
setup = receive()
print(setup.role, setup.slot, setup.data, flush=True)
async def main():
    stop = asyncio.Event()
    async with adopted(stop):
        await stop.wait()
    print("gone", flush=True)
asyncio.run(main())
"""


def test_a_child_reads_its_part_and_hears_the_end() -> None:
    """One line of JSON; then the end of the pipe, and nothing before it."""
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    with child:
        child.stdin.write(msgspec.json.encode(SETUP) + b"\n")
        child.stdin.flush()
        assert b"worker 1 (5, 6)\n" == child.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.2)
        child.stdin.close()
        assert b"gone\n" == child.stdout.readline()
    assert 0 == child.returncode


def test_a_part_is_not_shown() -> None:
    """Its connection string may hold a password."""
    assert "hunter2" not in repr(SETUP)
