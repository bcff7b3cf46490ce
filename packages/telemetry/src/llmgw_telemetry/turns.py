"""What sessions and their caches come to in numbers: turns by placement, cached tokens expected, found and lost.

Lost tokens have their price: an uncached token's less a cached one's. Where nobody said what the model costs nothing is
counted, because a guess in a sum can't be told from the rest.
"""

from __future__ import annotations

from typing import Any

from llmgw_domain import Provider
from llmgw_domain.prices import Prices
from llmgw_relay.facts import CallSettled, SessionFacts
from llmgw_telemetry.metrics import Metrics

_NANOS = 1e9
"""A dollar's."""


class Turns:
    """The metrics of sessions. `prices` are those that count from now on."""

    def __init__(self, metrics: Metrics) -> None:
        self.prices = Prices()
        self._turns = metrics.counter(
            "gateway_session_turns_total", "Turns of sessions by where they were served.", ("placement",)
        )
        self._elsewhere = metrics.counter(
            "gateway_session_elsewhere_total",
            "Sessions that were new here and warm all the same: others serve them too.",
        ).of()
        self._expected = metrics.counter(
            "gateway_cache_expected_tokens_total", "Tokens that the warm caches of sessions held of what was asked."
        ).of()
        self._observed = metrics.counter(
            "gateway_cache_observed_tokens_total", "Tokens that turns of sessions read from a cache."
        ).of()
        self._lost = metrics.counter(
            "gateway_cache_lost_tokens_total", "Tokens that were cached once and had to be read anew.", ("cause",)
        )
        self._lost_usd = metrics.counter(
            "gateway_cache_lost_usd_total", "What that cost, for models whose price is known.", ("cause",)
        )

    def count(self, fact: CallSettled) -> None:
        """Counts the call's turn of its session, if it was one."""
        session = fact.session
        if session is None:
            return
        self._turns.of(session.placement).inc()
        self._elsewhere.inc(session.elsewhere)
        # Of a turn that told nothing of the cache, what was expected can't be held against what was found.
        if session.observed is not None:
            self._expected.inc(session.expected)
            self._observed.inc(session.observed)
        if session.lost and session.cause:
            self._lost.of(session.cause).inc(session.lost)
            self._count_money(fact, session.lost, session.cause)

    def _count_money(self, fact: CallSettled, tokens: int, cause: str) -> None:
        if fact.provider is None or fact.target_model is None:
            return
        price = self.prices.of(Provider(fact.provider), fact.target_model, fact.at)
        if price is not None and price.uncached_input > price.cache_read:
            self._lost_usd.of(cause).inc(tokens * (price.uncached_input - price.cache_read) / _NANOS)


def of_turn(session: SessionFacts | None) -> dict[str, Any]:
    """The fields that a turn adds to a request's log line."""
    if session is None:
        return {}
    return {
        "session": session.key,
        "placement": session.placement,
        "reason": session.reason,
        "cache_expected": session.expected or None,
        "cache_lost": session.lost or None,
        "cache_cause": session.cause,
    }
