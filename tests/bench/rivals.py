"""The measured comparison: this gateway on both engines, and LiteLLM's proxy, in front of the same upstreams.

    make bench-rivals

One product after the other runs alone on the first core; the upstreams and the load share the second. CPU time is the
product's own and depends less on what else runs than requests a second and latency do; the machine's load is printed.
Prints Markdown and gates nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import canned
import cuts
import measure
import products

HERE = Path(__file__).parent
PATH = "/v1/chat/completions"
CHAT = '{"model":"gpt","messages":[{"role":"user","content":"Hello, how are you today?"}]}'
STREAM = CHAT[:-1] + ',"stream":true,"stream_options":{"include_usage":true}}'
CONNECTIONS = 16
STREAMS = 20
# The best of so many rounds counts: what disturbs a round from outside only makes it worse.
ROUNDS = 3
# 20 streams of 50 chunks a second: slow enough for every product to keep up, so that each pays for every chunk.
GAP = 0.02
WARM_SECONDS, RATE_SECONDS, LATENCY_SECONDS = 6, 5, 4

Make = Callable[[products.Ports, Path], products.Product]


class Figures(NamedTuple):
    """What was measured of one product. CPU times are in microseconds."""

    name: str
    rate: float
    request_us: float
    added_ms: float
    chunk_us: float
    translated_us: float
    resident_mib: float
    cuts: dict[str, Counter[str]]


def main() -> int:
    options = _options()
    if not measure.have_wrk():
        print("bench: needs wrk (Debian package wrk)", file=sys.stderr)
        return 1
    os.sched_setaffinity(0, {measure.LOAD_CORE})
    began, load = time.monotonic(), os.getloadavg()
    found = [_measured(make) for make in _makers(options)]
    _report(found, load, time.monotonic() - began)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures the gateway, and with --litellm a rival, on this machine.")
    parser.add_argument("--litellm", type=Path, metavar="DIR", help="virtual environment with litellm[proxy]")
    return parser.parse_args()


def _makers(options: argparse.Namespace) -> list[Make]:
    makers: list[Make] = [partial(products.gateway, engine) for engine in ("hypercorn", "uvicorn")]
    if options.litellm:
        makers.append(partial(products.litellm, options.litellm))
    return makers


def _measured(make: Make) -> Figures:
    ports = products.Ports(*measure.free_ports(4))
    simulator = str(Path(sys.executable).parent / "simulator")
    upstream = [sys.executable, str(HERE / "canned.py"), str(ports.canned), str(GAP)]
    with (
        tempfile.TemporaryDirectory(prefix="llmgw-bench-") as folder,
        measure.process(measure.LOAD_CORE, upstream),
        measure.process(measure.LOAD_CORE, [simulator, "--port", str(ports.simulator)]),
    ):
        product = make(ports, Path(folder))
        print(f"bench: {product.name}", file=sys.stderr, flush=True)
        with measure.process(measure.PRODUCT_CORE, product.command, **product.environ) as pid:
            for port in (ports.canned, ports.simulator, ports.port):
                measure.wait_for(port)
            return _figures(product.name, pid, ports)


def _figures(name: str, pid: int, ports: products.Ports) -> Figures:
    through = measure.Request(ports.port, PATH, products.KEY, CHAT)
    rate, request_us = _rate(pid, through)
    direct = measure.wrk(through._replace(port=ports.canned), 1, LATENCY_SECONDS)
    added_ms = measure.wrk(through, 1, LATENCY_SECONDS).median_ms - direct.median_ms
    chunk_us = _chunk_us(pid, through._replace(body=STREAM))
    translated_us = _chunk_us(pid, through._replace(body=STREAM.replace('"gpt"', '"claude"')))
    resident = measure.resident_mib(pid)
    outcomes = cuts.Cutter(ports.port, ports.simulator, products.KEY).run()
    return Figures(name, rate, request_us, added_ms, chunk_us, translated_us, resident, outcomes)


def _rate(pid: int, request: measure.Request) -> tuple[float, float]:
    """Requests a second with the core full, and the CPU time of one."""
    measure.wrk(request, CONNECTIONS, WARM_SECONDS)
    rates, costs = [], []
    for _ in range(ROUNDS):
        before = measure.cpu_seconds(pid)
        rate = measure.wrk(request, CONNECTIONS, RATE_SECONDS)
        rates.append(rate.per_second)
        costs.append((measure.cpu_seconds(pid) - before) / rate.count * 1e6)
    return max(rates), min(costs)


def _chunk_us(pid: int, request: measure.Request) -> float:
    """CPU time of streams, their requests included, shared out to their chunks."""
    spread = canned.CHUNKS * GAP / 4
    asyncio.run(measure.streams(request, STREAMS // 4, spread))
    costs = []
    for _ in range(ROUNDS):
        before = measure.cpu_seconds(pid)
        asyncio.run(measure.streams(request, STREAMS, GAP))
        costs.append((measure.cpu_seconds(pid) - before) / (STREAMS * canned.CHUNKS) * 1e6)
    return min(costs)


# --- the report -------------------------------------------------------------------------------------------------------


def _report(found: list[Figures], load: tuple[float, float, float], seconds: float) -> None:
    now = datetime.fromtimestamp(time.time(), UTC)
    print(
        f"{now:%Y-%m-%d %H:%M} UTC, {_processor()}, Python {platform.python_version()}, {platform.system()} "
        f"{platform.release()}; load average {load[0]:.2f} before and {os.getloadavg()[0]:.2f} after {seconds:.0f} s\n"
    )
    _table(
        ["", *(each.name for each in found)],
        ["requests/s on one core", *(f"{each.rate:,.0f}" for each in found)],
        ["CPU a request", *(f"{each.request_us:,.0f} us" for each in found)],
        ["latency added at the median", *(f"{each.added_ms:.2f} ms" for each in found)],
        ["CPU a streamed chunk, passed through", *(f"{each.chunk_us:,.0f} us" for each in found)],
        ["CPU a streamed chunk, translated", *(f"{each.translated_us:,.0f} us" for each in found)],
        ["resident memory after that", *(f"{each.resident_mib:,.0f} MiB" for each in found)],
        ["cut streams shown as a normal finish", *(_shown(each) for each in found)],
    )
    print("\nWhat an OpenAI SDK sees of the cut streams:\n")
    _table(
        ["", "cut by", "cuts", *cuts.OUTCOMES],
        *(
            [each.name, kind, str(counts.total()), *(str(counts[outcome]) for outcome in cuts.OUTCOMES)]
            for each in found
            for kind, counts in each.cuts.items()
        ),
    )


def _shown(figures: Figures) -> str:
    counts = figures.cuts.values()
    return f"{sum(each[cuts.NORMAL] for each in counts)} of {sum(each.total() for each in counts)}"


def _table(head: list[str], *rows: list[str]) -> None:
    print(f"| {' | '.join(head)} |")
    print("|---|" + "--:|" * (len(head) - 1))
    for row in rows:
        print(f"| {' | '.join(row)} |")


def _processor() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return f"{names[0] if names else platform.machine()} ({len(names)} cores)"


if __name__ == "__main__":
    sys.exit(main())
