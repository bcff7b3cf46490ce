"""What a playing cost and how it went: from the simulator's ledger, and from what clients saw.

Two playings are compared by the turns that both had served, since one that answers later gets less far. A turn that was
asked for twice counts as it was served last; its cost counts each time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import mean, median, quantiles
from typing import Any

import msgspec

from cache.clients import CLAUDE, GPT
from cache.driver import CUT, Told

TurnId = tuple[str, int]
"""A conversation's digest, and how many messages the user had sent in it."""

_WARM = {CLAUDE: 300.0, GPT: 600.0}
"""Seconds for which a prompt is kept after its last use."""


class Price(msgspec.Struct, frozen=True):
    """Dollars for a million tokens, from the provider's price list."""

    fresh: float
    read: float
    written: float
    output: float


PRICES = {CLAUDE: Price(3.0, 0.3, 3.75, 15.0), GPT: Price(2.0, 0.5, 2.0, 8.0)}


class Line(msgspec.Struct, frozen=True):
    """A line of the simulator's ledger; see there."""

    id: int
    started: float
    credential: str
    conversation: str
    model: str
    turn: int
    status: int
    prompt: int
    cached: int
    written: int
    written_hour: int
    output: int
    outcome: str
    seconds: float

    @property
    def dollars(self) -> float:
        price = PRICES[self.model]
        fresh = self.prompt - self.cached - self.written
        parts = (
            fresh * price.fresh,
            self.cached * price.read,
            self.written * price.written,
            self.output * price.output,
        )
        return sum(parts) / 1e6


class Played(msgspec.Struct, frozen=True):
    """One playing. `credentials` are those that should have had a share, by model."""

    lines: Sequence[Line]
    told: Sequence[Told]
    scale: float
    refusals: Mapping[int, int]
    """Answers of the simulator by status, which clients need not have seen."""
    cpu: float = 0.0
    lost: Mapping[str, int] = {}
    """Tokens by cause, as the contender itself counts them, if it does."""
    restarts: Sequence[float] = ()
    """Unix seconds."""

    def served(self) -> dict[TurnId, Line]:
        """The last line of each turn that was served."""
        return {(line.conversation, line.turn): line for line in self.lines if line.outcome == "served"}


class Figures(msgspec.Struct, frozen=True):
    """What is shown of one playing. Shares are parts of one; `wait` is in real seconds, `wait_p99` in the simulator's.

    `across` are the warm turns that had a restart between them and the turn before; None where there was none. `cpu_ms`
    is None where there was one: what the processes before it took is not known.
    """

    turns: int
    hit: float
    of_bound: float
    dollars: float
    above_bound: float
    steady: float
    across: float | None
    spread: float
    refusals: Mapping[int, int]
    refused: Mapping[str, int]
    cut: int
    dropped: int
    wait: float
    wait_p99: float
    cpu_ms: float | None
    lost: Mapping[str, float]


def figures(played: Played, bound: Played) -> Figures:
    """The figures of a playing, beside those of the bound."""
    served, ideal = played.served(), bound.served()
    both = served.keys() & ideal.keys()
    cost, least = _dollars(played.lines, both), _dollars(bound.lines, both)
    best = _sum("cached", (ideal[turn] for turn in both))
    waits = _waits(played.told, median(_waits(bound.told, 0.0)))
    errors = Counter(error for told in played.told for error in told.errors)
    pairs = list(_warm_pairs(served.values(), played.scale))
    return Figures(
        turns=len(served),
        hit=_sum("cached", served.values()) / _sum("prompt", served.values()),
        of_bound=_sum("cached", (served[turn] for turn in both)) / best,
        dollars=cost,
        above_bound=cost / least - 1,
        steady=_same(pairs),
        across=_same(_across(pairs, played.restarts)) if played.restarts else None,
        spread=spread(played.lines),
        refusals=played.refusals,
        refused={error: count for error, count in errors.items() if error != CUT},
        cut=errors[CUT],
        dropped=sum(told.dropped for told in played.told),
        wait=median(waits),
        wait_p99=quantiles(waits, n=100)[98] * played.scale,
        cpu_ms=None if played.restarts else 1000 * played.cpu / max(1, len(served)),
        lost={cause: tokens / best for cause, tokens in played.lost.items()},
    )


Pair = tuple[Line, Line]
"""A turn, and the one before it."""


def _warm_pairs(served: Iterable[Line], scale: float) -> Iterator[Pair]:
    """The turns that came while a cache may still have had the turn before."""
    sessions: dict[str, list[Line]] = defaultdict(list)
    for line in served:
        sessions[line.conversation].append(line)
    for lines in sessions.values():
        lines.sort(key=lambda line: line.turn)
        for before, line in pairwise(lines):
            if (line.started - before.started) * scale < _WARM[line.model]:
                yield before, line


def _across(pairs: Iterable[Pair], moments: Sequence[float]) -> list[Pair]:
    return [(one, two) for one, two in pairs if any(one.started < moment <= two.started for moment in moments)]


def _same(pairs: Sequence[Pair]) -> float:
    """The part of the turns that went to the account of the turn before."""
    return mean(one.credential == two.credential for one, two in pairs) if pairs else 1.0


def spread(lines: Iterable[Line]) -> float:
    """The most tokens of an account over the mean of its provider's, of the worse provider."""
    tokens: dict[str, Counter[str]] = defaultdict(Counter)
    for line in lines:
        tokens[line.model][line.credential] += line.prompt + line.output
    return max((max(each.values()) / mean(each.values()) for each in tokens.values()), default=1.0)


def _dollars(lines: Iterable[Line], turns: Iterable[TurnId]) -> float:
    wanted = frozenset(turns)
    return sum(line.dollars for line in lines if (line.conversation, line.turn) in wanted)


def _waits(told: Iterable[Told], usual: float) -> list[float]:
    """Seconds that clients waited for the first text, beyond what the provider took and what is usual without anything
    in between.
    """
    return [max(0.0, one.first - one.expected - usual) for one in told if one.done]


def _sum(field: str, lines: Iterable[Line]) -> int:
    return sum(getattr(line, field) for line in lines)


def lines_of(ledger: Mapping[str, Any]) -> list[Line]:
    """The ledger as it comes from the simulator."""
    fields = ledger["fields"]
    return [msgspec.convert(dict(zip(fields, line, strict=True)), Line) for line in ledger["lines"]]
