import msgspec
import pytest

from llmgw_admin.explain import explain
from llmgw_admin.testing import MemoryRequestLog
from llmgw_affinity import Pin, Stay
from llmgw_balancer import Score
from llmgw_domain import Usage
from llmgw_domain.signals import Signal
from llmgw_eventstore.ledger import settlement_of
from llmgw_eventstore.testing import make_event
from llmgw_relay.facts import AttemptEnded, CallOpened, CallSettled, Choice, SessionFacts
from llmgw_relay.pin_facts import Placed

IDS = {"call": "c1", "request_id": "mine", "tenant": "t", "key": "k"}
CALL = {**IDS, "dialect": "messages", "model": "sonnet", "provider": "anthropic", "target_model": "claude"}
KEY = "5e" * 16

WAITED = Choice(
    placement="home",
    decision="wait",
    reason="waiting_costs_less",
    trouble="cooldown",
    waited=1.5,
    expected=900,
    session=KEY,
    home="a",
    current="a",
)
MOVED = Choice(
    placement="moved",
    decision="move",
    reason="waits_too_long",
    trouble="failed",
    waited=1.5,
    session=KEY,
    home="a",
    current="a",
    scores=(Score("c", 4, 3.5, False), Score("b", 1, 3.5, True)),
    excluded={"a": "tried", "d": "exhausted"},
    more_excluded=7,
)


def pin(home, current):
    return Pin(
        key=KEY,
        epoch=0,
        home=Stay(account=home, since=1, node="n"),
        current=Stay(account=current, since=2, node="n"),
    )


def told(*facts):
    """The facts as events, in their order."""
    kinds = {
        CallOpened: ("request.opened", "request/c1"),
        AttemptEnded: ("request.attempt_ended", "request/c1"),
        CallSettled: ("request.settled", "request/c1"),
        Placed: ("session.moved", f"session/{KEY}"),
    }
    events = []
    for number, fact in enumerate(facts, 1):
        kind, subject = kinds[type(fact)]
        event = make_event(number, kind=kind, body=fact)
        events.append(msgspec.structs.replace(event, subject=subject, hlc=number << 16))
    return events


def opened(attempt=1, account="a", at=100.0, choice=WAITED):
    return CallOpened(**CALL, at=at, account=account, attempt=attempt, choice=choice)


def failed(attempt=1, **more):
    fields = {"account": "a", "error_code": "rate_limit_exceeded", "upstream_status": 429, "retried": True}
    return AttemptEnded(**IDS, at=100.5, attempt=attempt, duration=0.25, **{**fields, **more})


def settled(**more):
    fields = {"outcome": "ok", "status": 200, "attempts": 2, "account": "b", "duration": 4.0, "stream": True}
    return CallSettled(**CALL, at=104.0, **{**fields, **more})


async def story(*events):
    log = MemoryRequestLog(events)
    found = await log.find("c1")
    return explain(found, await log.told(found))


