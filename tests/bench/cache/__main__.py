"""`python -m cache`: plays the scenarios, and prints the comparison."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import measure
import msgspec
import report

from cache import contenders, workload
from cache.contenders import CHECKS, Bound, Contender, Field
from cache.driver import Driver, Pace
from cache.figures import Figures, Played, figures, lines_of
from cache.programs import running
from cache.scenarios import SCENARIOS, Course

_WHO = {
    "healthy": ("gateway", "two-nodes", "round-robin", "litellm"),
    "limits": ("gateway", "round-robin", "litellm"),
    "down": ("gateway", "round-robin", "litellm"),
    "drained": ("gateway", "round-robin"),
    "restart": ("gateway", "litellm"),
}
"""LiteLLM without a database can't take a deployment out of use, and round robin has nothing to restart."""


def main() -> int:
    options = _options()
    began, load = time.monotonic(), os.getloadavg()
    with tempfile.TemporaryDirectory(prefix="llmgw-bench-") as folder:
        bench = Bench(options, options.keep or Path(folder))
        bound = bench.play("healthy", "bound")
        found: dict[str, list[tuple[str, Figures]]] = {"healthy": [("bound", figures(bound, bound))]}
        for scenario in options.scenarios:
            for name in bench.who(scenario):
                shown = figures(bench.play(scenario, name), bound)
                found.setdefault(scenario, []).append((bench.title(name), shown))
                _note(f"{scenario}, {name}: {shown}")
        print(report.header(load, time.monotonic() - began))
        print(f"Workload {bench.digest}: {options.seconds:.0f} s at {options.time_scale:g} times their pace.")
        for scenario, rows in found.items():
            _table(scenario, rows, options.time_scale)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="cache", description="Measures how warm prompt caches stay.")
    add = parser.add_argument
    add("--scenarios", nargs="+", choices=SCENARIOS, default=list(SCENARIOS), help="which of them (default: all)")
    add("--contenders", nargs="+", help="which of them (default: all that a scenario is for)")
    add("--time-scale", type=float, default=8.0, help="how much faster clocks run (default: %(default)s)")
    add("--seconds", type=float, default=1200.0, help="of the workload, before the time scale (default: %(default)s)")
    add("--alive", type=int, default=300, help="sessions at a time (default: %(default)s)")
    add("--tenants", type=int, default=40, help="(default: %(default)s)")
    add("--accounts", type=int, default=10, help="of both providers together (default: %(default)s)")
    add("--seed", type=int, default=1, help="of the workload (default: %(default)s)")
    add("--no-database", action="store_true", help="let gateways run without their PostgreSQL")
    add("--keep", type=Path, metavar="DIR", help="keep logs, ledgers and what clients saw there")
    add("--litellm", type=Path, metavar="DIR", help="virtual environment with litellm[proxy]")
    add("--litellm-checks", nargs="+", default=CHECKS, help="its affinity (default: %(default)s)")
    return parser.parse_args()


