import msgspec
import pytest

from llmgw_domain import Provider
from llmgw_domain.prices import Price, Prices, TokenPrices
from llmgw_relay.facts import CallSettled, SessionFacts
from llmgw_telemetry import Metrics, Totals, text
from llmgw_telemetry.turns import Turns, of_turn

COSTS = TokenPrices(uncached_input=3000, output=15000, cache_read=300, cache_write_5m=3750, cache_write_1h=6000)


def prices(model="claude", costs=COSTS, effective_from=0):
    return Prices(
        [Price(id="p", provider=Provider.ANTHROPIC, model=model, effective_from=effective_from, prices=costs)]
    )


CALL = CallSettled(
    call="c",
    request_id="r",
    at=100.0,
    tenant="t",
    key="k",
    dialect="messages",
    model="sonnet",
    stream=True,
    outcome="ok",
    status=200,
    attempts=1,
    duration=1.0,
    account="a",
    provider="anthropic",
    target_model="claude",
)


def turn(**session):
    facts = SessionFacts(**{"key": "5e", "placement": "home", "reason": "free", "observed": 0, **session})
    return msgspec.structs.replace(CALL, session=facts)


def counted(*facts, prices=None):
    metrics = Metrics()
    turns = Turns(metrics)
    turns.prices = prices or Prices()
    for fact in facts:
        turns.count(fact)
    return metrics.collect()


def samples(collected, name):
    return [line for line in text(collected).decode().splitlines() if line.startswith(name)]


def test_turns_are_counted_by_placement():
    """Each turn counts once, where it was served; a call without a session is no turn."""
    found = counted(turn(), turn(), turn(placement="moved"), CALL)
    assert [
        'gateway_session_turns_total{placement="home"} 2',
        'gateway_session_turns_total{placement="moved"} 1',
    ] == samples(found, "gateway_session_turns")


def test_sessions_that_others_serve_too_are_counted():
    """Once each."""
    found = counted(turn(elsewhere=True), turn(), turn(elsewhere=True))
    assert ["gateway_session_elsewhere_total 2"] == samples(found, "gateway_session_elsewhere")


def test_expected_is_set_against_observed():
    """Both count for turns that told of their cache; of a turn that broke off, neither does."""
    found = counted(turn(expected=900, observed=800), turn(expected=5000, observed=None))
    assert ["gateway_cache_expected_tokens_total 900"] == samples(found, "gateway_cache_expected")
    assert ["gateway_cache_observed_tokens_total 800"] == samples(found, "gateway_cache_observed")


def test_what_is_lost_is_counted_by_cause():
    """In tokens, and in dollars by what an uncached token costs more than a cached one."""
    found = counted(turn(lost=2_000_000, cause="cooldown"), turn(lost=10, cause="drain"), turn(), prices=prices())
    assert [
        'gateway_cache_lost_tokens_total{cause="cooldown"} 2000000',
        'gateway_cache_lost_tokens_total{cause="drain"} 10',
    ] == samples(found, "gateway_cache_lost_tokens")
    assert [
        'gateway_cache_lost_usd_total{cause="cooldown"} 5.4',
        'gateway_cache_lost_usd_total{cause="drain"} 2.7e-05',
    ] == samples(found, "gateway_cache_lost_usd")


@pytest.mark.parametrize(
    "prices",
    [
        Prices(),
        prices(model="another"),
        prices(effective_from=101),
        prices(costs=msgspec.structs.replace(COSTS, cache_read=3000)),
        prices(costs=msgspec.structs.replace(COSTS, cache_read=4000)),
    ],
    ids=["no prices", "not of this model", "not yet", "caches at full price", "caches dearer"],
)
def test_a_price_that_is_not_known_is_not_guessed(prices):
    """Without a price at that time, or where a cached token costs no less, tokens count and money does not."""
    found = counted(turn(lost=10, cause="full"), prices=prices)
    assert (1, []) == (len(samples(found, "gateway_cache_lost_tokens")), samples(found, "gateway_cache_lost_usd"))


def test_workers_turns_add_up():
    """What several workers counted is one sum, also after one of them has ended."""
    totals = Totals()
    totals.put("w0", counted(turn(lost=10, cause="full"), prices=prices()))
    totals.put("w1", counted(turn(lost=30, cause="full"), prices=prices()))
    totals.gone("w0")
    found = totals.collect()
    assert ['gateway_session_turns_total{placement="home"} 2'] == samples(found, "gateway_session_turns")
    assert ['gateway_cache_lost_tokens_total{cause="full"} 40'] == samples(found, "gateway_cache_lost_tokens")
    assert ['gateway_cache_lost_usd_total{cause="full"} 0.000108'] == samples(found, "gateway_cache_lost_usd")


def test_a_call_without_a_session_adds_nothing_to_its_line():
    """Only turns have fields of turns."""
    assert {} == of_turn(None)
