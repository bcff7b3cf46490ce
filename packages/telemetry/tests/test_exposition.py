"""Metrics of several processes."""

from __future__ import annotations

import msgspec
import pytest

from llmgw_telemetry.exposition import Collected, Totals, merged, text
from llmgw_telemetry.metrics import Metrics


def worker(calls: int, version: str, open_now: int) -> Collected:
    """What a process collects that has counted so many calls."""
    metrics = Metrics()
    metrics.counter("calls_total", "C.", ("outcome",)).of("ok").inc(calls)
    metrics.gauge("open", "O.").of().set(open_now)
    metrics.gauge("version", "V.", ("version",), "max").of(version).set(1)
    metrics.histogram("seconds", "S.", (), (1.0,)).of().observe(0.5)
    return [family for family in metrics.collect() if not family.name.startswith("gateway_")]


def values(collected: Collected) -> dict[str, float]:
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text(collected).decode().splitlines()
        if not line.startswith("#")
    }


def test_counts_add_and_states_do_not():
    """Two workers of one catalog have twice the calls and one version."""
    both = values(merged([worker(2, "a", 1), worker(3, "a", 4)]))
    assert both['calls_total{outcome="ok"}'] == 5
    assert both["open"] == 5
    assert both['version{version="a"}'] == 1
    assert both['seconds_bucket{le="1"}'] == 2
    assert both["seconds_count"] == 2


def test_what_a_process_counted_outlives_it():
    """A worker that ends and comes again never makes a counter go back; its gauges end with it."""
    totals = Totals()
    totals.put("0", worker(5, "a", 3))
    totals.put("0", worker(7, "a", 2))
    totals.gone("0")
    assert values(totals.collect())['calls_total{outcome="ok"}'] == 7
    assert "open" not in values(totals.collect())
    totals.put("0", worker(1, "b", 1))
    after = values(totals.collect())
    assert (8, 1) == (after['calls_total{outcome="ok"}'], after["open"])
    totals.gone("nobody")
    assert after == values(totals.collect())


def test_a_collection_travels():
    """It is the same after the wire."""
    collected = worker(2, "a", 1)
    wire = msgspec.msgpack.encode(collected)
    assert collected == msgspec.msgpack.decode(wire, type=Collected)


def test_another_release_of_a_family_is_not_added_up():
    """Buckets of two shapes have no sum; the later one is shown."""
    old, new = Metrics(), Metrics()
    old.histogram("s", "S.", (), (1.0,)).of().observe(3)
    new.histogram("s", "S.", (), (1.0, 2.0)).of().observe(1.5)
    (family,) = [f for f in merged([old.collect(), new.collect()]) if f.name == "s"]
    assert (1.0, 2.0) == family.bounds
    assert pytest.approx(1.5) == family.histograms[0][1].sum
