"""What silence costs: thousands of streams that wait for a model, over TLS to the provider, on each transport.

    python tests/bench/silent.py [--streams 5000] [--engine hypercorn]

Memory is what the process has gained, shared out to the streams; CPU is what it used while nothing but heartbeats went
out, shared out to them. Prints Markdown, gates nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import resource
import ssl
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

import measure
import products
import report

HEARTBEAT = 5.0
WATCHED = 20.0
BATCH = 100

_GATEWAY = """
[server]
data_bind = "127.0.0.1:{port}"
admin_bind = "127.0.0.1:{admin}"
engine = "{engine}"
heartbeat_seconds = {heartbeat}
log_requests = false
workers = 0
[database]
url = "none"
[[accounts]]
id = "a"
provider = "openai"
credential = "env:UP_KEY"
base_url = "https://127.0.0.1:{upstream}/v1"
transport = "{transport}"
ca = "file:{ca}"
pool = "p"
[[models]]
name = "gpt"
targets = [{{ pool = "p", model = "sim-gpt" }}]
[[keys]]
id = "bench"
hash = "sha256:{hash}"
"""


class Figures(NamedTuple):
    name: str
    kib: float
    beat_us: float
    beats: int
    connections: str
    next_ms: float


class Clients:
    """Streams that are waited for, each on a connection of its own; what comes is counted and dropped."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.beats = 0
        self.lost = 0
        self._transports: list[asyncio.Transport] = []

    async def open(self, count: int) -> None:
        body = b'{"model":"gpt","stream":true,"messages":[{"role":"user","content":"Hello"}]}'
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {products.KEY}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        loop = asyncio.get_running_loop()
        for done in range(0, count, BATCH):
            made = (loop.create_connection(lambda: _Client(self), "127.0.0.1", self._port) for _ in range(BATCH))
            for transport, _ in await asyncio.gather(*made):
                transport.write(head.encode() + body)
                self._transports.append(transport)
            await asyncio.sleep(0.1)
            if done % 1000 == 0:
                print(f"bench: {done} streams", file=sys.stderr, flush=True)

    def close(self) -> None:
        for transport in self._transports:
            transport.abort()


class _Client(asyncio.Protocol):
    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def data_received(self, data: bytes) -> None:
        self._clients.beats += data.count(b": keepalive")

    def connection_lost(self, exc: Exception | None) -> None:
        self._clients.lost += 1


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures what silent streams cost.")
    parser.add_argument("--streams", type=int, default=5000)
    parser.add_argument("--engine", action="append", choices=["hypercorn", "uvicorn"])
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, {measure.LOAD_CORE})
    began, load = time.monotonic(), os.getloadavg()
    found = [
        asyncio.run(_measured(engine, transport, options.streams))
        for engine in options.engine or ["hypercorn", "uvicorn"]
        for transport in ("http1", "http2")
    ]
    print(report.header(load, time.monotonic() - began))
    report.table(
        ["", "memory a stream", "CPU a heartbeat", "heartbeats", "connections to the provider", "the next call"],
        *(
            [f.name, f"{f.kib:.1f} KiB", f"{f.beat_us:.0f} us", str(f.beats), f.connections, f"{f.next_ms:.1f} ms"]
            for f in found
        ),
    )
    return 0


async def _measured(engine: str, transport: str, count: int) -> Figures:
    port, admin, upstream = measure.free_ports(3)
    name = f"{count} streams, {transport} over TLS, {engine}"
    print(f"bench: {name}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="llmgw-bench-") as place:
        folder = Path(place)
        bin_ = Path(sys.executable).parent
        simulator = [str(bin_ / "simulator"), "--port", str(upstream), "--tls-ca", str(folder / "ca.pem")]
        with measure.process(measure.LOAD_CORE, simulator):
            measure.wait_for(upstream)
            file = folder / "gateway.toml"
            file.write_text(
                _GATEWAY.format(
                    port=port,
                    admin=admin,
                    engine=engine,
                    heartbeat=HEARTBEAT,
                    upstream=upstream,
                    transport=transport,
                    ca=folder / "ca.pem",
                    hash=hashlib.sha256(products.KEY.encode()).hexdigest(),
                )
            )
            command = [str(bin_ / "gateway"), "serve", "--config", str(file), "--data-dir", place]
            with measure.process(measure.PRODUCT_CORE, command, UP_KEY="sk-up") as pid:
                measure.wait_for(port)
                return await _figures(name, pid, port, admin, upstream, folder / "ca.pem", count)


async def _figures(name: str, pid: int, port: int, admin: int, upstream: int, ca: Path, count: int) -> Figures:
    clients = Clients(port)
    # A few first: what the first calls load once is not the streams'.
    await asyncio.to_thread(_rule, upstream, ca, f'{{"fault": "think=1000", "times": {BATCH + count}}}')
    await clients.open(BATCH)
    await asyncio.sleep(2)
    before = measure.resident_mib(pid)
    await clients.open(count)
    await asyncio.sleep(HEARTBEAT * 2)
    kib = (measure.resident_mib(pid) - before) * 1024 / count
    cpu, beats, since = measure.cpu_seconds(pid), clients.beats, time.monotonic()
    await asyncio.sleep(WATCHED)
    beats = clients.beats - beats
    used = measure.cpu_seconds(pid) - cpu
    assert time.monotonic() - since < WATCHED + 5, "this machine did not keep up"
    at = time.monotonic()
    await asyncio.wait_for(asyncio.to_thread(_call, port), 30)
    next_ms = (time.monotonic() - at) * 1000
    if clients.lost:
        raise RuntimeError(f"{clients.lost} streams were lost")
    connections = await asyncio.to_thread(_connections, admin)
    clients.close()
    return Figures(name, kib, used / beats * 1e6, beats, connections, next_ms)


def _rule(port: int, ca: Path, rule: str) -> None:
    context = ssl.create_default_context(cafile=str(ca))
    urllib.request.urlopen(f"https://127.0.0.1:{port}/_sim/faults", rule.encode(), context=context).close()


def _call(port: int) -> None:
    body = b'{"model":"gpt","messages":[{"role":"user","content":"Hi"}]}'
    headers = {"authorization": f"Bearer {products.KEY}"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/chat/completions", body, headers)
    urllib.request.urlopen(request, timeout=30).close()


def _connections(admin: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics") as response:
        lines = response.read().decode().splitlines()
    counts = [line.rpartition(" ")[2] for line in lines if line.startswith("gateway_upstream_connections{")]
    return str(sum(int(float(count)) for count in counts))


if __name__ == "__main__":
    sys.exit(main())
