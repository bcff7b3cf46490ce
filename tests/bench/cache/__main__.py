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
from typing import Any

import aiohttp
import measure
import msgspec
import report

from cache import contenders, workload
from cache.contenders import CHECKS, Bound, Contender, Field
from cache.driver import Driver, Pace
from cache.figures import Played, figures, lines_of
from cache.programs import running
from cache.scenarios import SCENARIOS, Course
from cache.tables import print_table

_WHO = {
    "healthy": ("gateway", "two-nodes", "round-robin", "litellm"),
    "pauses": ("gateway", "round-robin", "litellm"),
    "limits": ("gateway", "round-robin", "litellm"),
    "down": ("gateway", "round-robin", "litellm"),
    "drained": ("gateway",),
    "deploy": ("gateway",),
    "crash": ("gateway",),
}
"""Round robin has nothing to restart; LiteLLM without a database can't drain a deployment, and keeps nothing."""

_QUICK = {"scenarios": ["healthy", "down", "deploy"], "contenders": ["gateway"], "seconds": 360.0, "alive": 120}


def main() -> int:
    options = _options()
    began, load = time.monotonic(), os.getloadavg()
    with tempfile.TemporaryDirectory(prefix="llmgw-bench-") as folder:
        bench = Bench(options, options.keep or Path(folder))
        bound = bench.play("healthy", "bound")
        found = {"healthy": [("bound", figures(bound, bound))]}
        for scenario in options.scenarios:
            for name in bench.who(scenario):
                shown = figures(bench.play(scenario, name), bound)
                found.setdefault(scenario, []).append((bench.title(name), shown))
                _note(f"{scenario}, {name}: {shown.of_bound:.2%} of the bound, {shown.steady:.2%} on the same account")
        print(report.header(load, time.monotonic() - began))
        print(bench.about())
        for scenario, rows in found.items():
            print_table(scenario, SCENARIOS[scenario].__doc__ or "", rows)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="cache", description="Measures how warm prompt caches stay.")
    add = parser.add_argument
    add("--quick", action="store_true", help="a small workload for this gateway alone, in a minute or two")
    add("--seed", type=int, default=1, help="of the workload (default: %(default)s)")
    add("--scenarios", nargs="+", choices=SCENARIOS, default=[name for name in SCENARIOS if name != "limits"])
    add("--contenders", nargs="+", default=[], help="which of them (default: all that a scenario is for)")
    add("--time-scale", type=float, default=15.0, help="how much faster clocks run (default: %(default)s)")
    add("--seconds", type=float, default=900.0, help="of the workload, before the time scale (default: %(default)s)")
    add("--alive", type=int, default=200, help="sessions at a time (default: %(default)s)")
    add("--tenants", type=int, default=40, help="(default: %(default)s)")
    add("--accounts", type=int, default=10, help="half of them of either provider (default: %(default)s)")
    add("--no-database", action="store_true", help="let gateways run without their PostgreSQL")
    add("--keep", type=Path, metavar="DIR", help="keep logs, ledgers and what clients saw there")
    add(
        "--litellm", type=Path, metavar="DIR", help="virtual environment with litellm[proxy]; left out if it is missing"
    )
    add(
        "--litellm-scale", type=float, default=5.0, help="its time scale: it can't serve as much (default: %(default)s)"
    )
    add("--litellm-checks", nargs="+", default=CHECKS, help="its affinity (default: %(default)s)")
    asked = parser.parse_args()
    if asked.quick:
        parser.set_defaults(**_QUICK)
    return parser.parse_args()


