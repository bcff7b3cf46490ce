"""How long a change takes from an administrator's command to the catalog that has it, and what it costs the readers.

1,000 accounts (each with a sealed credential), 500 models, 10,000 keys, in 50 pools and under 50 policies; then
commands at a steady rate on one node, whose deltas a worker applies, compiles and publishes. In between, a timer notes
how late it fires: that is what a request in flight sees. Nothing is written to a disk here.
Run it with `python tests/bench/publishing.py [--seconds N] [--rate N]`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import os
import time
from collections.abc import Callable
from itertools import count

import report

from llmgw_control import Compiler, Replica
from llmgw_control.publishing import Publisher
from llmgw_control.testing import OWNER, Desk, ReversedSealing
from llmgw_domain import Catalog, Event, Policy

ACCOUNTS, MODELS, KEYS, GROUPS = 1_000, 500, 10_000, 50

Times = dict[str, list[float]]


def filled(accounts: int = ACCOUNTS, models: int = MODELS, keys: int = KEYS) -> Desk:
    """A node with everything in its log, put there by commands in one draft's time each."""
    desk = Desk()
    admin = desk.administration
    for i in range(GROUPS):
        admin.create("policy", f"policy-{i}", {"models": [f"vendor/model-{i}*"]}, OWNER)
    for i in range(accounts):
        fields = {"provider": "openai", "pool": f"pool-{i % GROUPS}", "credential": f"sk-{i}", "max_concurrency": 32}
        admin.create("account", f"account-{i}", fields, OWNER)
    for i in range(models):
        targets = [{"pool": f"pool-{(i + k) % GROUPS}", "model": "gpt", "priority": k + 1} for k in range(2)]
        admin.create("model", f"vendor/model-{i}", {"targets": targets}, OWNER)
    for i in range(keys):
        text = hashlib.sha256(f"gw-{i}".encode()).hexdigest()
        admin.create("key", f"key-{i}", {"hash": f"sha256:{text}", "policy": f"policy-{i % GROUPS}"}, OWNER)
    return desk


def commands(desk: Desk) -> list[Callable[[int], object]]:
    """What administrators do, each kind of command as often as any other."""
    admin = desk.administration
    return [
        lambda n: admin.create("key", f"new-{n}", {"policy": f"policy-{n % GROUPS}"}, OWNER),
        lambda n: admin.switch("key", f"key-{n % KEYS}", enabled=False, actor=OWNER),
        lambda n: admin.delete("key", f"new-{n - 2}", OWNER),
        lambda n: admin.patch("account", f"account-{n % ACCOUNTS}", {"credential": f"sk-{n}"}, OWNER),
        lambda n: admin.switch("account", f"account-{n % ACCOUNTS}", drain=bool(n % 2), actor=OWNER),
        lambda n: admin.patch("model", f"vendor/model-{n % MODELS}", {"max_output_tokens": n + 1}, OWNER),
        lambda n: admin.patch("policy", f"policy-{n % GROUPS}", {"max_body_bytes": n + 1}, OWNER),
        lambda n: admin.create(
            "account", f"more-{n}", {"provider": "openai", "pool": f"pool-{n % GROUPS}", "credential": "sk"}, OWNER
        ),
    ]


