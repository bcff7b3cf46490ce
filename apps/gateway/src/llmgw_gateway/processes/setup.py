"""What the supervisor hands to a child: one line of JSON on its standard input, which then stays open.

Its end is how a child learns that the supervisor is gone, whatever ended it. Nothing of it is in the arguments or the
environment, where other users could read them.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import msgspec

from llmgw_gateway.node import Node

DO_NOT_RESTART = 78
"""The exit code (EX_CONFIG of sysexits.h) of a child that would fail again in the same way."""

_MOST_BYTES = 1 << 20


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """A child's part. Descriptors are inherited ones; `link` is the path of the control process's socket.

    `database` is a connection string, or None where there is no database. `announce`: this is the first start, so a
    person may be waiting for a word. `slot` numbers the workers from 0.
    """

    role: Literal["control", "worker"]
    node: Node
    workers: int
    link: str
    slot: int = 0
    listening: int | None = None
    data: tuple[int, ...] = ()
    admin: tuple[int, ...] = ()
    database: str | None = None
    announce: bool = False

    def __repr__(self) -> str:
        # The connection string may hold a password.
        return f"<Setup {self.role} {self.slot} of {self.node}>"


def receive() -> Setup:
    """Reads this process's part from standard input. Raises `msgspec.DecodeError` for anything else."""
    return msgspec.json.decode(sys.stdin.buffer.readline(_MOST_BYTES), type=Setup)


@asynccontextmanager
async def adopted(stop: asyncio.Event) -> AsyncIterator[None]:
    """Sets `stop` when the supervisor is gone, while the context is open."""
    # Owned here, and ended with the context.
    task = asyncio.get_running_loop().create_task(_orphaned(stop))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _orphaned(stop: asyncio.Event) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    try:
        await reader.read()
        stop.set()
    finally:
        transport.close()
