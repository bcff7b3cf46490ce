"""A pin after its turn was placed, and after it was answered."""

from __future__ import annotations

import pytest

from llmgw_affinity import Decision, Pin, Standing, Stay, Terms, answered, decide, merged, placed
from llmgw_affinity.decide import Kind
from llmgw_affinity.placing import Instant, forgotten, moved, placement
from llmgw_affinity.warmth import HELD, CacheRule
from llmgw_domain import Usage

NOW = 1000.0
AT = Instant(hlc=50, node="n", now=NOW)
HOME = Stay(account="h", since=1, node="m", warm_until=NOW + 90, cached=9000, told=10)
AWAY = Stay(account="c", since=20, node="m", warm_until=NOW + 200, cached=9200, told=25)
AT_HOME = Pin(key="k", epoch=3, home=HOME, current=HOME)
GONE_OUT = Pin(key="k", epoch=3, home=HOME, current=AWAY)
BEGUN = Stay(account="x", since=50, node="n", warm_until=NOW + HELD)


def place(pin: Pin | None, kind: Kind, account: str) -> Pin:
    return placed(pin, "k", Decision(kind=kind, reason="free"), account, AT)


def test_a_new_session_is_bound_and_held() -> None:
    """Nothing is cached yet, and it is not cold before its first answer can tell."""
    assert Pin(key="k", epoch=0, home=BEGUN, current=BEGUN) == place(None, "new", "x")


@pytest.mark.parametrize(
    ("pin", "kind", "account"), [(AT_HOME, "stay", "h"), (AT_HOME, "wait", "h"), (GONE_OUT, "stay", "c")]
)
def test_a_turn_that_stays_changes_nothing(pin: Pin, kind: Kind, account: str) -> None:
    """So nothing has to be written before its answer."""
    assert place(pin, kind, account) is pin


def test_a_move_keeps_the_home() -> None:
    """Also from one account away to the next, and where another account was taken than was meant."""
    moved = Pin(key="k", epoch=3, home=HOME, current=BEGUN)
    assert [moved] * 4 == [
        place(pin, kind, "x")
        for pin, kind in [(AT_HOME, "move"), (GONE_OUT, "move"), (AT_HOME, "stay"), (GONE_OUT, "home")]
    ]


@pytest.mark.parametrize("kind", ["home", "wait", "move"])
def test_a_return_brings_back_what_home_holds(kind: Kind) -> None:
    """The current stay is later than all others, so that it wins wherever it is heard."""
    back = place(GONE_OUT, kind, "h")
    current = Stay(account="h", since=50, node="n", warm_until=NOW + 90, cached=9000, told=10)
    assert Pin(key="k", epoch=3, home=HOME, current=current) == back == merged(back, GONE_OUT)
    assert not back.away


def test_a_new_home_begins_an_epoch() -> None:
    """With what is cached there, if it was known before."""
    fresh = place(GONE_OUT, "rehome", "x")
    assert Pin(key="k", epoch=4, home=BEGUN, current=BEGUN) == fresh == merged(GONE_OUT, fresh)
    settled = place(GONE_OUT, "rehome", "c")
    stay = Stay(account="c", since=50, node="n", warm_until=NOW + 200, cached=9200, told=25)
    assert Pin(key="k", epoch=4, home=stay, current=stay) == settled == merged(settled, GONE_OUT)


def test_a_session_gone_cold_begins_anew_at_the_same_account_too() -> None:
    """It is held there until its answer, so that a second turn at once finds it."""
    cold = Pin(key="k", epoch=0, home=Stay(account="x", since=1, node="m", cached=5, told=2), current=AWAY)
    assert Pin(key="k", epoch=1, home=BEGUN, current=BEGUN) == place(cold, "rehome", "x")


RULE = CacheRule(life=300.0, silent=False)


def hear(pin: Pin, account: str) -> Pin:
    usage = Usage(uncached_input=10, cache_read=9000, cache_write_5m=400)
    return answered(pin, account, usage, sent=NOW, told=60, rule=RULE)


def test_an_answer_is_told_of_the_account_that_gave_it() -> None:
    """At home it is told of both places, so that neither is older than the other."""
    told = hear(AT_HOME, "h")
    assert (9400, 9400, 1300.0) == (told.home.cached, told.current.cached, told.home.warm_until)
    out = hear(GONE_OUT, "c")
    assert (HOME, 9400, 60) == (out.home, out.current.cached, out.current.told)
    assert GONE_OUT == hear(GONE_OUT, "elsewhere")


@pytest.mark.parametrize(
    ("before", "account", "word"),
    [
        (None, None, "none"),
        (None, "x", "new"),
        (AT_HOME, "h", "home"),
        (AT_HOME, "x", "moved"),
        (GONE_OUT, "h", "home"),
        (GONE_OUT, "c", "away"),
        (GONE_OUT, "x", "moved"),
    ],
)
def test_the_word_for_a_client(before: Pin | None, account: str | None, word: str) -> None:
    """As the contract lists them."""
    assert word == placement(before, account)


def test_a_session_that_is_forgotten_begins_anew() -> None:
    """Whatever is told of it late; nothing of what was cached counts, and its next turn is the first."""
    nowhere = forgotten(GONE_OUT, AT)
    assert (True, NOW + 200) == (nowhere.forgotten, nowhere.current.warm_until)
    late = [
        GONE_OUT,
        placed(AT_HOME, "k", Decision(kind="rehome", reason="cold"), "x", Instant(hlc=49, node="z", now=NOW)),
    ]
    assert [nowhere] * 4 == [merged(*pair) for each in late for pair in ((nowhere, each), (each, nowhere))]
    for fixed in (None, frozenset({"h"})):
        said = decide(nowhere, NOW, lambda account: Standing(0.0), Terms(fixed=fixed))
        assert ("new", 0) == (said.kind, said.expected)
    later = Instant(hlc=60, node="n", now=NOW)
    anew = placed(nowhere, "k", Decision(kind="new", reason="unknown"), "x", later)
    begun = Stay(account="x", since=60, node="n", warm_until=NOW + HELD)
    assert Pin(key="k", epoch=nowhere.epoch + 1, home=begun, current=begun) == anew
    assert [anew, anew] == [merged(anew, nowhere), merged(merged(anew, GONE_OUT), nowhere)]


def test_what_is_changed_wins_over_what_a_clock_that_is_ahead_told() -> None:
    """Whoever changes a pin knows what it was."""
    behind = Instant(hlc=2, node="n", now=NOW)
    nowhere = forgotten(GONE_OUT, behind)
    assert nowhere == merged(nowhere, GONE_OUT)
    for kind, account in (("move", "x"), ("home", "h"), ("rehome", "x")):
        changed = placed(GONE_OUT, "k", Decision(kind=kind, reason="free"), account, behind)  # type: ignore[arg-type]
        assert (changed, account) == (merged(changed, GONE_OUT), changed.current.account)


def test_who_has_not_heard_yet_that_a_session_is_forgotten_moves_it() -> None:
    """Then it is where it was served last, and its home is gone: that is what it gets a new one for."""
    both = merged(forgotten(AT_HOME, AT), moved(AT_HOME, "x", Instant(hlc=70, node="z", now=NOW)))
    standing = {"": Standing(None, "removed"), "x": Standing(0.0)}
    said = decide(both, NOW, standing.__getitem__, Terms())
    assert (False, "x", "rehome", "x") == (both.forgotten, both.current.account, said.kind, said.account)
