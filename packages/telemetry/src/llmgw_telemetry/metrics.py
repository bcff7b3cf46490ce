"""A small metrics core: families of counters, gauges and histograms. `exposition` makes text of them.

The hot path is one dictionary look-up by the tuple of label values and one addition: no lock (one loop, one thread), no
allocation once a series exists. Every family has a bound on its series, because label values can come from clients:
beyond it, observations are kept under the label value `other` and counted as overflow. So a sum over a family is always
right; only the split can become coarser.
"""

from __future__ import annotations

import logging
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

import msgspec

from llmgw_telemetry.exposition import Collected, FamilySnapshot, Histogram, Kind, Labels, Merge, text

DURATIONS = tuple(round(0.005 * 2**n, 3) for n in range(18))
"""Seconds: 0.005 doubled up to 655.36, because reasoning models take minutes."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

OTHER = "other"

Samples = Iterable[tuple[Labels, float]]

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")

_log = logging.getLogger(__name__)


class Number:
    """One series of a counter or a gauge."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0

    def inc(self, amount: float = 1) -> None:
        self.value += amount

    def dec(self, amount: float = 1) -> None:
        self.value -= amount

    def set(self, value: float) -> None:
        self.value = value


class Distribution:
    """One series of a histogram. `counts` are per bucket, not cumulative; the last one is above every bound."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum: float = 0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


S = TypeVar("S", Number, Distribution)


class Family(Generic[S]):
    """The series of one metric, by label values in the order of the label names."""

    __slots__ = ("_limit", "_make", "_overflowed", "name", "names", "series")

    def __init__(
        self, name: str, names: Labels, make: Callable[[], S], limit: int, overflowed: Callable[[str], None]
    ) -> None:
        self.name = name
        self.names = names
        self.series: dict[Labels, S] = {}
        self._make: Callable[[], S] = make
        self._limit = limit
        self._overflowed = overflowed
        if not names:
            # A metric without labels is there from the start, so that a rate over its first increment is seen.
            self.series[()] = make()

    def of(self, *values: str) -> S:
        """The series with these label values; the one labelled `other` once the family is full."""
        found = self.series.get(values)
        return found if found is not None else self._add(values)

    def _add(self, values: Labels) -> S:
        if len(values) != len(self.names):
            raise ValueError(f"{self.name} has the labels {self.names}, not {len(values)} values")
        if len(self.series) >= self._limit:
            values = (OTHER,) * len(self.names)
            self._overflowed(self.name)
        return self.series.setdefault(values, self._make())

    def clear(self) -> None:
        """Forgets every series, for a metric whose label is a state that changes."""
        self.series.clear()

    def __repr__(self) -> str:
        return f"<Family {self.name} {len(self.series)} series>"


class Metrics:
    """The registry. Families are made once, at start; making a name twice is an error."""

    def __init__(self, max_series: int = 1000) -> None:
        """`max_series` bounds each family's series, not counting the one labelled `other`."""
        self._max_series = max_series
        self._families: dict[str, Callable[[], FamilySnapshot]] = {}
        self._overflow = self.counter(
            "gateway_metrics_overflow_total",
            "Observations under the label 'other', their family being full.",
            ("metric",),
        )

    def counter(self, name: str, text: str, names: Labels = ()) -> Family[Number]:
        return self._number(name, text, names, "counter")

    def gauge(self, name: str, text: str, names: Labels = (), merge: Merge = "sum") -> Family[Number]:
        """`merge` says what the gauges of several processes make together."""
        return self._number(name, text, names, "gauge", merge)

    def histogram(
        self, name: str, text: str, names: Labels = (), bounds: Sequence[float] = DURATIONS
    ) -> Family[Distribution]:
        """`bounds` are the upper bounds of the buckets, rising; the infinite one is added."""
        family = Family(name, names, lambda: Distribution(bounds), self._max_series, self._overflowed)
        shape = FamilySnapshot(name=name, text=text, kind="histogram", names=names, bounds=tuple(bounds))
        self._register(name, names, lambda: msgspec.structs.replace(shape, histograms=_distributions(family)))
        return family

    def callback(
        self,
        name: str,
        text: str,
        names: Labels,
        read: Callable[[], Samples],
        kind: Kind = "gauge",
        merge: Merge = "sum",
    ) -> None:
        """A metric that is read when it is collected, for numbers that somebody else already keeps."""
        shape = FamilySnapshot(name=name, text=text, kind=kind, names=names, merge=merge)
        self._register(name, names, lambda: msgspec.structs.replace(shape, numbers=list(read())))

    def collect(self) -> Collected:
        """All metrics at this moment. A callback that fails loses its own metric only."""
        found: Collected = []
        for name, read in self._families.items():
            try:
                found.append(read())
            except Exception:
                _log.exception("metric %s can't be read", name)
        return found

    def render(self) -> bytes:
        """All metrics as Prometheus' text."""
        return text(self.collect())

    def _number(self, name: str, text: str, names: Labels, kind: Kind, merge: Merge = "sum") -> Family[Number]:
        family = Family(name, names, Number, self._max_series, self._overflowed)
        shape = FamilySnapshot(name=name, text=text, kind=kind, names=names, merge=merge)
        self._register(name, names, lambda: msgspec.structs.replace(shape, numbers=_values(family)))
        return family

    def _register(self, name: str, names: Labels, read: Callable[[], FamilySnapshot]) -> None:
        if name in self._families:
            raise ValueError(f"metric {name} exists")
        if not _NAME.fullmatch(name) or not all(_LABEL.fullmatch(label) for label in names):
            raise ValueError(f"{name}{names} is not a valid metric name with labels")
        self._families[name] = read

    def _overflowed(self, name: str) -> None:
        self._overflow.of(name).inc()

    def __repr__(self) -> str:
        return f"<Metrics {len(self._families)} families>"


def _values(family: Family[Number]) -> list[tuple[Labels, float]]:
    return [(values, series.value) for values, series in family.series.items()]


def _distributions(family: Family[Distribution]) -> list[tuple[Labels, Histogram]]:
    return [(values, Histogram(tuple(series.counts), series.sum)) for values, series in family.series.items()]