class Worker:
    """A worker's side: what comes is merged and taken in at once, and published as the pace says."""

    def __init__(self, times: Times) -> None:
        self.replica = Replica("worker")
        self.compiler = Compiler(ReversedSealing().reveal)
        self.published: list[float] = []
        self.catalog: Catalog = self.compiler.compile()
        self._times = times
        self._publisher = Publisher(self.compiler, self._publish)

    def receive(self, events: list[Event]) -> None:
        began = time.perf_counter()
        changed = self.replica.apply(events)
        merged = time.perf_counter()
        self._publisher.take(changed, time.monotonic())
        self._times["merge of a change (worker)"].append(merged - began)
        self._times["compile, and publish if due (worker)"].append(time.perf_counter() - merged)

    def publish(self) -> None:
        self._publisher.publish_due(time.monotonic())

    def _publish(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.published.append(time.monotonic())


async def load(desk: Desk, worker: Worker, seconds: float, rate: float, times: Times) -> int:
    """Commands at `rate` a second; how many there were."""
    every, begin = commands(desk), time.perf_counter()
    for n in count():
        if (due := begin + n / rate) > begin + seconds:
            return n
        while (left := due - time.perf_counter()) > 0:
            await asyncio.sleep(min(left, 0.001))
            worker.publish()
        written = len(desk.journal.events)
        began = time.perf_counter()
        every[n % len(every)](n)
        times["command, journal to catalog (control)"].append(time.perf_counter() - began)
        worker.receive(desk.journal.events[written:])
        worker.publish()
        route_began = time.perf_counter()
        worker.catalog.route(f"vendor/model-{n % MODELS}", Policy())
        times["first route after it (worker)"].append(time.perf_counter() - route_began)
    raise AssertionError


async def lateness(times: Times) -> None:
    """How late a timer of 1 ms fires."""
    while True:
        due = time.perf_counter() + 0.001
        await asyncio.sleep(0.001)
        times["lateness of the loop"].append(time.perf_counter() - due)


async def measured(desk: Desk, seconds: float, rate: float) -> tuple[Times, int, int, list[int]]:
    times: Times = {
        name: []
        for name in (
            "command, journal to catalog (control)",
            "merge of a change (worker)",
            "compile, and publish if due (worker)",
            "first route after it (worker)",
            "lateness of the loop",
        )
    }
    worker = Worker(times)
    for _ in worker.compiler.in_slices(worker.replica.load(desk.replica.dump())):
        await asyncio.sleep(0)
    worker.catalog = worker.compiler.compile()
    gc.collect()
    before = [generation["collections"] for generation in gc.get_stats()]
    async with asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(lateness(times))
        given = await load(desk, worker, seconds, rate, times)
        watch.cancel()
    collections = [now["collections"] - was for now, was in zip(gc.get_stats(), before, strict=True)]
    assert worker.replica.map.digest() == desk.replica.map.digest()
    return times, given, len(worker.published), collections


def from_scratch(desk: Desk) -> None:
    """Everything at once, and in slices."""
    everything = desk.replica.everything()
    began = time.perf_counter()
    whole = Compiler(ReversedSealing().reveal)
    whole.feed(everything)
    version = whole.compile().version
    at_once = time.perf_counter() - began
    sliced, steps = Compiler(ReversedSealing().reveal), []
    began = time.perf_counter()
    for _ in sliced.in_slices(everything):
        steps.append(time.perf_counter() - began)
        began = time.perf_counter()
    assert version == sliced.compile().version == desk.catalog.version
    print(
        f"\nFrom scratch: {at_once * 1e3:.0f} ms at once; in {len(steps)} slices {sum(steps) * 1e3:.0f} ms, "
        f"the longest {max(steps) * 1e3:.1f} ms.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=100.0)
    options = parser.parse_args()
    began, load_before = time.perf_counter(), os.getloadavg()
    desk = filled()
    times, given, publishes, collections = asyncio.run(measured(desk, options.seconds, options.rate))
    print(f"{given} commands in {options.seconds:.0f} s, {publishes} publishes by the worker; {desk.catalog!r}\n")
    rows = []
    for name, taken in times.items():
        taken.sort()
        points = [taken[len(taken) // 2], taken[int(len(taken) * 0.99)], taken[-1]]
        rows.append([name, str(len(taken)), *(f"{point * 1e3:.3f}" for point in points)])
    report.table(["ms", "count", "p50", "p99", "max"], *rows)
    print(f"\nGarbage collections meanwhile, by generation: {collections}.")
    from_scratch(desk)
    print(report.header(load_before, time.perf_counter() - began))


if __name__ == "__main__":
    main()
