"""What the balancer is told of accounts, what it tells of them, and the words for both."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from llmgw_domain.signals import Verdict


class Outcome(StrEnum):
    """How a call went, as far as it tells of its account."""

    ANSWERED = "answered"
    """The account did its work, be it a refusal of what was asked for."""
    FAILED = "failed"
    """It could not be reached, broke off, was silent for too long, or answered that it is broken."""
    LIMITED = "limited"
    """It refused for its own state, and lives: a rate limit, an allowance, a key. A `Signal` says for how long."""
    LEFT = "left"
    """The call ended before anything was known: its client left."""


class Circuit(StrEnum):
    """Whether an account's failures keep calls away from it."""

    CLOSED = "closed"
    OPEN = "open"
    PROBATION = "probation"


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """An account, or one model of it (None: all), is not to be asked for `seconds` from now.

    `mark` is a digest of the address and credential that a `disable` is meant for, empty for the other verdicts:
    another credential is not disabled.
    """

    account: str
    model: str | None = None
    verdict: Verdict
    seconds: float
    reason: str
    mark: str = ""


class OtherLoad(msgspec.Struct, frozen=True):
    """What one worker has at an account, as the others are told: calls in flight, sessions bound there, what the last
    minute took of its requests and tokens, and tokens `spent` over the last ten, older ones counted for less. The same
    for each model that was asked for there, as far as limits need it.
    """

    leases: int = 0
    bindings: int = 0
    requests: int = 0
    tokens: int = 0
    spent: int = 0
    models: dict[str, OtherLoad] = {}


NO_LOAD = OtherLoad()


class AccountState(msgspec.Struct, frozen=True, kw_only=True):
    """An account as the balancer sees it, for people and metrics.

    `word` is the exclusion that holds for every model of it, or `ok`. `share` is the part of its fair share that it may
    take, below 1 while it starts slowly. `first_byte` is the moving average of seconds to an answer's first byte.
    """

    word: str
    circuit: Circuit
    failures: int
    error_rate: float
    first_byte: float | None
    leases: int
    bindings: int
    requests: int
    tokens: int
    share: float
    pauses: tuple[Pause, ...] = ()
