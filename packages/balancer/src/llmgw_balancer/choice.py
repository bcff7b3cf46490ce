"""Choosing the least loaded account of the best tier, and saying why the others were left out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from enum import StrEnum

import msgspec

from llmgw_balancer.slots import Lease, Slots
from llmgw_domain import Candidate


class Exclusion(StrEnum):
    """Why an account can't serve a call now."""

    TRIED = "tried"
    """This call was there already."""
    UNFIT = "unfit"
    """The call needs what only other accounts have."""
    DISABLED = "disabled"
    """An operator has switched it off."""
    DRAINING = "draining"
    """An operator lets it run empty."""
    REJECTED = "rejected"
    """Its provider refuses its key, its credit or its right to the model."""
    EXHAUSTED = "exhausted"
    """Its allowance of a longer window is used up."""
    PAUSED = "paused"
    """Its provider's limit by the minute or less is reached."""
    OVERLOADED = "overloaded"
    """Its provider has too much to do."""
    OPEN = "open"
    """Its last calls failed."""
    PROVING = "proving"
    """Its last calls failed, and those that try it again are under way."""
    STARTING = "starting"
    """It was away, and is given its share little by little."""
    FULL = "full"
    """It has as many calls in flight as it may."""
    REQUESTS = "requests"
    """Its requests of this minute are used up."""
    TOKENS = "tokens"
    """Its tokens of this minute are used up."""
    DOUBTED = "doubted"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a call asks of an account.

    `prefix` names the prompt prefix that the call shares with other sessions, `session` the session itself; both are
    empty where there is none. The call is expected to use `tokens`. It does not go to accounts that were `tried`, and
    only to those of `only` where that is given.
    """

    prefix: bytes | None = None
    session: str = ""
    tokens: int = 0
    tried: Collection[str] = ()
    only: Collection[str] | None = None

    @property
    def lasts(self) -> bool:
        """Whether more of its kind are to come. What is alone goes where there is least to do."""
        return bool(self.session) or self.prefix is not None

    def excludes(self, account: str) -> Exclusion | None:
        """Why the call does not want the account."""
        if account in self.tried:
            return Exclusion.TRIED
        return Exclusion.UNFIT if self.only is not None and account not in self.only else None


class Score(msgspec.Struct, frozen=True):
    """An account in the order in which it was looked at: its load without this call, the bound on it, and whether it
    was under its bounds.
    """

    account: str
    load: int
    bound: float
    free: bool


class Pick(msgspec.Struct, frozen=True):
    """A choice: the candidate with its lease, or neither; and every account that was looked at and left out, with the
    reason. `scores` are those of the first few that could have served."""

    candidate: Candidate | None
    lease: Lease | None
    excluded: dict[str, Exclusion]
    scores: tuple[Score, ...] = ()


def _trusted(_: str) -> bool:
    return False


def acquire(
    tiers: Sequence[Iterable[Candidate]],
    slots: Slots,
    rand: Callable[[], float],
    tried: Collection[str] = (),
    doubted: Callable[[str], bool] = _trusted,
) -> Pick:
    """Takes a lease on the least loaded account of the first tier that has a free one.

    An account that is `doubted` is taken only where every tier has none but such. Load is leases per weight, counting
    the one about to be taken, so a heavier account is preferred when idle. Equal loads are drawn by lot: taking the
    first of equals would send every burst to the same account.
    """
    excluded: dict[str, Exclusion] = {}
    last_resort: list[Candidate] = []
    for tier in tiers:
        free: list[Candidate] = []
        doubtful: list[Candidate] = []
        for candidate in tier:
            reason = _exclusion(candidate, slots, tried)
            if reason is not None:
                excluded[candidate.account.id] = reason
            elif doubted(candidate.account.id):
                doubtful.append(candidate)
            else:
                free.append(candidate)
        if free:
            excluded |= {candidate.account.id: Exclusion.DOUBTED for candidate in (*last_resort, *doubtful)}
            return _taken(free, slots, rand, excluded)
        last_resort = last_resort or doubtful
    return _taken(last_resort, slots, rand, excluded) if last_resort else Pick(None, None, excluded)


def _taken(free: list[Candidate], slots: Slots, rand: Callable[[], float], excluded: dict[str, Exclusion]) -> Pick:
    chosen = _least_loaded(free, slots, rand)
    return Pick(chosen, slots.take(chosen.account.id), excluded)


def _exclusion(candidate: Candidate, slots: Slots, tried: Collection[str]) -> Exclusion | None:
    account = candidate.account
    if account.id in tried:
        return Exclusion.TRIED
    if not account.enabled:
        return Exclusion.DISABLED
    if account.drain:
        return Exclusion.DRAINING
    if account.max_concurrency is not None and slots.held(account.id) >= account.max_concurrency:
        return Exclusion.FULL
    return None


def _least_loaded(free: list[Candidate], slots: Slots, rand: Callable[[], float]) -> Candidate:
    if len(free) == 1:
        return free[0]
    loads = [(slots.held(c.account.id) + 1) / c.account.weight for c in free]
    least = min(loads)
    equals = [c for c, load in zip(free, loads, strict=True) if load == least]
    return equals[int(rand() * len(equals))]
