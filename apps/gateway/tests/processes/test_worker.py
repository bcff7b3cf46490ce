"""A worker without a control process; with one, see `test_control`."""

from __future__ import annotations

import asyncio
import io
import socket
from pathlib import Path

import pytest

from llmgw_gateway.config import load
from llmgw_gateway.node import Node
from llmgw_gateway.processes.setup import Setup
from llmgw_gateway.processes.worker import Withdrawn, open_worker, run_worker
from llmgw_telemetry import LogConfig, configure_logging


async def test_without_control_it_takes_no_calls(tmp_path: Path) -> None:
    """Connections wait, since nobody could tell them whether their keys are good; told to stop, it ends."""
    log = configure_logging(LogConfig(format="json"), io.StringIO())
    environ = {
        "GATEWAY_DATA_DIR": str(tmp_path / "data"),
        "GATEWAY_DATABASE__URL": "none",
        "GATEWAY_SPOOL__MAX_BYTES": "4194304",
        "GATEWAY_SPOOL__SEGMENT_BYTES": "262144",
    }
    settings, stop = load(None, environ), asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as data:
        setup = Setup(role="worker", node=Node("n", 1), workers=1, link=str(tmp_path / "nobody"), data=(data.fileno(),))

        async def opened() -> None:
            async with open_worker(settings, setup, log, stop):
                pass

        opening = asyncio.get_running_loop().create_task(opened())
        reader, writer = await asyncio.open_connection(*data.getsockname())
        writer.write(b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.3)
        assert not opening.done()
        stop.set()
        with pytest.raises(Withdrawn):
            await asyncio.wait_for(opening, 5)
        # As a process it just ends.
        await asyncio.wait_for(run_worker(settings, setup, log, stop, asyncio.Event()), 5)
        writer.close()
