"""Changes all the time, under load: nobody sees half of one, nobody is held up, what is revoked is revoked at once."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Node, Simulated
from .publishing import PROBING, Office, Traffic, mixed_up, probed, seeded

MASTER_KEY = base64.b64encode(b"2" * 32).decode()


def trial(
    node: Node, simulator: Simulated, probe: Path, sizes: tuple[int, int, int], rate: float, seconds: float
) -> tuple[float, dict[str, float]]:
    """Runs it: quiet, then commands at `rate`, then quiet. Commands that were given a second, and the worst that was
    seen in the processes that serve clients, in milliseconds."""
    seeded(node, f"{simulator.url}/v1", MASTER_KEY, *sizes)
    node.start()
    node.ready()
    quiet = max(1.0, seconds / 3)
    with Office.opened() as office, Traffic(node).running() as traffic:
        time.sleep(0.5)
        marks = [time.perf_counter()]
        for _ in range(2):
            time.sleep(quiet / 2)
            marks.append(time.perf_counter())
        (probe / "reset").touch()
        time.sleep(0.6)
        begin = time.perf_counter()
        administered = office.work(node, rate, sizes, seconds)
        end = time.perf_counter()
        time.sleep(0.6)
        seen = probed(probe)
        marks.append(time.perf_counter())
        for _ in range(2):
            time.sleep(quiet / 2)
            marks.append(time.perf_counter())
    node.stop()
    worst: dict[str, float] = {}
    for each in seen:
        if each.pop("role") in ("worker", "single"):
            for name, value in each.items():
                worst[name] = max(worst.get(name, 0.0), 1000 * value)
    pairs = [(marks[0], marks[1]), (marks[1], marks[2]), (marks[3], marks[4]), (marks[4], marks[5])]
    without = [traffic.p50(*pair) for pair in pairs]
    print(
        f"\nworkers {node.workers}, {sizes}: {administered.given / (end - begin):.0f} commands/s for "
        f"{end - begin:.0f} s, {administered.revoked} revoked; {len(traffic.calls)} calls; p50 "
        f"{traffic.p50(begin, end):.2f} ms, without commands {', '.join(f'{p:.2f}' for p in without)} ms"
    )
    print("worst, in ms:", ", ".join(f"{name} {value:.1f}" for name, value in sorted(worst.items())))
    assert [] == administered.failures
    assert [] == traffic.failures
    assert [] == mixed_up(simulator)
    assert administered.revoked > 0
    return administered.given / (end - begin), worst


def environ(probe: Path) -> dict[str, str]:
    probe.mkdir()
    return {
        "GATEWAY_DATABASE__URL": "none",
        "GATEWAY_MASTER_KEY": MASTER_KEY,
        "PROBE": str(probe),
        "PYTHONPATH": str(PROBING),
    }


@pytest.mark.alone
@pytest.mark.parametrize("workers", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_changes_under_load(
    simulated: Callable[..., Simulated], node: Callable[..., Node], tmp_path: Path, workers: int
) -> None:
    """Every call is answered from one whole catalog, and a key that was disabled is refused at once."""
    simulator = simulated("--ttft", "0.03")
    probe = tmp_path / "probe"
    gateway = node(simulator.url, workers=workers, environ=environ(probe))
    given, worst = trial(gateway, simulator, probe, (50, 30, 300), 100, 3)
    assert given > 40
    assert worst["publish" if workers else "command"] < 25


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_changes_of_a_large_catalog_under_load(
    simulated: Callable[..., Simulated], node: Callable[..., Node], tmp_path: Path, workers: int
) -> None:
    """A hundred commands a second for half a minute with 1,000 accounts, 500 models and 10,000 keys: no publish takes
    more than 5 ms of a worker's loop. What a command takes of a single process's is printed."""
    simulator = simulated("--ttft", "0.03")
    probe = tmp_path / "probe"
    gateway = node(simulator.url, workers=workers, environ=environ(probe))
    given, worst = trial(gateway, simulator, probe, (1_000, 500, 10_000), 100, 30)
    assert given > 90
    if workers:
        assert worst["publish"] < 5
