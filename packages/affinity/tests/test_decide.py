"""Stay, wait, move or return: each combination of pin and standing, and what must hold in all of them."""

from __future__ import annotations

import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_affinity import Decision, Pin, Standing, Stay, Terms, decide, placed
from llmgw_affinity.decide import Cause, Kind, Reason, Trouble, cause_of
from llmgw_affinity.placing import Instant

NOW = 1000.0
TERMS = Terms(tokens_per_second=1000.0, most_wait=30.0)

FREE = Standing(0.0)
FULL = Standing(2.0, "full")
COOL = Standing(20.0, "cooldown")
LONG = Standing(300.0, "cooldown")
FAILED = Standing(math.inf, "failed")
DRAIN = Standing(None, "drain")
GONE = Standing(None, "removed")

WARM = 30_000
LESS = 10_000


def stay(account: str, cached: int = WARM, since: int = 1, cold: bool = False) -> Stay:
    until = NOW - 1 if cold else NOW + 100
    return Stay(account=account, since=since, node="n", cached=cached, warm_until=until, told=1)


def at_home(cached: int = WARM, cold: bool = False) -> Pin:
    one = stay("h", cached, cold=cold)
    return Pin(key="k", epoch=0, home=one, current=one)


def away(home: Stay, current: Stay) -> Pin:
    return Pin(key="k", epoch=0, home=home, current=current)


def decided(pin: Pin | None, terms: Terms = TERMS, **standings: Standing) -> Decision:
    return decide(pin, NOW, lambda account: standings[account], terms)


def seen(decision: Decision) -> tuple[Kind, str | None, Reason, Trouble, float, int]:
    return (
        decision.kind, decision.account, decision.reason, decision.trouble, decision.wait, decision.expected
    )  # fmt: skip


def test_a_session_without_a_pin_is_new() -> None:
    """The balancer chooses freely."""
    assert ("new", None, "unknown", "", 0.0, 0) == seen(decided(None))


@pytest.mark.parametrize(
    ("cached", "cold", "home", "expected"),
    [
        (WARM, False, FREE, ("stay", "h", "free", "", 0.0, WARM)),
        (WARM, False, FULL, ("wait", "h", "waiting_costs_less", "full", 2.0, WARM)),
        (WARM, False, COOL, ("wait", "h", "waiting_costs_less", "cooldown", 20.0, WARM)),
        (WARM, False, LONG, ("move", None, "waits_too_long", "cooldown", 0.0, 0)),
        (WARM, False, FAILED, ("move", None, "waits_too_long", "failed", 0.0, 0)),
        (WARM, False, DRAIN, ("rehome", None, "gone", "drain", 0.0, 0)),
        (WARM, False, GONE, ("rehome", None, "gone", "removed", 0.0, 0)),
        (LESS, False, FREE, ("stay", "h", "free", "", 0.0, LESS)),
        (LESS, False, FULL, ("wait", "h", "waiting_costs_less", "full", 2.0, LESS)),
        (LESS, False, COOL, ("move", None, "leaving_costs_less", "cooldown", 0.0, 0)),
        (0, False, FREE, ("stay", "h", "free", "", 0.0, 0)),
        (0, False, FULL, ("move", None, "leaving_costs_less", "full", 0.0, 0)),
        (WARM, True, FREE, ("rehome", None, "cold", "", 0.0, 0)),
        (WARM, True, COOL, ("rehome", None, "cold", "", 0.0, 0)),
        (WARM, True, GONE, ("rehome", None, "gone", "removed", 0.0, 0)),
    ],
)
def test_at_home(cached: int, cold: bool, home: Standing, expected: tuple[object, ...]) -> None:
    """It stays while home can serve, waits while that costs less than reading anew, and leaves otherwise."""
    assert expected == seen(decided(at_home(cached, cold), h=home))


W, L, COLD = stay("h"), stay("h", LESS), stay("h", cold=True)
CW, CL, CCOLD = stay("c", since=2), stay("c", LESS, since=2), stay("c", since=2, cold=True)
HUGE = stay("c", 100_000, since=2)


