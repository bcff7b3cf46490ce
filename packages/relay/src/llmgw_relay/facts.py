"""What is remembered of a call: the facts that the ledger, the pins of sessions, the log line and the metrics are made
of.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from llmgw_affinity import Pin
from llmgw_balancer import Score
from llmgw_balancer.choice import By
from llmgw_domain import Usage
from llmgw_domain.limits import RateLimits
from llmgw_domain.signals import Signal

Outcome = Literal["ok", "refused", "failed", "cancelled"]
"""`ok`: a complete answer. `refused`: an error status before the stream, whoever's fault. `failed`: broken after the
first byte. `cancelled`: the client went away."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Why an attempt went to its account: what was known then.

    `decision`, `reason` and `trouble` are those of `llmgw_affinity.Decision`, `placement` is that of the header
    `x-gw-session`; `home` and `current` are where the session was pinned before. `waited` is in seconds. Where the
    balancer chose, `scores` are the first few accounts in the order in which it looked at them, `by` is what spoke for
    the one that it took, and `excluded` says why others were left out, of which `more_excluded` are not named.
    """

    placement: str
    decision: str
    reason: str
    trouble: str = ""
    waited: float = 0.0
    expected: int = 0
    session: str | None = None
    home: str | None = None
    current: str | None = None
    scores: tuple[Score, ...] = ()
    by: By | None = None
    excluded: dict[str, str] = msgspec.field(default_factory=dict)
    more_excluded: int = 0
    model: str | None = None
    """Another model's name, which was asked in place of the client's because of `cause`."""
    cause: str | None = None


class CallOpened(msgspec.Struct, frozen=True, kw_only=True):
    """A request is about to be sent to an account; `at` is wall-clock seconds. The ids are those of `Call`."""

    call: str
    request_id: str
    at: float
    tenant: str
    key: str
    dialect: str
    model: str
    account: str
    provider: str
    target_model: str
    attempt: int
    choice: Choice | None = None


class AttemptEnded(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt failed, and the call's settlement will not tell of it: because another one followed (`retried`), or
    because the call ended for another reason.

    `duration` is in seconds since the account was asked, None where it was not; `first_byte` counts from there too.
    `signal` is what the provider said of the account.
    """

    call: str
    request_id: str
    at: float
    tenant: str
    key: str
    account: str
    attempt: int
    error_code: str
    retried: bool
    error_detail: str | None = None
    upstream_status: int | None = None
    duration: float | None = None
    first_byte: float | None = None
    signal: Signal | None = None


class SessionPlaced(msgspec.Struct, frozen=True, kw_only=True):
    """A session was bound, moved, returned or given another home, before it is answered there.

    `session` is its key, `key` the client's, `model` what was asked for, `pin` what is known of the session now.
    `moved` tells a session that had a place from one that gets its first.
    """

    call: str
    at: float
    tenant: str
    key: str
    session: str
    model: str
    pin: Pin
    reason: str
    moved: bool


class SessionFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a call was to its session, `key`.

    `placement` is that of the header `x-gw-session`, `reason` why it went there. `expected` tokens should have been in
    the account's cache, `observed` were; of those, `lost` were paid again because of `cause`. `pin` is what is known of
    the session after this turn. It was served `elsewhere` where it is new here and was warm all the same.
    """

    key: str
    placement: str
    reason: str
    expected: int = 0
    observed: int | None = None
    lost: int = 0
    cause: str | None = None
    pin: Pin | None = None
    elsewhere: bool = False


class CallSettled(msgspec.Struct, frozen=True, kw_only=True):
    """A call is over, once and for all. Durations are in seconds; None means that it never came to that.

    `overhead` is the gateway's own time: from the request read to the upstream asked, and from the upstream's end to
    the last byte. `bytes_received` counts what the provider's answer brought. The ids are those of `Call`.
    """

    call: str
    request_id: str
    at: float
    tenant: str
    key: str
    dialect: str
    model: str
    stream: bool
    outcome: Outcome
    status: int
    attempts: int
    duration: float
    account: str | None = None
    provider: str | None = None
    target_model: str | None = None
    finish: str | None = None
    error_code: str | None = None
    error_detail: str | None = None
    upstream_status: int | None = None
    upstream_message: str | None = None
    first_byte: float | None = None
    overhead: float | None = None
    usage: Usage | None = None
    unmetered: bool = False
    """The provider bills this call, and said nothing of what it used: its cost is not known."""
    limits: RateLimits | None = None
    """What the last account's provider said of its limits; resets and waits are in seconds from the answer."""
    signal: Signal | None = None
    """What that means for those who choose accounts."""
    bytes_sent: int = 0
    bytes_received: int = 0
    lossy: tuple[str, ...] = ()
    client: str = ""
    user_agent: str = ""
    tags: str = ""
    retry_count: str = ""
    """The client's own retry number, from `x-stainless-retry-count`."""
    config_version: str = ""
    endpoint: str = ""
    """What was asked for where it is no chat: `models`, `embeddings`, `count_tokens`, `files`, ..."""
    session: SessionFacts | None = None
    queued: float = 0.0
    """Seconds in the queue for an account."""
    excluded: dict[str, str] = msgspec.field(default_factory=dict)
    """Why no account could serve the call, or serve it once more, where it ended for want of one."""
    more_excluded: int = 0
    """Accounts of which that is not said."""


Fact = CallOpened | AttemptEnded | SessionPlaced | CallSettled