async def test_a_request_that_failed_moved_and_was_served():
    """Each attempt has why it went there, what was weighed, and what came of it; the whole has what the cache lost."""
    turn = SessionFacts(
        key=KEY, placement="moved", reason="waits_too_long", expected=900, observed=0, lost=900, cause="cooldown"
    )
    found = await story(
        *told(
            opened(),
            failed(signal=Signal(verdict="pause", whole=True, seconds=7.0, reason="tokens")),
            opened(2, "b", 101.0, MOVED),
            Placed(pin=pin("a", "b"), call="c1", reason="waits_too_long"),
            settled(session=turn, queued=1.5, usage=Usage(uncached_input=950, output=9)),
        )
    )
    first, second = found.attempts
    assert (1, "a", "claude", "1970-01-01T00:01:40.000Z") == (
        first.attempt,
        first.account,
        first.target_model,
        first.at,
    )
    assert ("home", "wait", "waiting_costs_less", "cooldown") == (
        first.chosen.placement,
        first.chosen.decision,
        first.chosen.reason,
        first.chosen.trouble,
    )
    assert (
        "the session's home: its account was waited for, because waiting cost less than reading the prompt anew "
        "elsewhere (it was pausing, or suspected)" == first.chosen.why
    )
    assert (1.5, 900, "a", "a") == (
        first.chosen.waited_seconds,
        first.chosen.expected_tokens,
        first.chosen.home,
        first.chosen.current,
    )
    assert ("failed", "rate_limit_exceeded", 429, 0.25, 7.0) == (
        first.ended.outcome,
        first.ended.error_code,
        first.ended.upstream_status,
        first.ended.duration_seconds,
        first.ended.said.seconds,
    )
    assert [
        ("c", 4, 3.5, False, "it had its share of the load already"),
        ("b", 1, 3.5, True, "taken: the first that was under its bounds"),
    ] == [(each.account, each.load, each.bound, each.taken, each.why) for each in second.chosen.looked_at]
    assert [("a", "tried"), ("d", "exhausted")] == [(each.account, each.word) for each in second.chosen.left_out]
    assert ("its allowance of hours or days was used up", 7) == (
        second.chosen.left_out[1].why,
        second.chosen.more_left_out,
    )
    assert ((), [("session.moved", "a", "b")]) == (
        first.moved,
        [(move.event, move.home, move.current) for move in second.moved],
    )
    assert ("ok", None) == (second.ended.outcome, second.ended.error_code)
    assert (900, 0, 900, "cooldown") == (
        found.cache.expected_tokens,
        found.cache.observed_tokens,
        found.cache.lost_tokens,
        found.cache.cause,
    )
    assert ("c1", "mine", "ok", 1.5, "b") == (
        found.request.id,
        found.request.request_id,
        found.request.outcome,
        found.request.queued_seconds,
        found.request.account,
    )


async def test_a_fallback_to_another_model_is_named_once():
    """However many attempts were made at it, and why it was asked."""
    instead = msgspec.structs.replace(WAITED, model="haiku", cause="overloaded")
    found = await story(*told(opened(), opened(2, choice=instead), opened(3, choice=instead), settled(attempts=3)))
    assert [None, "haiku", "haiku"] == [a.chosen.fallback and a.chosen.fallback.model for a in found.attempts]
    assert [("haiku", "overloaded", "none of its accounts could serve")] == [
        (fallback.model, fallback.cause, fallback.why) for fallback in found.fallbacks
    ]


@pytest.mark.parametrize(
    ("by", "taken", "other"),
    [
        (
            "least",
            "taken: of the accounts that keep its prefix warm it had the least of its share",
            "it had more of its share",
        ),
        ("before", "taken: its session had been there before", "it was not needed"),
        ("hash", "taken: the first in its session's order that was under its bounds", "it was not needed"),
        (None, "taken: the first that was under its bounds", "it was not needed"),
    ],
)
async def test_what_spoke_for_an_account_is_said(by, taken, other):
    """With what each had of its fair share. Older records do not tell."""
    scores = (Score("a", 1, 3.5, True, 0.25), Score("b", 2, 3.5, True, 0.5), Score("c", 4, 3.5, False, 1.333))
    choice = Choice(placement="new", decision="new", reason="unknown", session=KEY, scores=scores, by=by)
    (attempt,) = (await story(*told(opened(choice=choice), settled(attempts=1)))).attempts
    assert [
        ("a", 0.25, taken),
        ("b", 0.5, other),
        ("c", 1.33, "it had its share of the load already"),
    ] == [(each.account, each.share, each.why) for each in attempt.chosen.looked_at]


async def test_a_request_of_no_session_says_so():
    """The balancer's lot needs no other reason, and there is no cache to speak of."""
    choice = Choice(placement="none", decision="new", reason="unknown", scores=(Score("a", 2, 0.0, False),))
    found = await story(*told(opened(choice=choice), settled(attempts=1)))
    assert "the request belongs to no session, so that any account would do" == found.attempts[0].chosen.why
    assert ["taken: it had the least load"] == [each.why for each in found.attempts[0].chosen.looked_at]
    assert None is found.cache


