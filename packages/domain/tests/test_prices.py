from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_domain import Provider, Usage
from llmgw_domain.prices import Price, Prices, TokenPrices


def tokens(each: int) -> TokenPrices:
    return TokenPrices(uncached_input=each, output=0, cache_read=0, cache_write_5m=0, cache_write_1h=0)


def price(name: str, model: str, each: int, since: int = 0, provider: Provider = Provider.OPENAI) -> Price:
    return Price(id=name, provider=provider, model=model, effective_from=since, prices=tokens(each))


def test_a_cost_is_the_sum_over_the_kinds_of_tokens() -> None:
    """Each kind at its own price, in whole nano-USD."""
    prices = TokenPrices(
        uncached_input=3_000, output=15_000, cache_read=300, cache_write_5m=3_750, cache_write_1h=6_000
    )
    usage = Usage(uncached_input=1, output=2, cache_read=1_000, cache_write_5m=4, cache_write_1h=5, reasoning=2)
    assert 3_000 + 30_000 + 300_000 + 15_000 + 30_000 == prices.cost(usage)
    assert 0 == prices.cost(Usage())


@pytest.mark.parametrize(
    ("model", "at", "expected"),
    [
        ("gpt-5", 0, None),
        ("gpt-5", 10, 1),
        ("gpt-5", 19.9, 1),
        ("gpt-5", 20, 2),
        ("gpt-5-mini", 20, 3),
        ("gpt-5-mini-2026", 20, 4),
        ("gpt-4.1", 20, 5),
        ("o3", 20, None),
    ],
)
def test_the_most_specific_name_counts_then_the_latest_day(model: str, at: float, expected: int | None) -> None:
    """A price counts from its moment on; a narrower name goes before a wider one, however old it is."""
    prices = Prices(
        [
            price("a", "gpt-5", 1, 10),
            price("b", "gpt-5", 2, 20),
            price("c", "gpt-5*", 3, 15),
            price("d", "gpt-5*-2026", 4, 5),
            price("e", "gpt-*", 5, 20),
        ]
    )
    found = prices.of(Provider.OPENAI, model, at)
    assert expected == (None if found is None else found.uncached_input)


def test_a_star_stands_for_nothing_too() -> None:
    """And its two sides don't overlap."""
    prices = Prices([price("a", "gpt-5*", 1), price("b", "ab*ba", 2)])
    assert tokens(1) == prices.of(Provider.OPENAI, "gpt-5", 0)
    assert tokens(2) == prices.of(Provider.OPENAI, "abba", 0)
    assert prices.of(Provider.OPENAI, "aba", 0) is None


def test_a_provider_has_its_own_prices() -> None:
    """The same name at another provider says nothing."""
    prices = Prices([price("a", "*", 1, provider=Provider.AZURE)])
    assert tokens(1) == prices.of(Provider.AZURE, "gpt-5", 0)
    assert prices.of(Provider.OPENAI, "gpt-5", 0) is None


PRICES = st.builds(
    price,
    st.sampled_from("abcd"),
    st.sampled_from(["m", "m*", "n"]),
    st.integers(1, 9),
    st.integers(0, 3),
    st.sampled_from([Provider.OPENAI, Provider.GOOGLE]),
)


@given(st.lists(st.lists(st.one_of(PRICES, st.sampled_from("abcd")), max_size=3), max_size=6))
def test_derived_prices_are_those_of_afresh(steps: list[list[Price | str]]) -> None:
    """Whatever is put in place and taken out, and whatever moves to another name or provider on the way."""
    made, left = Prices(), dict[str, Price]()
    for step in steps:
        changes = {each: None for each in step if isinstance(each, str)}
        changes |= {each.id: each for each in step if isinstance(each, Price)}  # type: ignore[dict-item]
        made = made.after(changes)
        for name, each in changes.items():
            left.pop(name, None)
            if each is not None:
                left[name] = each
    fresh = Prices(left.values())
    assert (fresh, len(left)) == (made, len(made))
    for provider in (Provider.OPENAI, Provider.GOOGLE):
        for model in ("m", "mm", "n", "x"):
            for at in range(4):
                assert fresh.of(provider, model, at) == made.of(provider, model, at)


def test_what_a_change_does_not_touch_is_shared() -> None:
    """Another provider's list is the same object, and the prices of before say what they said."""
    before = Prices([price("a", "m", 1), price("b", "m", 1, provider=Provider.GOOGLE)])
    after = before.after({"a": price("a", "m", 2)})
    assert before._lists[Provider.GOOGLE] is after._lists[Provider.GOOGLE]
    assert (tokens(1), tokens(2)) == (before.of(Provider.OPENAI, "m", 0), after.of(Provider.OPENAI, "m", 0))
