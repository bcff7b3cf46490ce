"""A control process and a worker on one loop, with real sockets between them, and a real client of each."""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from llmgw_gateway.config import Settings, load
from llmgw_gateway.node import Node
from llmgw_gateway.processes.control import Control, open_control
from llmgw_gateway.processes.setup import Setup
from llmgw_gateway.processes.worker import Worker, open_worker
from llmgw_telemetry import LogConfig, configure_logging


class Host:
    """The sockets of a gateway, and its processes as they are opened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = io.StringIO()
        self.stream = configure_logging(LogConfig(format="json"), self.log)
        self.stop = asyncio.Event()
        self.data, self.admin = _listening(), _listening()
        self.link = socket.socket(socket.AF_UNIX)
        self.link.bind(str(folder / "link"))
        self.link.listen()
        # Duplicates share this, and take it from the one that they are made of.
        self.link.setblocking(False)

    @property
    def settings(self) -> Settings:
        environ = {
            "GATEWAY_DATA_DIR": str(self.folder / "data"),
            "GATEWAY_DATABASE__URL": "none",
            "GATEWAY_SPOOL__MAX_BYTES": "4194304",
            "GATEWAY_SPOOL__SEGMENT_BYTES": "262144",
        }
        return load(None, environ)

    def setup(self, role: str) -> Setup:
        fds = [sock.dup().detach() for sock in (self.data, self.admin, self.link)]
        return Setup(
            role=role,  # type: ignore[arg-type]
            node=Node("n", 1),
            workers=1,
            link=str(self.folder / "link"),
            data=(fds[0],),
            admin=(fds[1],),
            listening=fds[2],
        )

    @asynccontextmanager
    async def control(self) -> AsyncIterator[Control]:
        async with open_control(self.settings, self.setup("control")) as control:
            yield control

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Worker]:
        setup = self.setup("worker")
        for number in (setup.admin[0], setup.listening):
            socket.socket(fileno=number).close()
        async with open_worker(self.settings, setup, self.stream, self.stop) as worker:
            yield worker

    @property
    def key(self) -> str:
        return (self.folder / "data" / "client-key").read_text().strip()

    @property
    def owner(self) -> dict[str, str]:
        return {"authorization": f"Bearer {(self.folder / 'data' / 'owner.token').read_text().strip()}"}

    def url(self, sock: socket.socket, path: str) -> str:
        return f"http://127.0.0.1:{sock.getsockname()[1]}{path}"

    def close(self) -> None:
        for sock in (self.data, self.admin, self.link):
            sock.close()


def _listening() -> socket.socket:
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    return sock


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    host = Host(tmp_path)
    yield host
    host.close()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def models(host: Host, http: aiohttp.ClientSession, key: str) -> int:
    headers = {"authorization": f"Bearer {key}"}
    async with http.get(host.url(host.data, "/v1/models"), headers=headers) as answer:
        return answer.status


async def test_what_is_commanded_is_served_when_it_is_answered(host: Host, http: aiohttp.ClientSession) -> None:
    """A key that was deleted is refused from then on; one that is made works within a tenth of a second."""
    async with host.control() as control, host.worker():
        await asyncio.wait_for(control.complete.wait(), 5)
        url = host.url(host.admin, "/api/v1/keys")
        async with http.post(url, json={"name": "ci"}, headers=host.owner) as answer:
            made = await answer.json()
        assert 201 == answer.status, made
        await asyncio.sleep(0.15)
        assert 200 == await models(host, http, made["secret"])
        async with http.delete(f"{url}/{made['id']}", headers=host.owner) as answer:
            assert 204 == answer.status
        assert 401 == await models(host, http, made["secret"])
        assert 200 == await models(host, http, host.key)


async def test_the_workers_counts_are_on_the_metrics_page(host: Host, http: aiohttp.ClientSession) -> None:
    """They are asked for when the page is."""
    async with host.control() as control, host.worker():
        await asyncio.wait_for(control.complete.wait(), 5)
        body = {"model": "sim/gpt", "messages": [{"role": "user", "content": "Hi"}]}
        headers = {"authorization": f"Bearer {host.key}"}
        async with http.post(host.url(host.data, "/v1/chat/completions"), json=body, headers=headers) as answer:
            assert 200 == answer.status
        async with http.get(host.url(host.admin, "/metrics")) as page:
            text = await page.text()
    assert 'account="sim-openai",outcome="ok"} 1' in text
    assert "\ngateway_database_away 0\n" in text
    assert "\ngateway_quarantined_records 0\n" in text
    assert "\ngateway_events_spooled " in text


async def test_a_worker_serves_while_control_is_away(host: Host, http: aiohttp.ClientSession) -> None:
    """And the next control process has it again."""
    async with AsyncExitStack() as stack:
        async with host.control() as control:
            await stack.enter_async_context(host.worker())
            await asyncio.wait_for(control.complete.wait(), 5)
        assert 200 == await models(host, http, host.key)
        async with host.control() as again:
            await asyncio.wait_for(again.complete.wait(), 5)
            assert [0] == again.hub.serving
