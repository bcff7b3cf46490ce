"""Our HTTP/2 client against servers that are not ours: nginx, and Node's, which is nghttp2."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import trustme

from llmgw_domain import Account
from llmgw_domain.errors import UpstreamReset
from llmgw_pool import ConnectionPool, PoolConfig
from llmgw_pool.testing_http2 import account_at
from llmgw_postgres.testing import free_port
from llmgw_relay.ports import UpstreamRequest
from llmgw_simulator import Fault, Rule, Simulator
from llmgw_simulator.testing import request_of

PATH, ASK = request_of("chat", "Hello", stream=True)
BODY = msgspec.json.encode(ASK)

_NGINX = """
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  log_format protocols '$server_protocol $status $connection';
  access_log {folder}/access.log protocols;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_max_body_size 50m;
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {folder}/leaf.pem;
    ssl_certificate_key {folder}/leaf.pem;
    keepalive_requests 20;
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_http_version 1.1;
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_read_timeout 300s;
    }}
  }}
}}
"""


async def ask(pool: ConnectionPool, account: Account, path: str = PATH, body: bytes = BODY) -> bytes:
    """The whole answer, as a stream is read."""
    request = UpstreamRequest(account=account, path=path, body=body, stream=True)
    async with pool.open(request) as reply:
        parts = []
        async for part in reply.chunks():
            reply.progress()
            parts.append(part)
        return b"".join(parts)


class Nginx:
    """A running nginx in front of a simulator."""

    def __init__(self, folder: Path, process: asyncio.subprocess.Process, account: Account) -> None:
        self._folder = folder
        self.process = process
        self.account = account
        self.command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]

    def reload(self) -> None:
        subprocess.run([*self.command, "-s", "reload"], check=True, capture_output=True)

    @property
    def served(self) -> list[list[str]]:
        """Protocol, status and connection of each request so far."""
        return [line.split() for line in (self._folder / "access.log").read_text().splitlines()]


@pytest.fixture
async def running() -> AsyncIterator:
    async with Simulator().serve() as found:
        yield found


@pytest.fixture
async def nginx(tmp_path: Path, running) -> AsyncIterator[Nginx]:
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "leaf.pem"))
    port = free_port()
    text = _NGINX.format(folder=tmp_path, port=port, upstream=running.port)
    # Started by root, its workers would be another user, who may not write here.
    (tmp_path / "nginx.conf").write_text(("user root;\n" if os.geteuid() == 0 else "") + text)
    account = msgspec.structs.replace(
        account_at(f"https://127.0.0.1:{port}", "auto"), ca=authority.cert_pem.bytes().decode()
    )
    process = await asyncio.create_subprocess_exec("nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"))
    try:
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    break
        yield Nginx(tmp_path, process, account)
    finally:
        process.terminate()
        await process.wait()


async def test_nginx_takes_and_gives_streams(nginx):
    """Two hundred, twenty at a time, though a connection has to be left after twenty (GOAWAY); all by HTTP/2."""
    async with ConnectionPool() as pool:
        gate = asyncio.Semaphore(20)

        async def one() -> bytes:
            async with gate:
                return await ask(pool, nginx.account)

        answers = await asyncio.gather(*(one() for _ in range(200)))
        assert {True} == {answer.endswith(b"data: [DONE]\n\n") for answer in answers}
        assert 0 == pool.counters().leased
    assert {("HTTP/2.0", "200")} == {(protocol, status) for protocol, status, _ in nginx.served}
    assert len({connection for _, _, connection in nginx.served}) >= 10


async def test_nginx_reloads_under_streams(nginx, running):
    """Those under way end well on the old connections, and later calls open others."""
    async with ConnectionPool() as pool:
        running.faults.add(Rule(Fault(think=1.5), times=15))
        asking = [asyncio.get_running_loop().create_task(ask(pool, nginx.account)) for _ in range(15)]
        await asyncio.sleep(0.5)
        nginx.reload()
        await asyncio.sleep(0.3)
        later = [await ask(pool, nginx.account) for _ in range(5)]
        answers = await asyncio.gather(*asking)
        assert {True} == {answer.endswith(b"data: [DONE]\n\n") for answer in (*answers, *later)}


async def test_nginx_answers_pings(nginx, running):
    """Silence with PINGs; nginx knows them."""
    config = PoolConfig(ping_interval_seconds=0.3, ping_timeout_seconds=1.0)
    async with ConnectionPool(config) as pool:
        running.faults.add(Rule(Fault(think=2.0)))
        assert (await ask(pool, nginx.account)).endswith(b"data: [DONE]\n\n")
        assert pool.counters().pings["answered"] >= 2
        assert 0 == pool.counters().pings["unanswered"]


async def test_nginx_takes_large_bodies(nginx):
    """Through its windows, at its pace."""
    large = msgspec.json.encode({**ASK, "messages": [{"role": "user", "content": "x" * 5_000_000}]})
    async with ConnectionPool() as pool:
        assert (await ask(pool, nginx.account, body=large)).endswith(b"data: [DONE]\n\n")


async def test_nginx_is_killed(nginx, running):
    """In the middle of streams: each of them is told so."""
    async with ConnectionPool() as pool:
        running.faults.add(Rule(Fault(tps=50, tokens=5000), times=5))
        asking = [asyncio.get_running_loop().create_task(ask(pool, nginx.account)) for _ in range(5)]
        await asyncio.sleep(0.5)
        children = Path(f"/proc/{nginx.process.pid}/task/{nginx.process.pid}/children").read_text().split()
        for pid in map(int, children):
            os.kill(pid, 9)
        answers = await asyncio.gather(*asking, return_exceptions=True)
        assert {UpstreamReset} == {type(answer) for answer in answers}
        assert 0 == pool.counters().leased


# --- Node -------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def node() -> AsyncIterator[Account]:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    script = Path(__file__).parent / "other_server.mjs"
    process = await asyncio.create_subprocess_exec("node", str(script), stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    yield account_at(f"http://127.0.0.1:{port}")
    process.kill()
    await process.wait()


async def seen(pool: ConnectionPool, account: Account) -> dict[str, int]:
    async with pool.open(UpstreamRequest(account=account, path="/seen", body=b"", method="GET")) as reply:
        found: dict[str, int] = msgspec.json.decode(await reply.read(1000))
        return found


async def test_node_takes_streams_within_its_limit(node):
    """Thirty at once at ten a connection: others are opened, none is refused or lost."""
    async with ConnectionPool() as pool:
        answers = await asyncio.gather(*(ask(pool, node, "/x") for _ in range(30)))
        assert {True} == {answer.endswith(b"data: 9\n\ndata: end\n\n") for answer in answers}
        assert 30 == (await seen(pool, node))["streams"]


async def test_node_goes_away(node):
    """GOAWAY in the middle of a stream: it ends well, and the next one is on another connection."""
    async with ConnectionPool() as pool:
        first = asyncio.get_running_loop().create_task(ask(pool, node, "/x?goaway=1"))
        await asyncio.sleep(0.1)
        assert (await ask(pool, node, "/x")).endswith(b"data: end\n\n")
        assert (await first).endswith(b"data: end\n\n")
        assert 2 == (await seen(pool, node))["sessions"]


async def test_node_resets_a_stream(node):
    """The stream is broken, its neighbour is not."""
    async with ConnectionPool() as pool:
        broken, whole = await asyncio.gather(
            ask(pool, node, "/x?reset=1"), ask(pool, node, "/x"), return_exceptions=True
        )
        assert isinstance(broken, UpstreamReset)
        assert isinstance(whole, bytes)
        assert whole.endswith(b"data: end\n\n")


async def test_node_answers_pings_and_takes_large_bodies(node):
    config = PoolConfig(ping_interval_seconds=0.3, ping_timeout_seconds=1.0)
    async with ConnectionPool(config) as pool:
        assert (await ask(pool, node, "/x?silence=1500", b"x" * 3_000_000)).endswith(b"data: end\n\n")
        assert pool.counters().pings["answered"] >= 2
        assert 3_000_000 == (await seen(pool, node))["bytes"]
