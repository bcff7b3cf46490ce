"""Tokens that were cached and had to be read anew, by what they were lost to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_affinity import Decision, Pin, Stay, lost
from llmgw_affinity.decide import Cause, Kind, Trouble
from llmgw_affinity.loss import Loss
from llmgw_domain import Usage

NOW = 1000.0


def stay(account: str, cached: int, warm: bool = True) -> Stay:
    return Stay(account=account, since=1, node="n", cached=cached, warm_until=NOW + (9 if warm else -9), told=1)


def pin(home: Stay, current: Stay | None = None) -> Pin:
    return Pin(key="k", epoch=0, home=home, current=current or home)


WARM = pin(stay("h", 9000))
COLD = pin(stay("h", 9000, warm=False))
OUT = pin(stay("h", 8000), stay("c", 9000))
OUT_LESS = pin(stay("h", 9000), stay("c", 2000))


@pytest.mark.parametrize(
    ("before", "kind", "trouble", "account", "read", "expected"),
    [
        (None, "new", "", "h", 700, (0, 700, 0, "")),
        (WARM, "stay", "", "h", 9000, (9000, 9000, 0, "")),
        (WARM, "stay", "", "h", 9500, (9000, 9500, 0, "")),
        (WARM, "stay", "", "h", 4000, (9000, 4000, 5000, "expiry")),
        (WARM, "wait", "cooldown", "h", 0, (9000, 0, 9000, "expiry")),
        (WARM, "move", "cooldown", "x", 0, (9000, 0, 9000, "cooldown")),
        (WARM, "move", "failed", "x", 2000, (9000, 2000, 7000, "cooldown")),
        (WARM, "move", "full", "x", 0, (9000, 0, 9000, "full")),
        (WARM, "move", "herd", "x", 0, (9000, 0, 9000, "herd")),
        (WARM, "rehome", "drain", "x", 0, (9000, 0, 9000, "drain")),
        (WARM, "rehome", "removed", "x", 0, (9000, 0, 9000, "removal")),
        (WARM, "rehome", "disabled", "x", 0, (9000, 0, 9000, "removal")),
        (WARM, "stay", "", "x", 0, (9000, 0, 9000, "full")),
        (COLD, "rehome", "", "h", 0, (0, 0, 9000, "expiry")),
        (COLD, "rehome", "", "h", 9000, (0, 9000, 0, "")),
        (OUT, "home", "", "h", 8000, (9000, 8000, 1000, "return")),
        (OUT, "home", "", "h", 0, (9000, 0, 9000, "expiry")),
        (OUT, "stay", "cooldown", "c", 9000, (9000, 9000, 0, "")),
        (OUT_LESS, "stay", "cooldown", "c", 2000, (9000, 2000, 7000, "cooldown")),
        (OUT_LESS, "stay", "cooldown", "c", 0, (9000, 0, 9000, "expiry")),
    ],
)
def test_what_a_turn_lost(
    before: Pin | None, kind: Kind, trouble: Trouble, account: str, read: int, expected: tuple[int, int, int, Cause]
) -> None:
    """Expected is what the warm caches had; an account that lost what it had is told from a session that left it."""
    usage = Usage(uncached_input=20_000 - read, cache_read=read)
    loss = lost(before, Decision(kind=kind, reason="free", trouble=trouble), account, usage, NOW)
    assert expected == (loss.expected, loss.observed, loss.tokens, loss.cause)


def test_a_shorter_prompt_is_another_one() -> None:
    """Nobody knows what of it was cached, so nothing is said to be lost."""
    usage = Usage(uncached_input=100, cache_read=400)
    assert Loss(expected=400, observed=400, tokens=0, cause="") == lost(
        WARM, Decision(kind="move", reason="waits_too_long", trouble="cooldown"), "x", usage, NOW
    )


def test_an_estimate_tells_of_no_loss() -> None:
    """A call that was cut off may have read the cache without saying."""
    usage = Usage(uncached_input=20_000, provenance="estimated")
    assert Loss(expected=0, observed=0, tokens=0, cause="") == lost(
        WARM, Decision(kind="stay", reason="free"), "h", usage, NOW
    )


stays = st.builds(stay, st.sampled_from("hc"), st.integers(0, 9000), st.booleans())


@given(stays, stays, st.sampled_from(["stay", "home", "move", "rehome"]), st.sampled_from("hcx"),
       st.integers(0, 9000), st.integers(0, 9000))  # fmt: skip
def test_a_loss_has_a_cause(home: Stay, current: Stay, kind: Kind, account: str, fresh: int, read: int) -> None:
    """And is never negative, nor more than the prompt."""
    usage = Usage(uncached_input=fresh, cache_read=read)
    loss = lost(pin(home, current), Decision(kind=kind, reason="free"), account, usage, NOW)
    assert 0 <= loss.tokens <= fresh
    assert loss.expected <= usage.input
    assert bool(loss.tokens) is bool(loss.cause)
    assert loss.tokens >= loss.expected - loss.observed
