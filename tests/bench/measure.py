"""What is read while a product runs: pinned processes, their CPU time and memory, and the two load generators.

Nothing here knows a product. CPU time and memory come from the kernel, summed over the process and its descendants;
times are in seconds unless a name says otherwise. The caller pins itself to `LOAD_CORE` with everything that makes or
answers load, so that a product has `PRODUCT_CORE` for itself.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

PRODUCT_CORE = 0
LOAD_CORE = 1
READY_SECONDS = 90.0
STOP_SECONDS = 20.0
STREAM_SECONDS = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")
_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


class Request(NamedTuple):
    """A POST of JSON to a port of this machine."""

    port: int
    path: str
    key: str
    body: str


class Rate(NamedTuple):
    """What one run of wrk saw."""

    count: int
    per_second: float
    median_ms: float


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on; held together, so that they differ."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


@contextmanager
def process(core: int, command: list[str], **environ: str) -> Iterator[int]:
    """Runs a command on one core and gives its pid; ends it, by force if it does not go. Its output is dropped.

    Bytecode may be cached whatever the caller's environment says: it may be a product's habit to import in a request.
    """
    started = subprocess.Popen(
        ["taskset", "-c", str(core), *command],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield started.pid
    finally:
        started.terminate()
        try:
            started.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def wait_for(port: int) -> float:
    """Seconds until something listened. Raises TimeoutError."""
    began = time.monotonic()
    while time.monotonic() - began < READY_SECONDS:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return time.monotonic() - began
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


def cpu_seconds(pid: int) -> float:
    """User and system time of the process and its descendants so far."""
    return sum(int(fields[11]) + int(fields[12]) for _, fields in _tree(pid)) / _TICKS


def resident_mib(pid: int) -> float:
    """Resident memory of the process and its descendants."""
    return sum(int(fields[21]) for _, fields in _tree(pid)) * os.sysconf("SC_PAGE_SIZE") / 2**20


def descendants(pid: int) -> list[int]:
    """The process and all that it started and that still runs."""
    return [one for one, _ in _tree(pid)]


def _tree(root: int) -> list[tuple[int, list[str]]]:
    """Pid and the fields of /proc/PID/stat after the command's name (proc(5) counts them from 3)."""
    stats = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stats[int(folder.name)] = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
    found = [root]
    for pid in found:
        found += [child for child, fields in stats.items() if int(fields[1]) == pid]
    return [(pid, stats[pid]) for pid in found]


def wrk(request: Request, connections: int, seconds: int) -> Rate:
    """Asks again and again on some connections. Raises RuntimeError if an answer was not a success."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(
            f"wrk.method = 'POST'\nwrk.body = '{request.body}'\nwrk.headers['content-type'] = 'application/json'\n"
            f"wrk.headers['authorization'] = 'Bearer {request.key}'\n"
        )
        script.flush()
        url = f"http://127.0.0.1:{request.port}{request.path}"
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script.name, url]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        raise RuntimeError(out)
    value, unit = re.findall(r"50%\s+([\d.]+)(us|ms|s)", out)[0]
    return Rate(
        int(re.findall(r"(\d+) requests in", out)[0]),
        float(re.findall(r"Requests/sec:\s+([\d.]+)", out)[0]),
        float(value) * _UNITS_MS[unit],
    )


def have_wrk() -> bool:
    return shutil.which("wrk") is not None


async def streams(request: Request, count: int, spread: float) -> None:
    """Reads so many streams at once to their ends, their beginnings spread over some seconds.

    wrk is no good here: it drops the streams that are under way when its time is up, after their CPU time was spent.
    Raises RuntimeError if a stream did not come through whole.
    """

    async def one(number: int) -> bytes:
        await asyncio.sleep(spread * number / count)
        return await _read_stream(request)

    answers = await asyncio.gather(*(one(number) for number in range(count)))
    for answer in answers:
        if b'"finish_reason":"stop"' not in answer.replace(b": ", b":") or b"[DONE]" not in answer:
            raise RuntimeError(f"not a whole stream: {answer[-2000:]!r}")


async def _read_stream(request: Request) -> bytes:
    body = request.body.encode()
    head = (
        f"POST {request.path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {request.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", request.port)
    try:
        writer.write(head.encode() + body)
        answer = bytearray()
        async with asyncio.timeout(STREAM_SECONDS):
            while not answer.endswith(b"\r\n0\r\n\r\n") and (data := await reader.read(65536)):
                answer += data
        return bytes(answer)
    finally:
        writer.close()