async def test_what_was_not_written_down_is_not_made_up():
    """An older release recorded neither choices nor how attempts ended."""
    found = await story(*told(opened(choice=None), opened(2, "b", choice=None), settled()))
    assert [None, None] == [attempt.chosen for attempt in found.attempts]
    assert ["another attempt followed; how this one failed was not written down", ""] == [
        attempt.ended.note for attempt in found.attempts
    ]


async def test_the_last_attempts_end_is_that_of_the_request():
    """Its error, what its provider said of the account, and how long it took since it was opened."""
    signal = Signal(verdict="exhausted", whole=True, seconds=3600.0, reason="5h")
    end = settled(outcome="refused", status=429, error_code="rate_limit_exceeded", upstream_status=429, signal=signal)
    found = await story(*told(opened(), end))
    [ended] = [attempt.ended for attempt in found.attempts]
    assert ("refused", "rate_limit_exceeded", 429, 4.0, signal) == (
        ended.outcome,
        ended.error_code,
        ended.upstream_status,
        ended.duration_seconds,
        ended.said,
    )


async def test_an_open_request_has_no_end_yet():
    """What came of its last attempt is not known."""
    found = await story(*told(opened()))
    assert ("open", "open", None) == (found.request.outcome, found.attempts[0].ended.outcome, found.request.status)


async def test_a_failure_that_the_client_was_not_shown_is_that_attempts_own():
    """The settlement names another error; each attempt has the one that it ended with."""
    second = failed(2, account="b", error_code="account_rejected", upstream_status=401, retried=False)
    end = settled(outcome="refused", status=429, error_code="rate_limit_exceeded", error_detail="slow down")
    found = await story(*told(opened(), failed(), opened(2, "b"), second, end))
    assert ["rate_limit_exceeded", "account_rejected"] == [attempt.ended.error_code for attempt in found.attempts]
    assert ("rate_limit_exceeded", "slow down") == (found.request.error_code, found.error_detail)


async def test_a_request_whose_process_died_is_explained():
    """As far as it came; a settlement of the process itself counts more than that of the crash."""
    opening = told(opened())[0]
    crash = settlement_of(opening)
    found = await story(opening, crash)
    assert ("crashed", "gateway_crashed", "crashed") == (
        found.request.outcome,
        found.request.error_code,
        found.attempts[0].ended.outcome,
    )
    real = told(settled(outcome="failed", error_code="upstream_reset", error_detail="it hung up"))[0]
    found = await story(opening, crash, msgspec.structs.replace(real, hlc=9 << 16))
    assert ("failed", "it hung up") == (found.request.outcome, found.error_detail)


@pytest.mark.parametrize("number", range(2))
async def test_a_fact_of_a_shape_that_is_not_known_is_passed_over(number):
    """The rest of the story stands."""
    events = told(opened(), failed(), opened(2, "b", 101.0, MOVED), settled())
    events[number] = msgspec.structs.replace(events[number], body=msgspec.Raw(b'{"attempt": "one"}'))
    found = await story(*events)
    assert (2 - (number == 0), "ok") == (len(found.attempts), found.request.outcome)


async def test_a_refusal_for_want_of_an_account_says_why_none_could_serve():
    """Before any was asked, and after one that failed."""
    end = settled(outcome="refused", status=503, attempts=0, account=None, error_code="no_available_account")
    nobody = {"error_detail": "its accounts are: 2 full", "excluded": {"a": "full"}, "more_excluded": 1}
    found = await story(*told(msgspec.structs.replace(end, **nobody)))
    assert ((), "its accounts are: 2 full", 1) == (found.attempts, found.error_detail, found.more_left_out)
    assert [("a", "full", "it had as many calls in flight as it may")] == [
        (each.account, each.word, each.why) for each in found.left_out
    ]


async def test_keys_that_a_provider_quoted_are_hidden():
    """In what is said of an attempt, and of the whole."""
    quoted = {"error_code": "account_rejected", "error_detail": "no such key: sk-0123456789abcdef"}
    found = await story(*told(opened(), failed(**quoted), opened(2, "b"), settled(outcome="refused", **quoted)))
    details = [found.error_detail, *(attempt.ended.error_detail for attempt in found.attempts)]
    assert ["no such key: [hidden]"] * 3 == details
