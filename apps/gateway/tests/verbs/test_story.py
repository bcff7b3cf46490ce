from __future__ import annotations

from typing import Any

import msgspec
import pytest

from llmgw_admin.explain import Attempt, Cache, Chosen, Ending, Explanation, Fallback, LeftOut, Looked, Move
from llmgw_admin.requests import RequestEntry
from llmgw_domain import Usage
from llmgw_domain.signals import Signal
from llmgw_gateway.verbs.story import seconds, told

ENTRY = RequestEntry(
    id="c1",
    request_id="mine",
    at="2026-11-25T19:00:04.000Z",
    opened_at="2026-11-25T19:00:00.000Z",
    tenant="t",
    key="k",
    dialect="messages",
    model="sonnet",
    outcome="ok",
    status=200,
    attempts=2,
    account="b",
    provider="anthropic",
    target_model="claude",
    stream=True,
    duration_seconds=4.0,
    first_byte_seconds=0.9,
    queued_seconds=1.5,
    usage=Usage(uncached_input=950, cache_read=50, output=9),
)
FIRST = Attempt(
    attempt=1,
    at="2026-11-25T19:00:00.000Z",
    account="a",
    provider="anthropic",
    target_model="claude",
    chosen=Chosen(
        why="the session's home: its account was waited for",
        placement="home",
        decision="wait",
        reason="waiting_costs_less",
        trouble="cooldown",
        waited_seconds=1.5,
        expected_tokens=12_000,
        session="5e5e",
        home="a",
        current="a",
    ),
    moved=(),
    ended=Ending(
        outcome="failed",
        error_code="rate_limit_exceeded",
        upstream_status=429,
        duration_seconds=0.25,
        error_detail="slow down",
        said=Signal(verdict="pause", whole=True, seconds=7.0, reason="tokens"),
    ),
)
SECOND = Attempt(
    attempt=2,
    at="2026-11-25T19:00:01.000Z",
    account="b",
    provider="anthropic",
    target_model="haiku-4",
    chosen=Chosen(
        why="another account than before",
        placement="moved",
        decision="move",
        reason="waits_too_long",
        session="5e5e",
        home="a",
        current="c",
        fallback=Fallback(model="haiku", cause="overloaded", why="none of its accounts could serve"),
        looked_at=(
            Looked(account="c", load=4, bound=3.5, share=1.43, taken=False, why="it had its share of the load already"),
            Looked(
                account="b", load=1, bound=3.5, share=0.36, taken=True, why="taken: the first that was under its bounds"
            ),
        ),
        left_out=(LeftOut(account="a", word="tried", why="this request had been there already"),),
        more_left_out=7,
    ),
    moved=(Move(session="5e5e", event="session.moved", home="a", current="b", reason="waits_too_long"),),
    ended=Ending(outcome="ok"),
)
WHOLE = Explanation(
    request=ENTRY,
    matches=3,
    error_detail=None,
    attempts=(FIRST, SECOND),
    fallbacks=(),
    cache=Cache(
        expected_tokens=12_000, observed_tokens=50, lost_tokens=11_950, cause="cooldown", why="the account paused"
    ),
)

TEXT = """\
request c1
  its client's  x-request-id: mine (the newest of 3 that have it)
  at            2026-11-25T19:00:00.000Z
  from          tenant t, key k
  for           sonnet (messages)

attempt 1: a / claude, at 19:00:00.000
  why           the session's home: its account was waited for [home/wait/waiting_costs_less/cooldown]
  session       5e5e, home a
  waited        1.5 s
  expected      12,000 tokens in the account's cache
  came of it    failed: rate_limit_exceeded, status 429, after 250 ms, slow down; its provider says of the account: \
pause for 7.0 s (tokens)

attempt 2: b / haiku-4, at 19:00:01.000
  why           another account than before [moved/move/waits_too_long]
  instead       haiku is asked, because of the first model none of its accounts could serve
  session       5e5e, home a, served last by c
  looked at     ACCOUNT  LOAD  BOUND  SHARE  WHY
                c        4     3.5    1.43   it had its share of the load already
                b        1     3.5    0.36   taken: the first that was under its bounds
  left out      ACCOUNT  WORD   WHY
                a        tried  this request had been there already
                and 7 more
  moved         the session: home a, served by b
  came of it    ok

result: ok, status 200, in 4.0 s
  queued        1.5 s
  first byte    after 900 ms
  used          1,000 tokens in (50 cached), 9 out
  cache         12,000 tokens expected, 50 were found
  lost          11,950 tokens: the account paused [cooldown]"""


def plain(explanation: Explanation) -> Any:
    """As it comes over the wire."""
    return msgspec.json.decode(msgspec.json.encode(explanation))


def test_a_whole_story() -> None:
    """Everything that is known, in the order in which it came about."""
    assert TEXT.splitlines() == told(plain(WHOLE)).splitlines()


def test_what_is_not_known_is_left_out() -> None:
    """A request that came to no account, under its own id, with the reason."""
    entry = msgspec.structs.replace(
        ENTRY,
        request_id="c1",
        opened_at=None,
        model="",
        outcome="refused",
        status=503,
        error_code="no_available_account",
        account=None,
        duration_seconds=None,
        first_byte_seconds=None,
        queued_seconds=0.0,
        usage=None,
    )
    story = Explanation(
        request=entry,
        matches=1,
        error_detail="its accounts are: 2 full",
        attempts=(),
        fallbacks=(),
        left_out=(LeftOut(account="a", word="full", why="it had as many calls in flight as it may"),),
        more_left_out=1,
        cache=None,
    )
    assert [
        "request c1",
        "  at            2026-11-25T19:00:04.000Z",
        "  from          tenant t, key k",
        "  for           no model (messages)",
        "",
        "It was sent to no account.",
        "",
        "result: refused, status 503, no_available_account",
        "  because       its accounts are: 2 full",
        "  left out      ACCOUNT  WORD  WHY",
        "                a        full  it had as many calls in flight as it may",
        "                and 1 more",
    ] == told(plain(story)).splitlines()


def test_what_was_not_recorded_says_so() -> None:
    """Choices and endings that an older release did not write down, and a cache that told nothing."""
    attempt = msgspec.structs.replace(FIRST, chosen=None, ended=Ending(outcome="failed", note="was not written down"))
    cache = msgspec.structs.replace(WHOLE.cache, observed_tokens=None, lost_tokens=0)
    story = told(plain(msgspec.structs.replace(WHOLE, attempts=(attempt,), cache=cache)))
    for line in (
        "  why           nothing was chosen, or it was not recorded",
        "  came of it    was not written down",
        "  cache         12,000 tokens expected, what was found is not known",
    ):
        assert line in story.splitlines()


def test_nothing_that_a_terminal_obeys_is_printed() -> None:
    """Whatever a client or a provider wrote."""
    entry = msgspec.structs.replace(ENTRY, request_id="\x1b[2Jgone")
    assert "\\x1b[2Jgone" in told(plain(msgspec.structs.replace(WHOLE, request=entry)))


@pytest.mark.parametrize(("value", "text"), [(0.0041, "4 ms"), (0.9994, "999 ms"), (1.0, "1.0 s"), (75.24, "75.2 s")])
def test_durations(value: float, text: str) -> None:
    """As exact as it is of use."""
    assert text == seconds(value)