@pytest.mark.parametrize(
    ("pin", "home", "current", "expected"),
    [
        # Home can serve.
        ((W, CW), FREE, FREE, ("home", "h", "home_is_warm", "", 0.0, WARM)),
        ((W, CW), FREE, COOL, ("home", "h", "home_is_warm", "cooldown", 0.0, WARM)),
        ((W, CW), FREE, GONE, ("home", "h", "home_is_warm", "", 0.0, WARM)),
        ((W, CCOLD), FREE, FREE, ("home", "h", "home_is_warm", "", 0.0, WARM)),
        ((stay("h", WARM // 2), CW), FREE, FREE, ("home", "h", "home_is_warm", "", 0.0, WARM // 2)),
        ((stay("h", WARM // 2 - 1), CW), FREE, FREE, ("rehome", "c", "home_costs_more", "", 0.0, WARM)),
        ((L, HUGE), FREE, FREE, ("rehome", "c", "home_costs_more", "", 0.0, 100_000)),
        ((L, HUGE), FREE, FULL, ("wait", "c", "waiting_costs_less", "full", 2.0, 100_000)),
        ((L, HUGE), FREE, LONG, ("home", "h", "home_is_warm", "cooldown", 0.0, LESS)),
        ((L, HUGE), FREE, GONE, ("home", "h", "home_is_warm", "", 0.0, LESS)),
        # Home has to be waited for.
        ((W, CW), COOL, FREE, ("stay", "c", "away_costs_less", "cooldown", 0.0, WARM)),
        ((W, CL), COOL, FREE, ("stay", "c", "away_costs_less", "cooldown", 0.0, LESS)),
        ((W, stay("c", 0, since=2)), COOL, FREE, ("wait", "h", "waiting_costs_less", "cooldown", 20.0, WARM)),
        ((W, CW), LONG, FREE, ("stay", "c", "away_costs_less", "cooldown", 0.0, WARM)),
        ((W, CW), FAILED, FULL, ("wait", "c", "waiting_costs_less", "full", 2.0, WARM)),
        ((W, CW), FULL, COOL, ("wait", "h", "waiting_costs_less", "full", 2.0, WARM)),
        ((W, CW), LONG, LONG, ("move", None, "waits_too_long", "cooldown", 0.0, 0)),
        ((L, CL), COOL, COOL, ("move", None, "leaving_costs_less", "cooldown", 0.0, 0)),
        ((W, CW), COOL, GONE, ("wait", "h", "waiting_costs_less", "cooldown", 20.0, WARM)),
        ((L, CW), COOL, GONE, ("move", None, "leaving_costs_less", "cooldown", 0.0, 0)),
        ((W, CW), LONG, GONE, ("move", None, "waits_too_long", "cooldown", 0.0, 0)),
        # Home is no home any more.
        ((COLD, CW), FREE, FREE, ("rehome", "c", "home_is_cold", "", 0.0, WARM)),
        ((COLD, CW), FREE, FULL, ("wait", "c", "waiting_costs_less", "full", 2.0, WARM)),
        ((COLD, CW), FREE, LONG, ("rehome", None, "waits_too_long", "cooldown", 0.0, 0)),
        ((COLD, CCOLD), FREE, FREE, ("rehome", None, "cold", "", 0.0, 0)),
        ((COLD, CW), FREE, GONE, ("rehome", None, "cold", "", 0.0, 0)),
        ((W, CW), DRAIN, FREE, ("rehome", "c", "gone", "drain", 0.0, WARM)),
        ((W, CW), DRAIN, COOL, ("wait", "c", "waiting_costs_less", "cooldown", 20.0, WARM)),
        ((W, CL), DRAIN, COOL, ("rehome", None, "leaving_costs_less", "cooldown", 0.0, 0)),
        ((W, CCOLD), DRAIN, FREE, ("rehome", None, "gone", "drain", 0.0, 0)),
        ((W, CW), DRAIN, GONE, ("rehome", None, "gone", "drain", 0.0, 0)),
    ],
)  # fmt: skip
def test_away(pin: tuple[Stay, Stay], home: Standing, current: Standing, expected: tuple[object, ...]) -> None:
    """It returns while home holds the better part of it, stays away while home must be waited for, and has its home
    where it is when home is cold, gone, or would cost more."""
    assert expected == seen(decided(away(*pin), h=home, c=current))


def test_a_cooldown_of_20_seconds_sends_short_turns_away_and_back_and_lets_long_ones_wait() -> None:
    """By cost: 20 s are worth 20,000 tokens here. The short one is home again when the cooldown ends."""
    short, long = at_home(8000), at_home(80_000)
    leaves = decided(short, h=COOL)
    assert ("move", "leaving_costs_less", "cooldown") == (leaves.kind, leaves.reason, leaves.trouble)
    assert ("wait", "h", "waiting_costs_less", "cooldown", 20.0, 80_000) == seen(decided(long, h=COOL))

    gone = placed(short, "k", leaves, "c", Instant(hlc=5, node="n", now=NOW))
    still = decided(gone, h=Standing(12.0, "cooldown"), c=FREE)
    assert ("stay", "c", "away_costs_less", "cooldown") == (still.kind, still.account, still.reason, still.trouble)
    soon = decided(gone, h=Standing(3.0, "cooldown"), c=FREE)
    assert ("wait", "h", 3.0) == (soon.kind, soon.account, soon.wait)
    back = decided(gone, h=FREE, c=FREE)
    assert ("home", "h", 8000) == (back.kind, back.account, back.expected)


@pytest.mark.parametrize(
    ("home", "deadline", "kind"),
    [(COOL, None, "wait"), (COOL, 25.0, "wait"), (COOL, 15.0, "move"), (LONG, 600.0, "move"), (LONG, None, "move")],
)
def test_a_wait_ends_before_the_deadline_and_the_longest_wait(
    home: Standing, deadline: float | None, kind: Kind
) -> None:
    """However much it costs to read anew."""
    assert kind == decided(at_home(1_000_000), Terms(deadline=deadline), h=home).kind


# --- only certain accounts can serve ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pin", "fixed", "standings", "expected"),
    [
        (None, "h", {"h": FREE}, ("new", "h")),
        (None, "hx", {"h": FREE, "x": FREE}, ("new", None)),
        (None, "hx", {"h": COOL, "x": FREE}, ("new", "x")),
        (None, "hx", {"h": GONE, "x": COOL}, ("wait", "x")),
        (at_home(), "h", {"h": FREE}, ("stay", "h")),
        (at_home(), "hx", {"h": FREE, "x": FREE}, ("stay", "h")),
        (at_home(), "h", {"h": COOL}, ("wait", "h")),
        (at_home(0), "h", {"h": COOL}, ("wait", "h")),
        (at_home(cold=True), "h", {"h": FREE}, ("stay", "h")),
        (at_home(), "h", {"h": LONG}, ("fail", "h")),
        (at_home(), "h", {"h": GONE}, ("fail", None)),
        (at_home(), "", {}, ("fail", None)),
        (at_home(), "x", {"x": FREE}, ("move", "x")),
        (at_home(), "xy", {"x": FREE, "y": FREE}, ("move", None)),
        (away(W, CW), "h", {"h": FREE}, ("home", "h")),
        (away(W, CW), "c", {"c": FREE}, ("stay", "c")),
    ],
)
def test_fixed_accounts(
    pin: Pin | None, fixed: str, standings: dict[str, Standing], expected: tuple[Kind, str | None]
) -> None:
    """What only they can read is never taken elsewhere: the turn waits, or fails."""
    decision = decided(pin, Terms(fixed=frozenset(fixed)), **standings)
    assert (*expected, "only_there") == (decision.kind, decision.account, decision.reason)


def test_a_turn_that_cannot_leave_has_all_of_its_time_to_wait() -> None:
    """The longest wait is for those that have a choice."""
    fixed = Terms(fixed=frozenset("h"), most_wait=30.0, deadline=400.0)
    assert "wait" == decided(at_home(), fixed, h=LONG).kind


# --- what always holds ------------------------------------------------------------------------------------------------

waits = st.sampled_from([0.0, 0.05, 5.0, 20.0, 1e4, math.inf, None])
standings = st.builds(Standing, waits, st.sampled_from(get_args(Trouble)))
stays = st.builds(
    Stay,
    account=st.sampled_from("hc"),
    since=st.integers(1, 9),
    node=st.just("n"),
    cached=st.sampled_from([0, 500, 8000, 80_000]),
    warm_until=st.sampled_from([0.0, NOW + 1, NOW + 500]),
    told=st.integers(0, 3),
)
pins = st.builds(Pin, key=st.just("k"), epoch=st.integers(0, 2), home=stays, current=stays)
terms = st.builds(
    Terms,
    tokens_per_second=st.sampled_from([100.0, 1000.0]),
    most_wait=st.sampled_from([0.0, 10.0, 30.0]),
    deadline=st.sampled_from([None, 0.0, 6.0, 60.0]),
    fixed=st.none() | st.frozensets(st.sampled_from("hcx"), max_size=2),
)


@given(st.none() | pins, standings, standings, standings, terms)
def test_whatever_is_decided_can_be_done(pin: Pin | None, h: Standing, c: Standing, x: Standing, terms: Terms) -> None:
    """Never an account that will not serve; a wait that is bearable; expected tokens only where some are cached."""
    at = {"h": h, "c": c, "x": x}
    decision = decided(pin, terms, **at)
    if decision.account is not None:
        assert at[decision.account].wait is not None
        assert terms.fixed is None or decision.account in terms.fixed
    if decision.kind in ("stay", "home", "rehome", "new", "move"):
        assert 0.0 == decision.wait
    if decision.kind == "wait":
        assert 0.0 < decision.wait == at[decision.account or ""].wait
        assert terms.bears(decision.wait)
    if terms.fixed is not None:
        assert "only_there" == decision.reason
    assert decision.account is not None or 0 == decision.expected


@given(pins, standings, standings, standings, terms)
def test_no_ping_pong(pin: Pin, h: Standing, c: Standing, x: Standing, terms: Terms) -> None:
    """Where a turn was placed, the next one under the same standing is placed too."""
    at = {"h": h, "c": c, "x": x}
    decision = decided(pin, terms, **at)
    if decision.account is not None and decision.kind in ("stay", "home", "rehome"):
        after = placed(pin, "k", decision, decision.account, Instant(hlc=99, node="n", now=NOW))
        again = decided(after, terms, **at)
        assert (decision.account, True) == (again.account, again.kind in ("stay", "rehome"))
        if decision.kind != "stay":
            assert after.away is False or "stay" == again.kind


def test_every_trouble_has_a_cause() -> None:
    """The words that accounting groups by."""
    assert set(get_args(Cause)) - {"expiry", "return"} == {cause_of(trouble) for trouble in get_args(Trouble)}