class Bench:
    """One workload, and the means to play it."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options, self._folder = options, folder
        shape = workload.Shape(seed=options.seed, tenants=options.tenants, alive=options.alive, seconds=options.seconds)
        self._plan, self.digest = workload.load(shape, folder)
        self._pace = Pace(options.time_scale)
        self._titles: dict[str, str] = {}

    def who(self, scenario: str) -> list[str]:
        """The contenders of a scenario that can be had and are wanted."""
        wanted = self._options.contenders or _WHO[scenario]
        return [name for name in _WHO[scenario] if name in wanted and (name != "litellm" or self._options.litellm)]

    def title(self, name: str) -> str:
        return self._titles.get(name, name)

    def play(self, scenario: str, name: str) -> Played:
        """One scenario with one contender, and a simulator of its own."""
        _note(f"{scenario}, {name}")
        folder = self._folder / f"{scenario}-{name}"
        folder.mkdir(parents=True)
        port = measure.free_ports(1)[0]
        field = Field(
            simulator=f"http://127.0.0.1:{port}",
            accounts=self._options.accounts // len(contenders.PROVIDERS),
            tenants=self._options.tenants,
            scale=self._pace.scale,
            folder=folder,
            database=not self._options.no_database,
        )
        contender = self._make(name, field)
        with ExitStack() as stack:
            simulator = stack.enter_context(running(self._simulator(port, contender), folder / "simulator.log"))
            simulator.until_ready(port, "/_sim/health")
            stack.enter_context(contender.running())
            played = asyncio.run(self._playing(scenario, contender))
        (folder / "played.json").write_bytes(msgspec.json.encode(played))
        return played

    def _make(self, name: str, field: Field) -> Contender:
        makers: dict[str, Callable[[Field], Contender]] = {
            "bound": Bound,
            "round-robin": contenders.RoundRobin,
            "gateway": contenders.Gateway,
            "two-nodes": contenders.TwoNodes,
            "litellm": self._litellm,
        }
        return makers[name](field)

    def _litellm(self, field: Field) -> Contender:
        made = contenders.LiteLLM(field, self._options.litellm, self._options.litellm_checks)
        self._titles["litellm"] = f"LiteLLM {made.version()}"
        return made

    def _simulator(self, port: int, contender: Contender) -> list[str]:
        pace = self._pace
        command = [str(Path(sys.executable).parent / "simulator"), "--port", str(port)]
        command += ["--time-scale", str(pace.scale), "--ttft", str(pace.ttft), "--tps", str(pace.tps)]
        return [*command, "--burst", str(pace.burst), *(["--tell-real-seconds"] if contender.tells_real else [])]

    async def _playing(self, scenario: str, contender: Contender) -> Played:
        driver = Driver(self._plan, contender, self._pace)
        async with aiohttp.ClientSession() as http:
            course = Course(self._plan, driver, contender, self._pace, http)
            before = contender.cpu_seconds()
            events = asyncio.get_running_loop().create_task(SCENARIOS[scenario](course))  # joined below
            await driver.play()
            await events
            cpu = contender.cpu_seconds() - before
            simulator = contender.field.simulator
            ledger = await _get(http, f"{simulator}/_sim/ledger")
            accounts = await _get(http, f"{simulator}/_sim/accounts")
        refusals: dict[int, int] = {}
        for tally in accounts["credentials"].values():
            for status, count in tally["statuses"].items():
                if status != "200":
                    refusals[int(status)] = refusals.get(int(status), 0) + count
        return Played(lines_of(ledger), driver.told, self._pace.scale, refusals, cpu)


async def _get(http: aiohttp.ClientSession, url: str) -> dict[str, object]:
    async with http.get(url) as response:
        return msgspec.json.decode(await response.read(), type=dict[str, object])


def _table(scenario: str, rows: list[tuple[str, Figures]], scale: float) -> None:
    about = " ".join((SCENARIOS[scenario].__doc__ or "").split())
    print(f"\n**{scenario}**: {about}\n")
    report.table(
        ["", *(name for name, _ in rows)],
        ["turns served", *(f"{each.turns:,}" for _, each in rows)],
        ["prompt tokens read from caches", *(f"{each.hit:.1%}" for _, each in rows)],
        ["of what the bound reads", *(f"{each.of_bound:.1%}" for _, each in rows)],
        ["cost", *(f"${each.dollars:,.2f}" for _, each in rows)],
        ["above the bound's", *(f"{each.above_bound:+.1%}" for _, each in rows)],
        ["warm turns on the same account", *(f"{each.steady:.2%}" for _, each in rows)],
        ["tokens of an account, most / mean", *(f"{each.spread:.2f}" for _, each in rows)],
        ["refusals of the accounts", *(_counts(each.refusals) for _, each in rows)],
        ["errors that clients saw", *(_counts(each.errors) for _, each in rows)],
        ["sessions dropped", *(str(each.dropped) for _, each in rows)],
        ["added wait, median", *(f"{each.wait * 1000:.1f} ms" for _, each in rows)],
        ["added wait, 99th percentile", *(f"{each.wait_p99 * scale:.1f} s" for _, each in rows)],
        ["CPU a turn", *(f"{each.cpu_ms:.1f} ms" for _, each in rows)],
    )
    print("\nThe median wait is in real time, its 99th percentile in the simulator's, as most of it is waiting.")


def _counts(counts: object) -> str:
    assert isinstance(counts, dict)
    return ", ".join(f"{name}: {count}" for name, count in sorted(counts.items(), key=str)) or "none"


def _note(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
