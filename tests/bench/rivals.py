"""The measured comparison: this gateway on both engines, and LiteLLM's proxy, in front of the same upstreams.

    make bench-rivals

One product after the other runs alone on the first core; the upstreams and the load share the second. CPU time is the
product's own and depends less on what else runs than requests a second and latency do; the machine's load is printed.
Prints Markdown and gates nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import costs
import cuts
import measure
import products
import report

HERE = Path(__file__).parent
PATH = "/v1/chat/completions"
CHAT = '{"model":"gpt","messages":[{"role":"user","content":"Hello, how are you today?"}]}'
STREAM = CHAT[:-1] + ',"stream":true,"stream_options":{"include_usage":true}}'
LATENCY_SECONDS = 4

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
    upstream = [sys.executable, str(HERE / "canned.py"), str(ports.canned), "--gap", str(costs.GAP)]
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
    rate, request_us = costs.rate(pid, through)
    direct = measure.wrk(through._replace(port=ports.canned), 1, LATENCY_SECONDS)
    added_ms = measure.wrk(through, 1, LATENCY_SECONDS).median_ms - direct.median_ms
    chunk_us = costs.chunk_us(pid, through._replace(body=STREAM))
    translated_us = costs.chunk_us(pid, through._replace(body=STREAM.replace('"gpt"', '"claude"')))
    resident = measure.resident_mib(pid)
    outcomes = cuts.Cutter(ports.port, ports.simulator, products.KEY).run()
    return Figures(name, rate, request_us, added_ms, chunk_us, translated_us, resident, outcomes)


# --- the report -------------------------------------------------------------------------------------------------------


def _report(found: list[Figures], load: tuple[float, float, float], seconds: float) -> None:
    print(report.header(load, seconds))
    report.table(
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
    report.table(
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


if __name__ == "__main__":
    sys.exit(main())
