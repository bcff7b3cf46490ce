"""A small metrics core: families of counters, gauges and histograms, rendered as Prometheus' text format 0.0.4.

The hot path is one dictionary look-up by the tuple of label values and one addition: no lock (one loop, one thread), no
allocation once a series exists. Every family has a bound on its series, because label values can come from clients:
beyond it, observations are kept under the label value `other` and counted as overflow. So a sum over a family is always
right; only the split can become coarser.
"""

from __future__ import annotations

import logging
import math
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

DURATIONS = tuple(round(0.005 * 2**n, 3) for n in range(18))
"""Seconds: 0.005 doubled up to 655.36, because reasoning models take minutes."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

OTHER = "other"

Labels = tuple[str, ...]
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


class _Rendered(Protocol):
    def __call__(self) -> Iterator[str]: ...


class Metrics:
    """The registry. Families are made once, at start; making a name twice is an error."""

    def __init__(self, max_series: int = 1000) -> None:
        """`max_series` bounds each family's series, not counting the one labelled `other`."""
        self._max_series = max_series
        self._families: dict[str, _Rendered] = {}
        self._overflow = self.counter(
            "gateway_metrics_overflow_total",
            "Observations under the label 'other', their family being full.",
            ("metric",),
        )

    def counter(self, name: str, text: str, names: Labels = ()) -> Family[Number]:
        return self._number(name, text, names, "counter")

    def gauge(self, name: str, text: str, names: Labels = ()) -> Family[Number]:
        return self._number(name, text, names, "gauge")

    def histogram(
        self, name: str, text: str, names: Labels = (), bounds: Sequence[float] = DURATIONS
    ) -> Family[Distribution]:
        """`bounds` are the upper bounds of the buckets, rising; the infinite one is added."""
        family = Family(name, names, lambda: Distribution(bounds), self._max_series, self._overflowed)
        self._register(name, names, lambda: _histogram(family, text))
        return family

    def callback(self, name: str, text: str, names: Labels, read: Callable[[], Samples], kind: str = "gauge") -> None:
        """A metric that is read when it is rendered, for numbers that somebody else already keeps."""
        self._register(name, names, lambda: _numbers(name, text, kind, names, read()))

    def render(self) -> bytes:
        """All metrics as text. A callback that fails loses its own metric only."""
        lines: list[str] = []
        for name, rendered in self._families.items():
            try:
                lines += list(rendered())
            except Exception:
                _log.exception("metric %s can't be read", name)
        return ("\n".join(lines) + "\n").encode()

    def _number(self, name: str, text: str, names: Labels, kind: str) -> Family[Number]:
        family = Family(name, names, Number, self._max_series, self._overflowed)
        self._register(name, names, lambda: _numbers(name, text, kind, names, _values(family)))
        return family

    def _register(self, name: str, names: Labels, rendered: _Rendered) -> None:
        if name in self._families:
            raise ValueError(f"metric {name} exists")
        if not _NAME.fullmatch(name) or not all(_LABEL.fullmatch(label) for label in names):
            raise ValueError(f"{name}{names} is not a valid metric name with labels")
        self._families[name] = rendered

    def _overflowed(self, name: str) -> None:
        self._overflow.of(name).inc()

    def __repr__(self) -> str:
        return f"<Metrics {len(self._families)} families>"


# --- text ------------------------------------------------------------------------------------------------------------


def _values(family: Family[Number]) -> Samples:
    return [(values, series.value) for values, series in family.series.items()]


def _head(name: str, text: str, kind: str) -> Iterator[str]:
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n")
    yield f"# HELP {name} {escaped}"
    yield f"# TYPE {name} {kind}"


def _numbers(name: str, text: str, kind: str, names: Labels, samples: Samples) -> Iterator[str]:
    yield from _head(name, text, kind)
    for values, value in samples:
        yield f"{name}{_braces(_pairs(names, values))} {_number(value)}"


def _histogram(family: Family[Distribution], text: str) -> Iterator[str]:
    name = family.name
    yield from _head(name, text, "histogram")
    for values, series in family.series.items():
        pairs, total = _pairs(family.names, values), 0
        for bound, count in zip((*series.bounds, math.inf), series.counts, strict=True):
            total += count
            le = f'le="{_number(bound)}"'
            yield f"{name}_bucket{_braces([*pairs, le])} {total}"
        yield f"{name}_sum{_braces(pairs)} {_number(series.sum)}"
        yield f"{name}_count{_braces(pairs)} {total}"


def _pairs(names: Labels, values: Labels) -> list[str]:
    return [f'{name}="{_escape(value)}"' for name, value in zip(names, values, strict=True)]


def _braces(pairs: list[str]) -> str:
    return "{" + ",".join(pairs) + "}" if pairs else ""


def _escape(value: str) -> str:
    # A lone surrogate, possible in a client's text, would make the whole page unprintable.
    clean = value.encode("utf-8", "replace").decode()
    return clean.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    if value == math.inf:
        return "+Inf"
    if value == -math.inf:
        return "-Inf"
    if value != value:
        return "NaN"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
