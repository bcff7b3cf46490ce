"""What a call wants of an account, what it was given, and why not the others."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Literal

import msgspec

from llmgw_balancer.slots import Lease
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


By = Literal["least", "before", "hash", "load"]
"""What spoke for an account: of a few that hold the prompt's prefix it had the least (`least`); the session was there
before it went cold (`before`); the session's hash (`hash`); or, where none was under its bounds or the call was alone,
the least load of all (`load`)."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a call asks of an account.

    `prefix` names the prompt prefix that the call shares with other sessions, `session` the session itself; both are
    empty where there is none. The call is expected to use `tokens`. It does not go to accounts that were `tried`, and
    only to those of `only` where that is given. `last` is where its session was before it went cold: a provider may
    keep a cache for longer than it promises.
    """

    prefix: bytes | None = None
    session: str = ""
    tokens: int = 0
    tried: Collection[str] = ()
    only: Collection[str] | None = None
    last: str | None = None

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
    """An account in the order in which it was looked at: its load without this call, the bound on it, whether it was
    under its bounds, and what it had of its fair share, of load or of tokens, whichever was more of it.
    """

    account: str
    load: int
    bound: float
    free: bool
    share: float = 0.0


class Pick(msgspec.Struct, frozen=True):
    """A choice: the candidate with its lease, or neither; and every account that was looked at and left out, with the
    reason. `scores` are those of the first few that could have served, `by` is what spoke for the one that was chosen.
    """

    candidate: Candidate | None
    lease: Lease | None
    excluded: dict[str, Exclusion]
    scores: tuple[Score, ...] = ()
    by: By | None = None
