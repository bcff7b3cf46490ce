"""Clients that do not read, do not finish, or leave: many at once, against a gateway process, while others are served.

The simulator runs in the test's loop, so that it is seen when each call was given up. Ordinary tests take a few dozen
clients; those marked slow take hundreds and thousands.
"""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import statistics
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llmgw_pool.testing import Peer, RawServer
from llmgw_pool.testing_http2 import Http2Server, Served
from llmgw_postgres.testing import free_port
from llmgw_simulator import Fault, Match, Rule, Simulator, SimulatorConfig

KEY = "gw-client"
_BIN = Path(sys.executable).parent

_CONFIG = """
[server]
engine = "{engine}"
data_bind = "127.0.0.1:{port}"
admin_bind = "127.0.0.1:{admin}"
log_format = "json"
send_timeout_seconds = {send_timeout}

[[accounts]]
id = "a"
provider = "openai"
credential = "env:UP_KEY"
base_url = "{upstream}/v1"
transport = "{transport}"
pool = "p"

[[accounts]]
id = "fat"
provider = "openai"
credential = "env:UP_KEY"
base_url = "{fat}/v1"
transport = "{transport}"
pool = "fat"

[[models]]
name = "gpt"
targets = [{{ pool = "p", model = "sim-gpt" }}]

[[models]]
name = "fat"
targets = [{{ pool = "fat", model = "sim-gpt" }}]

[[models]]
name = "long"
targets = [{{ pool = "p", model = "sim-long" }}]

[[keys]]
id = "test"
value = "env:CLIENT_KEY"
"""

engines = pytest.mark.parametrize("engine", ["hypercorn", "uvicorn"])
pairs = pytest.mark.parametrize(("engine", "transport"), [("hypercorn", "http1"), ("uvicorn", "http2")])


def some(few: int, many: int) -> pytest.MarkDecorator:
    """An ordinary test with few clients, and a slow one with many."""
    return pytest.mark.parametrize(
        "count", [few, pytest.param(many, marks=[pytest.mark.slow, pytest.mark.timeout(300)])]
    )


