"""Metrics as data: what a process hands to another one, how several processes' become one, and Prometheus' text.

Sums are right over processes as long as nothing is forgotten, so a process that ends leaves its counts behind: `Totals`
keeps the counters and histograms of what has gone and drops its gauges, which nobody has a claim to any more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

Labels = tuple[str, ...]

Kind = Literal["counter", "gauge", "histogram"]

Merge = Literal["sum", "max"]


class Histogram(msgspec.Struct, frozen=True, array_like=True):
    """One series of a histogram: `counts` are per bucket, not cumulative, the last one above every bound."""

    counts: tuple[int, ...]
    sum: float


class FamilySnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A metric at a moment. `merge` says what several processes' values make; counters and histograms always add."""

    name: str
    text: str
    kind: Kind
    names: Labels
    merge: Merge = "sum"
    bounds: tuple[float, ...] = ()
    numbers: list[tuple[Labels, float]] = []
    histograms: list[tuple[Labels, Histogram]] = []


Collected = list[FamilySnapshot]


class Totals:
    """The metrics of several processes, by who they are of. What one sends replaces what it sent before."""

    def __init__(self) -> None:
        self._present: dict[str, Collected] = {}
        self._past: Collected = []

    def put(self, who: str, collected: Collected) -> None:
        self._present[who] = collected

    def gone(self, who: str) -> None:
        """A process has ended: its counts stay, its gauges go."""
        last = self._present.pop(who, [])
        self._past = merged([self._past, [f for f in last if f.kind != "gauge"]])

    def collect(self) -> Collected:
        return merged([self._past, *self._present.values()])

    def __repr__(self) -> str:
        return f"<Totals of {', '.join(self._present) or 'nobody'}>"


def merged(many: Iterable[Collected]) -> Collected:
    """One collection of several. Families of the same name must be of one shape, as those of one release are."""
    families: dict[str, FamilySnapshot] = {}
    for collected in many:
        for family in collected:
            known = families.get(family.name)
            families[family.name] = family if known is None else _joined(known, family)
    return list(families.values())


def text(collected: Collected) -> bytes:
    """Prometheus' text format 0.0.4."""
    lines: list[str] = []
    for family in collected:
        lines += _family(family)
    return ("\n".join(lines) + "\n").encode()


# --- merging ---------------------------------------------------------------------------------------------------------


def _joined(one: FamilySnapshot, other: FamilySnapshot) -> FamilySnapshot:
    if one.bounds != other.bounds or one.names != other.names:
        return other  # Two releases side by side: the newer shape is the one that will stay.
    return msgspec.structs.replace(one, numbers=_numbers(one, other), histograms=_histograms(one, other))


def _numbers(one: FamilySnapshot, other: FamilySnapshot) -> list[tuple[Labels, float]]:
    values = dict(one.numbers)
    for labels, value in other.numbers:
        held = values.get(labels)
        if held is None:
            values[labels] = value
        else:
            values[labels] = max(held, value) if one.merge == "max" else held + value
    return list(values.items())


def _histograms(one: FamilySnapshot, other: FamilySnapshot) -> list[tuple[Labels, Histogram]]:
    values = dict(one.histograms)
    for labels, added in other.histograms:
        held = values.get(labels)
        if held is not None:
            counts = tuple(a + b for a, b in zip(held.counts, added.counts, strict=True))
            added = Histogram(counts, held.sum + added.sum)
        values[labels] = added
    return list(values.items())


# --- text ------------------------------------------------------------------------------------------------------------


def _family(family: FamilySnapshot) -> Iterator[str]:
    escaped = family.text.replace("\\", "\\\\").replace("\n", "\\n")
    yield f"# HELP {family.name} {escaped}"
    yield f"# TYPE {family.name} {family.kind}"
    for labels, value in family.numbers:
        yield f"{family.name}{_braces(_pairs(family.names, labels))} {_number(value)}"
    for labels, series in family.histograms:
        yield from _series(family, _pairs(family.names, labels), series)


def _series(family: FamilySnapshot, pairs: list[str], series: Histogram) -> Iterator[str]:
    total = 0
    for bound, count in zip((*family.bounds, math.inf), series.counts, strict=True):
        total += count
        le = f'le="{_number(bound)}"'
        yield f"{family.name}_bucket{_braces([*pairs, le])} {total}"
    yield f"{family.name}_sum{_braces(pairs)} {_number(series.sum)}"
    yield f"{family.name}_count{_braces(pairs)} {total}"


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