class Bench:
    """One workload, and the means to play it."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options, self._folder = options, folder
        shape = workload.Shape(seed=options.seed, tenants=options.tenants, alive=options.alive, seconds=options.seconds)
        self._plan, self._digest = workload.load(shape, folder)
        home = options.litellm
        self._litellm: Path | None = home if home and (home / "bin/litellm").exists() else None
        self._titles: dict[str, str] = {}

    def who(self, scenario: str) -> list[str]:
        """The contenders of a scenario that can be had and are wanted."""
        wanted = self._options.contenders or _WHO[scenario]
        return [name for name in _WHO[scenario] if name in wanted and (name != "litellm" or self._litellm)]

    def title(self, name: str) -> str:
        return self._titles.get(name, name)

    def about(self) -> str:
        """What was played."""
        shape, options = self._plan.shape, self._options
        slower = f" ({options.litellm_scale:g} times for LiteLLM)" if self._titles else ""
        return (
            f"Workload {self._digest}, seed {shape.seed}: {shape.seconds:.0f} s at {options.time_scale:g} times their "
            f"pace{slower}, {shape.alive} sessions at a time, {len(self._plan.sessions)} in all, of {shape.tenants} "
            f"tenants, over {options.accounts} accounts."
        )

    def play(self, scenario: str, name: str) -> Played:
        """One scenario with one contender, and a simulator of its own."""
        _note(f"{scenario}, {name}")
        folder = self._folder / f"{scenario}-{name}"
        folder.mkdir(parents=True)
        port = measure.free_ports(1)[0]
        pace = Pace(self._options.litellm_scale if name == "litellm" else self._options.time_scale)
        field = Field(
            simulator=f"http://127.0.0.1:{port}",
            accounts=self._options.accounts // len(contenders.PROVIDERS),
            tenants=self._options.tenants,
            scale=pace.scale,
            folder=folder,
            database=not self._options.no_database,
        )
        contender = self._make(name, field)
        with ExitStack() as stack:
            simulator = stack.enter_context(running(_simulator(port, pace, contender), folder / "simulator.log"))
            simulator.until_ready(port, "/_sim/health")
            stack.enter_context(contender.running())
            played = asyncio.run(self._playing(scenario, contender, pace))
        (folder / "played.json").write_bytes(msgspec.json.encode(played))
        return played

    def _make(self, name: str, field: Field) -> Contender:
        makers: dict[str, Callable[[Field], Contender]] = {
            "bound": Bound,
            "round-robin": contenders.RoundRobin,
            "gateway": contenders.Gateway,
            "two-nodes": contenders.TwoNodes,
            "litellm": self._make_litellm,
        }
        return makers[name](field)

    def _make_litellm(self, field: Field) -> Contender:
        assert self._litellm is not None
        made = contenders.LiteLLM(field, self._litellm, self._options.litellm_checks)
        self._titles["litellm"] = f"LiteLLM {made.version()}"
        return made

    async def _playing(self, scenario: str, contender: Contender, pace: Pace) -> Played:
        driver = Driver(self._plan, contender, pace)
        async with aiohttp.ClientSession() as http:
            course = Course(self._plan, driver, contender, pace, http)
            before = contender.cpu_seconds()
            async with asyncio.TaskGroup() as group:
                group.create_task(SCENARIOS[scenario](course))
                await driver.play()
            cpu = contender.cpu_seconds() - before
            simulator = contender.field.simulator
            ledger = await _get(http, f"{simulator}/_sim/ledger")
            accounts = await _get(http, f"{simulator}/_sim/accounts")
        refusals = _refusals(accounts["credentials"])
        lines = lines_of(ledger)
        return Played(lines, driver.told, pace.scale, refusals, cpu, contender.lost(), course.restarts)


def _simulator(port: int, pace: Pace, contender: Contender) -> list[str]:
    command = [str(Path(sys.executable).parent / "simulator"), "--port", str(port)]
    command += ["--time-scale", str(pace.scale), "--ttft", str(pace.ttft), "--tps", str(pace.tps)]
    return [*command, "--burst", str(pace.burst), *(["--tell-real-seconds"] if contender.tells_real else [])]


def _refusals(credentials: dict[str, Any]) -> dict[int, int]:
    """Answers by status, of all credentials, but for the good ones."""
    refusals: dict[int, int] = {}
    for tally in credentials.values():
        for status, count in tally["statuses"].items():
            if status != "200":
                refusals[int(status)] = refusals.get(int(status), 0) + count
    return refusals


async def _get(http: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with http.get(url) as response:
        return msgspec.json.decode(await response.read(), type=dict[str, Any])


def _note(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
