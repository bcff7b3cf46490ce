"""What a request and a chunk cost: requests a second on one core, CPU time, and the latency that the gateway adds.

    make bench

The gateway runs alone on the first core, the canned upstream and the load generator (wrk) share the second one. CPU time is
the gateway process's own, from the kernel, so it hardly depends on the load around it. Authentication, the log line and
metrics are on, as they always are.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent
KEY = "gw-bench-0123456789abcdefghijklmnopqrst"
SECONDS = 6
TICKS = os.sysconf("SC_CLK_TCK")

pytestmark = [
    pytest.mark.bench,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not shutil.which("wrk"), reason="needs wrk (Debian package wrk)"),
]

CONFIG = """
[server]
data_bind = "127.0.0.1:{data}"
admin_bind = "127.0.0.1:{admin}"
engine = "{engine}"
[[accounts]]
id = "a"
provider = "openai"
credential = "env:UP_KEY"
base_url = "http://127.0.0.1:{upstream}/v1"
pool = "chat"
[[accounts]]
id = "b"
provider = "anthropic"
credential = "env:UP_KEY"
base_url = "http://127.0.0.1:{upstream}"
pool = "messages"
[[models]]
name = "gpt"
targets = [{{ pool = "chat", model = "m" }}]
[[models]]
name = "claude"
targets = [{{ pool = "messages", model = "claude-sonnet-4-5" }}]
[[keys]]
id = "bench"
hash = "sha256:{hash}"
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


@contextmanager
def process(core: int, *command: str, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    pinned = ["taskset", "-c", str(core), *command]
    started = subprocess.Popen(
        pinned, env={**os.environ, **environ}, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        yield started
    finally:
        started.terminate()
        started.wait(20)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@pytest.fixture(params=["hypercorn", "uvicorn"])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, int, int, int]]:
    """Engine, port of the gateway, its pid, port of the upstream."""
    data, admin, upstream = free_port(), free_port(), free_port()
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    file = tmp_path / "gateway.toml"
    file.write_text(CONFIG.format(data=data, admin=admin, upstream=upstream, engine=request.param, hash=digest))
    gateway = [
        str(Path(sys.executable).parent / "gateway"),
        "serve",
        "--config",
        str(file),
        "--data-dir",
        str(tmp_path),
    ]
    with (
        process(1, sys.executable, str(HERE / "canned.py"), str(upstream)),
        process(0, *gateway, UP_KEY="sk-bench") as started,
    ):
        wait_for(upstream)
        wait_for(data)
        yield request.param, data, started.pid, upstream


class Load:
    """One run of wrk: completed requests, seconds, and the median latency in milliseconds."""

    def __init__(self, port: int, path: str, body: str, connections: int, folder: Path) -> None:
        script = folder / "post.lua"
        script.write_text(
            f"wrk.method = 'POST'\nwrk.body = '{body}'\nwrk.headers['content-type'] = 'application/json'\n"
            f"wrk.headers['authorization'] = 'Bearer {KEY}'\nwrk.headers['anthropic-version'] = '2023-06-01'\n"
        )
        command = [
            "taskset",
            "-c",
            "1",
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{SECONDS}s",
            "--latency",
            "-s",
            str(script),
        ]
        out = subprocess.run(
            [*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True
        ).stdout
        assert "Non-2xx" not in out, out
        self.count = int(re.search(r"(\d+) requests in", out)[1])
        self.rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])
        value, unit = re.search(r"50%\s+([\d.]+)(us|ms|s)", out).groups()
        self.median_ms = float(value) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


CHAT = '{"model":"gpt","messages":[{"role":"user","content":"Hello, how are you today?"}]}'
CHAT_STREAM = CHAT[:-1] + ',"stream":true,"stream_options":{"include_usage":true}}'


def measured(pid: int, *load: object) -> tuple[Load, float]:
    before = cpu_seconds(pid)
    done = Load(*load)  # type: ignore[arg-type]
    return done, cpu_seconds(pid) - before


def test_whole_answers(running, tmp_path):
    """Requests a second on one core for a pass-through that is not a stream, and what one costs."""
    engine, port, pid, upstream = running
    Load(port, "/v1/chat/completions", CHAT, 32, tmp_path)
    load, cpu = measured(pid, port, "/v1/chat/completions", CHAT, 32, tmp_path)
    print(f"\n{engine}: {load.rate:.0f} requests/s on one core, {cpu / load.count * 1e6:.0f} us of CPU a request")
    direct = Load(upstream, "/v1/chat/completions", CHAT, 1, tmp_path)
    through = Load(port, "/v1/chat/completions", CHAT, 1, tmp_path)
    print(f"{engine}: {through.median_ms - direct.median_ms:.2f} ms added at the median, one connection")


@pytest.mark.parametrize(("name", "model"), [("pass-through", "gpt"), ("translated", "claude")])
def test_streams(running, tmp_path, name, model):
    """CPU time a chunk, of streams of 200 chunks, 40 at a time."""
    engine, port, pid, _ = running
    body = CHAT_STREAM.replace('"gpt"', f'"{model}"')
    Load(port, "/v1/chat/completions", body, 40, tmp_path)
    load, cpu = measured(pid, port, "/v1/chat/completions", body, 40, tmp_path)
    print(f"\n{engine}: {name} {cpu / load.count / 200 * 1e6:.1f} us of CPU a chunk ({load.count} streams of 200)")