class Product:
    """A gateway process and the simulator behind it."""

    def __init__(self, process: asyncio.subprocess.Process, simulator: Any, port: int, admin: int, log: Path) -> None:
        self.process = process
        self.simulator = simulator
        self.port = port
        self._admin = admin
        self._log = log

    async def open(self, model: str = "gpt", text: str = "Hi", *, stream: bool = True, small: bool = False) -> Client:
        """A client that has sent its request. `small` is how little it lets come before it reads."""
        sock = socket.socket()
        sock.setblocking(False)
        if small:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        messages = [{"role": "user", "content": text}]
        body = msgspec.json.encode({"model": model, "stream": stream, "messages": messages})
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {KEY}\r\n"
        await asyncio.get_running_loop().sock_sendall(
            sock, f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
        )
        return Client(sock)

    async def served(self) -> float:
        """Asks as anybody would; the seconds that it took."""
        began = time.monotonic()
        async with asyncio.timeout(10):
            client = await self.open(stream=False)
            assert b" 200 " in await client.read()
        client.leave()
        return time.monotonic() - began

    def resident(self) -> int:
        """Bytes."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * resource.getpagesize()

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    async def metric(self, name: str) -> float:
        """The sum of a metric's samples."""

        def ask() -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._admin}/metrics") as response:
                return str(response.read().decode())

        lines = [line for line in (await asyncio.to_thread(ask)).splitlines() if line.startswith(name)]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    async def nothing_left(self) -> None:
        """Waits until no call is in flight on either side."""
        async with asyncio.timeout(10):
            while self.simulator.log.in_flight or await self.metric("gateway_inflight"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert 0 == await self.metric("gateway_upstream_leases")

    def settled(self) -> list[dict[str, Any]]:
        lines = [msgspec.json.decode(line) for line in self._log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == "request"]


class Client:
    """One connection of a client."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    async def read(self) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self.sock, 65536)

    async def rest(self) -> bytes:
        """Everything up to the end, or the reset, of the connection."""
        found = b""
        try:
            while data := await self.read():
                found += data
        except ConnectionError:
            pass
        return found

    def leave(self, *, reset: bool = False) -> None:
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()


class Fat:
    """A provider whose streams have no end, and are as fast as they are taken. `open` counts them."""

    def __init__(self, transport: str) -> None:
        chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        choice = {"index": 0, "delta": {"content": "x" * 4000}, "finish_reason": None}
        self._events = b"data: " + msgspec.json.encode({**chunk, "choices": [choice]}) + b"\n\n"
        self._events *= 8
        self.open = 0
        self._server = RawServer(self._one) if transport == "http1" else Http2Server(self._two)

    async def __aenter__(self) -> str:
        await self._server.__aenter__()
        return self._server.url

    async def __aexit__(self, *why: Any) -> None:
        await self._server.__aexit__(*why)

    async def _one(self, peer: Peer) -> None:
        await peer.request()
        self.open += 1
        try:
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            while True:
                await peer.send(b"%x\r\n%s\r\n" % (len(self._events), self._events))
        finally:
            self.open -= 1

    async def _two(self, served: Served) -> None:
        await served.ended.wait()
        self.open += 1
        try:
            await served.head(headers=[("content-type", "text/event-stream")])
            while not served.gone.is_set():
                await served.send(self._events)
        finally:
            self.open -= 1


@asynccontextmanager
async def running(
    folder: Path, engine: str, transport: str, send_timeout: float = 60.0, fat: str = "http://127.0.0.1:9"
) -> AsyncIterator[Product]:
    port, admin = free_port(), free_port()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    async with Simulator(SimulatorConfig(log_entries=20_000)).serve() as simulator:
        file, log = folder / "gateway.toml", folder / "log"
        values = {"engine": engine, "port": port, "admin": admin, "send_timeout": send_timeout, "fat": fat}
        file.write_text(_CONFIG.format(upstream=simulator.base_url, transport=transport, **values))
        command = [str(_BIN / "gateway"), "serve", "--config", str(file), "--data-dir", str(folder)]
        # One process, whose memory and descriptors are looked at.
        alone = {"GATEWAY_SERVER__WORKERS": "0", "GATEWAY_DATABASE__URL": "none"}
        environ = {**os.environ, **alone, "CLIENT_KEY": KEY, "UP_KEY": "sk-up"}
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(*command, stdout=out, stderr=out, env=environ)
        try:
            async with asyncio.timeout(60):
                while '"event":"ready"' not in log.read_text():  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            yield Product(process, simulator, port, admin, log)
        finally:
            process.kill()
            await process.wait()


def in_flight(product: Product, count: int) -> bool:
    return bool(product.simulator.log.in_flight == count)


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


@pytest.mark.alone
@some(40, 500)
@pairs
async def test_clients_that_do_not_read(tmp_path, engine, transport, count):
    """Each holds less than 1 MB, nobody else waits for them, and they are cut off after the send timeout."""
    fat = Fat(transport)
    async with fat as url, running(tmp_path, engine, transport, send_timeout=8.0, fat=url) as product:
        alone = [await product.served() for _ in range(20)]
        before = product.resident()
        clients = [await product.open("fat", small=True) for _ in range(count)]
        await until(lambda: fat.open == count)
        await asyncio.sleep(2)
        beside = [await product.served() for _ in range(20)]
        held = (product.resident() - before) / count
        assert held < 1_000_000
        assert statistics.median(beside) < statistics.median(alone) * 3 + 0.02
        quick, slower = (statistics.median(found) * 1000 for found in (alone, beside))
        print(f"{held / 1024:.0f} KiB each; others are served in {quick:.1f} ms alone, in {slower:.1f} ms beside them")
        await until(lambda: not fat.open, 40)
        await product.nothing_left()
        assert count == sum(line["outcome"] == "cancelled" for line in product.settled())
        assert b"[DONE]" not in (await clients[0].rest())[-100:]
        for client in clients:
            client.leave()


PHASES = {
    "in the stream": (True, Fault(tps=20, tokens=2000)),
    "before the headers": (True, Fault(think=60, late_headers=True)),
    "not streamed": (False, Fault(think=60)),
}


@pytest.mark.alone
@some(20, 1000)
@pytest.mark.parametrize("phase", PHASES)
@pairs
async def test_clients_that_leave(tmp_path, engine, transport, phase, count):
    """Each one's call is given up at the provider within 100 ms, by FIN as by RST, and nothing is left of it."""
    stream, fault = PHASES[phase]
    async with running(tmp_path, engine, transport) as product:
        await product.served()
        product.simulator.faults.add(Rule(fault, Match(model="sim-long"), None))
        log, left = product.simulator.log, {}
        files = product.descriptors()
        for first in range(0, count, 10):
            clients = [await product.open("long", str(number), stream=stream) for number in range(first, first + 10)]
            await until(lambda: log.in_flight == 10)
            if phase == "in the stream":
                for client in clients:
                    assert b" 200 " in await client.read()
            for number, client in enumerate(clients, first):
                left[str(number)] = time.time()
                client.leave(reset=number % 2 == 0)
            await until(lambda: not log.in_flight)
        entries = [entry for entry in log.entries if entry.model == "sim-long"]
        assert {"client_closed"} == {entry.outcome for entry in entries}
        took = sorted(
            entry.started + entry.seconds - left[msgspec.json.decode(entry.body)["messages"][0]["content"]]
            for entry in entries
        )
        assert count == len(took)
        print(f"given up after {took[count // 2] * 1e3:.1f} ms at the median, {took[-1] * 1e3:.1f} ms at most")
        assert took[-1] < 0.1
        await product.nothing_left()
        # Connections to the provider that were given up are closed; those that are kept are few.
        await until(lambda: product.descriptors() <= files + 10)


@pytest.mark.alone
@some(200, 2000)
@pytest.mark.parametrize(("engine", "transport"), [("uvicorn", "http1"), ("hypercorn", "http2")])
async def test_silent_streams_to_one_host_keep_nobody_out(tmp_path, engine, transport, count):
    """There is no hidden limit of connections: the next call is served at once."""
    async with running(tmp_path, engine, transport) as product:
        product.simulator.faults.add(Rule(Fault(think=600), Match(model="sim-long"), None))
        clients = []
        for first in range(0, count, 50):
            clients += await asyncio.gather(*(product.open("long") for _ in range(min(50, count - first))))
            await until(partial(in_flight, product, len(clients)))
        took = await product.served()
        print(f"{took * 1e3:.1f} ms beside {count} silent streams")
        assert took < 1.0
        for client in clients:
            client.leave()
        await product.nothing_left()


@pytest.mark.slow
@pytest.mark.timeout(200)
@engines
async def test_two_thousand_half_sent_requests(tmp_path, engine):
    """Half a header or half a body, then silence, or a byte a second: all are closed within 60 s."""
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {KEY}\r\ncontent-length: 5000\r\n\r\n"
    )
    async with running(tmp_path, engine, "http1") as product:
        files = product.descriptors()
        began = time.monotonic()
        loop = asyncio.get_running_loop()
        halves = []
        for number in range(2000):
            sock = socket.socket()
            sock.setblocking(False)
            await loop.sock_connect(sock, ("127.0.0.1", product.port))
            await loop.sock_sendall(sock, head.encode()[: 60 if number % 2 else None] + (b"" if number % 2 else b'{"a'))
            halves.append(Client(sock))

        async def trickle() -> None:
            while True:
                await asyncio.sleep(1)
                for client in halves[::10]:
                    try:
                        client.sock.send(b"x")
                    except OSError:
                        continue

        trickling = loop.create_task(trickle())
        assert await product.served() < 2.0
        async with asyncio.timeout(90):
            await asyncio.gather(*(client.rest() for client in halves))
        took = time.monotonic() - began
        trickling.cancel()
        print(f"reaped after {took:.1f} s")
        assert took < 60
        for client in halves:
            client.leave()
        await until(lambda: product.descriptors() <= files + 5)
        assert [] == product.simulator.log.entries[1:]


@engines
async def test_a_client_that_shuts_its_half(tmp_path, engine):
    """Half-closing is leaving: no client of these APIs does it, and a client that dies looks the same."""
    async with running(tmp_path, engine, "http1") as product:
        product.simulator.faults.add(Rule(Fault(think=60), Match(model="sim-long"), None))
        client = await product.open("long")
        await until(lambda: product.simulator.log.in_flight)
        client.sock.shutdown(socket.SHUT_WR)
        await until(lambda: not product.simulator.log.in_flight, 2)
        await product.nothing_left()
        assert ["cancelled"] == [line["outcome"] for line in product.settled()]
        client.leave()
