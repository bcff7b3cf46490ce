"""What a playing cost and how it went: from the simulator's ledger, and from what clients saw.

Two playings are compared by the turns that both had served, since one that answers later gets less far. A turn that was
asked for twice counts as it was served last; its cost counts each time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import mean, median, quantiles
from typing import Any

import msgspec

from cache.clients import CLAUDE, GPT
from cache.driver import Told

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

    def served(self) -> dict[TurnId, Line]:
        """The last line of each turn that was served."""
        return {(line.conversation, line.turn): line for line in self.lines if line.outcome == "served"}


class Figures(msgspec.Struct, frozen=True):
    """What is shown of one playing. Shares are parts of one, waits are real seconds."""

    turns: int
    hit: float
    of_bound: float
    dollars: float
    above_bound: float
    steady: float
    spread: float
    errors: Mapping[str, int]
    refusals: Mapping[int, int]
    dropped: int
    wait: float
    wait_p99: float
    cpu_ms: float


def figures(played: Played, bound: Played) -> Figures:
    """The figures of a playing, beside those of the bound."""
    served, ideal = played.served(), bound.served()
    both = served.keys() & ideal.keys()
    cost, least = _dollars(played.lines, both), _dollars(bound.lines, both)
    waits = _waits(played.told, median(_waits(bound.told, 0.0)))
    return Figures(
        turns=len(served),
        hit=_sum("cached", served.values()) / _sum("prompt", served.values()),
        of_bound=_sum("cached", map(served.get, both)) / _sum("cached", map(ideal.get, both)),
        dollars=cost,
        above_bound=cost / least - 1,
        steady=steady(served.values(), played.scale),
        spread=spread(played.lines),
        errors=Counter(error for told in played.told for error in told.errors),
        refusals=played.refusals,
        dropped=sum(not told.done and len(told.errors) > 2 for told in played.told),
        wait=median(waits),
        wait_p99=quantiles(waits, n=100)[98],
        cpu_ms=1000 * played.cpu / max(1, len(served)),
    )


def steady(served: Iterable[Line], scale: float) -> float:
    """The part of the warm turns that went to the account of the turn before."""
    sessions: dict[str, list[Line]] = defaultdict(list)
    for line in served:
        sessions[line.conversation].append(line)
    same: list[bool] = []
    for lines in sessions.values():
        lines.sort(key=lambda line: line.turn)
        for before, line in pairwise(lines):
            if (line.started - before.started) * scale < _WARM[line.model]:
                same.append(line.credential == before.credential)
    return mean(same) if same else 1.0


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
