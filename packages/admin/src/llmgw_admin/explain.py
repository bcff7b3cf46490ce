"""Why a request went where it went: the story of its attempts, from the recorded facts and nothing else.

What was known when an account was chosen was written down with the choice, so nothing is worked out again here: today's
state of accounts and sessions has no part in it. What an older release did not record is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from llmgw_admin.history import instant
from llmgw_admin.requests import RequestEntry, entry_of
from llmgw_admin.words import CAUSES, DECISIONS, EXCLUSIONS, FALLBACKS, PLACEMENTS, REASONS, TROUBLES, said
from llmgw_balancer import Score
from llmgw_balancer.choice import By
from llmgw_domain import Event
from llmgw_domain.signals import Signal
from llmgw_eventstore.requests import Logged
from llmgw_protocols.redaction import hide_secrets
from llmgw_relay.facts import AttemptEnded, CallOpened, Choice
from llmgw_relay.pin_facts import Placed

_UNTOLD = "another attempt followed; how this one failed was not written down"
_OPEN = "under way, or not told yet"


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """An account that could have served, in the order in which the balancer looked: calls and sessions that it had
    (`load`), how many it was to have at most (`bound`), what it had of its fair `share` of load or tokens (1.0 is all
    of it), whether it was taken, and why in words."""

    account: str
    load: int
    bound: float
    share: float
    taken: bool
    why: str


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """An account that could not serve, with the stable word for that and its meaning."""

    account: str
    word: str
    why: str


class Fallback(msgspec.Struct, frozen=True, kw_only=True):
    """Another model that was asked in place of the client's, because of `cause`."""

    model: str
    cause: str
    why: str


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """Why an attempt went to its account. `why` says it in words; the others are as they were recorded.

    `home` and `current` are where the session was before. `expected_tokens` should have been in that account's cache.
    Where the balancer chose, `looked_at` are the accounts that it compared and `left_out` those that could not serve,
    with the number of those that are not named.
    """

    why: str
    placement: str
    decision: str
    reason: str
    trouble: str = ""
    waited_seconds: float = 0.0
    expected_tokens: int = 0
    session: str | None = None
    home: str | None = None
    current: str | None = None
    fallback: Fallback | None = None
    looked_at: tuple[Looked, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    more_left_out: int = 0


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt did to its session's place, before it was answered: `home` and `current` are from then on."""

    session: str
    event: str
    home: str
    current: str
    reason: str


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an attempt. `said` is what the provider said of the account, where it did."""

    outcome: str
    error_code: str | None = None
    error_detail: str | None = None
    upstream_status: int | None = None
    duration_seconds: float | None = None
    first_byte_seconds: float | None = None
    said: Signal | None = None
    note: str = ""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt at one account; `at` is when it was opened (RFC 3339). `chosen` is None where nothing was chosen,
    because only this account has what is asked for, and where an older release did not record it.
    """

    attempt: int
    at: str
    account: str
    provider: str
    target_model: str
    chosen: Chosen | None
    moved: tuple[Move, ...]
    ended: Ending


class Cache(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens that the session's warm caches held of the prompt, those that were found, and those that were lost."""

    expected_tokens: int
    observed_tokens: int | None
    lost_tokens: int
    cause: str | None
    why: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The story of a request. `matches`: so many have the id that was asked for, and this is the newest of them.

    Where it ended because no account could serve it, or serve it once more, `left_out` says why none could.
    """

    request: RequestEntry
    matches: int
    error_detail: str | None
    attempts: tuple[Attempt, ...]
    fallbacks: tuple[Fallback, ...]
    left_out: tuple[LeftOut, ...] = ()
    more_left_out: int = 0
    cache: Cache | None


class _Settled(msgspec.Struct, frozen=True):
    """What the request log does not keep of a settlement."""

    excluded: dict[str, str] = {}
    more_excluded: int = 0

    error_detail: str | None = None
    upstream_status: int | None = None
    signal: Signal | None = None


Fact = TypeVar("Fact", CallOpened, AttemptEnded, _Settled, Placed)


def explain(logged: Logged, events: Sequence[Event]) -> Explanation:
    """The story of the request of this row, of which these are all events in their order."""
    openings = [(event, fact) for event, fact in _read(events, ("request.opened",), CallOpened)]
    ended = {fact.attempt: fact for _, fact in _read(events, ("request.attempt_ended",), AttemptEnded)}
    placed = _read(events, ("session.bound", "session.moved"), Placed)
    settled = [fact for event, fact in _read(events, ("request.settled",), _Settled) if _is_settlement(logged, event)]
    last = settled[0] if settled else _Settled()
    attempts = [
        _attempt(opening, _moves(event, openings, placed), _ending(opening, len(openings), ended, logged, last))
        for event, opening in openings
    ]
    return Explanation(
        request=entry_of(logged),
        matches=logged.matches,
        error_detail=_clean(last.error_detail),
        attempts=tuple(attempts),
        left_out=_left_out(last.excluded),
        more_left_out=last.more_excluded,
        fallbacks=tuple(dict.fromkeys(a.chosen.fallback for a in attempts if a.chosen and a.chosen.fallback)),
        cache=_cache(logged),
    )


def _read(events: Iterable[Event], kinds: Sequence[str], shape: type[Fact]) -> list[tuple[Event, Fact]]:
    """The events of these kinds with what they tell; those of a shape that is not known are passed over."""
    found = []
    for event in events:
        if event.kind in kinds:
            try:
                found.append((event, msgspec.json.decode(event.body, type=shape)))
            except msgspec.MsgspecError:
                continue
    return found


def _is_settlement(logged: Logged, event: Event) -> bool:
    """Whether it is the one that counts: there may be that of a crash beside it."""
    return logged.row.settled is not None and event.id == logged.row.settled.event


# --- attempts ---------------------------------------------------------------------------------------------------------


def _attempt(opening: CallOpened, moves: tuple[Move, ...], ending: Ending) -> Attempt:
    return Attempt(
        attempt=opening.attempt,
        at=instant(opening.at),
        account=opening.account,
        provider=opening.provider,
        target_model=opening.target_model,
        chosen=None if opening.choice is None else _chosen(opening.choice, opening.account),
        moved=moves,
        ended=ending,
    )


def _chosen(choice: Choice, account: str) -> Chosen:
    return Chosen(
        why=_why(choice),
        placement=choice.placement,
        decision=choice.decision,
        reason=choice.reason,
        trouble=choice.trouble,
        waited_seconds=choice.waited,
        expected_tokens=choice.expected,
        session=choice.session,
        home=choice.home,
        current=choice.current,
        fallback=_fallback(choice),
        looked_at=tuple(_looked(score, account, choice.by) for score in choice.scores),
        left_out=_left_out(choice.excluded),
        more_left_out=choice.more_excluded,
    )


def _left_out(excluded: Mapping[str, str]) -> tuple[LeftOut, ...]:
    return tuple(LeftOut(account=name, word=word, why=said(EXCLUSIONS, word)) for name, word in excluded.items())


def _why(choice: Choice) -> str:
    """The choice in a sentence."""
    if choice.session is None and choice.reason == "unknown":
        return "the request belongs to no session, so that any account would do"
    where, what = said(PLACEMENTS, choice.placement), said(DECISIONS, choice.decision)
    text = f"{where}: {what}, because {said(REASONS, choice.reason)}"
    return f"{text} ({said(TROUBLES, choice.trouble)})" if choice.trouble else text


def _fallback(choice: Choice) -> Fallback | None:
    if choice.model is None or choice.cause is None:
        return None
    return Fallback(model=choice.model, cause=choice.cause, why=said(FALLBACKS, choice.cause))


def _looked(score: Score, account: str, by: By | None) -> Looked:
    taken = score.account == account
    return Looked(
        account=score.account,
        load=score.load,
        bound=round(score.bound, 2),
        share=round(score.share, 2),
        taken=taken,
        why=_why_taken(score, by) if taken else _why_not(score, by),
    )


_TAKEN: dict[By | None, str] = {
    "least": "taken: of the accounts that keep its prefix warm it had the least of its share",
    "before": "taken: its session had been there before",
    "hash": "taken: the first in its session's order that was under its bounds",
}


def _why_taken(score: Score, by: By | None) -> str:
    if score.free:
        return _TAKEN.get(by, "taken: the first that was under its bounds")
    # Without a bound it was a single call, which goes where there is least to do.
    return "taken: it had the least load" + (", and none was under its bounds" if score.bound else "")


def _why_not(score: Score, by: By | None) -> str:
    if score.free:
        return "it had more of its share" if by == "least" else "it was not needed"
    return "it had its share of the load already" if score.bound else "it had more load, or the lot fell on another"


def _moves(
    event: Event, openings: Sequence[tuple[Event, CallOpened]], placed: Iterable[tuple[Event, Placed]]
) -> tuple[Move, ...]:
    """What was told of sessions between this opening and the next one."""
    following = min((other.hlc for other, _ in openings if other.hlc > event.hlc), default=None)
    return tuple(
        Move(
            session=told.pin.key,
            event=at.kind,
            home=told.pin.home.account,
            current=told.pin.current.account,
            reason=told.reason,
        )
        for at, told in placed
        if event.hlc < at.hlc and (following is None or at.hlc < following)
    )


def _ending(
    opening: CallOpened, count: int, ended: Mapping[int, AttemptEnded], logged: Logged, last: _Settled
) -> Ending:
    """How an attempt ended, by whichever fact tells it."""
    told, settled = ended.get(opening.attempt), logged.row.settled
    if told is not None:
        return Ending(
            outcome="failed",
            error_code=told.error_code,
            error_detail=_clean(told.error_detail),
            upstream_status=told.upstream_status,
            duration_seconds=told.duration,
            first_byte_seconds=told.first_byte,
            said=told.signal,
        )
    if opening.attempt < count:
        return Ending(outcome="failed", note=_UNTOLD)
    if settled is None:
        return Ending(outcome="open", note=_OPEN)
    return Ending(
        outcome=settled.outcome,
        error_code=settled.error_code,
        error_detail=_clean(last.error_detail),
        upstream_status=last.upstream_status,
        duration_seconds=round(max(settled.at - opening.at, 0.0), 4),
        said=last.signal,
    )


def _clean(detail: str | None) -> str | None:
    """Providers quote keys in their refusals, and those who may read this may not have them."""
    return None if detail is None else hide_secrets(detail)


def _cache(logged: Logged) -> Cache | None:
    settled = logged.row.settled
    turn = settled.session if settled else None
    if turn is None:
        return None
    return Cache(
        expected_tokens=turn.expected,
        observed_tokens=turn.observed,
        lost_tokens=turn.lost,
        cause=turn.cause,
        why=said(CAUSES, turn.cause) if turn.cause else "",
    )
