"""What tokens cost: which price counts for a model at a moment, and what an answer's usage comes to.

Money is nano-USD in whole numbers: a dollar for a million tokens is 1000 for one token, and sums are exact.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from llmgw_domain.accounts import Provider
from llmgw_domain.usage import Usage


class TokenPrices(msgspec.Struct, frozen=True, kw_only=True):
    """What a token costs, in nano-USD, by the kinds that `Usage` has."""

    uncached_input: int
    output: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int

    def cost(self, usage: Usage) -> int:
        """What the tokens of an answer cost together, in nano-USD."""
        return (
            self.uncached_input * usage.uncached_input
            + self.output * usage.output
            + self.cache_read * usage.cache_read
            + self.cache_write_5m * usage.cache_write_5m
            + self.cache_write_1h * usage.cache_write_1h
        )


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider's models cost from a moment on, in seconds since 1970.

    `model` is the provider's own name; a `*` in it stands for anything, nothing included.
    """

    id: str
    provider: Provider
    model: str
    effective_from: int
    prices: TokenPrices


class Prices:
    """Every price, by provider and model. It never changes: `after` gives others, and shares what they have in common.

    Prices are sought by the provider's own model names, some of which clients make up (behind a star), so that nothing
    is remembered of what was asked for.
    """

    __slots__ = ("_by_id", "_lists")

    def __init__(self, prices: Iterable[Price] = ()) -> None:
        self._by_id: dict[str, Price] = {}
        self._lists: dict[Provider, _PriceList] = {}
        self._put({price.id: price for price in prices})

    def of(self, provider: Provider, model: str, at: float) -> TokenPrices | None:
        """What a model costs at a moment, in seconds since 1970; None where nobody said.

        Of the prices that began by then, the one of the most specific name counts: the model's own, else the longest
        with a star that covers it. Of several under one name it is the latest.
        """
        held = self._lists.get(provider)
        return None if held is None else held.of(model, at)

    def after(self, changes: Mapping[str, Price | None]) -> Prices:
        """With these put in place by their ids, and those that are None taken out."""
        made = Prices.__new__(Prices)
        made._by_id, made._lists = self._by_id.copy(), self._lists.copy()
        made._put(changes)
        return made

    def _put(self, changes: Mapping[str, Price | None]) -> None:
        touched: dict[Provider, set[str]] = {}
        for name, price in changes.items():
            old = self._by_id.pop(name, None)
            if price is not None:
                self._by_id[name] = price
            for each in (old, price):
                if each is not None:
                    touched.setdefault(each.provider, set()).add(each.model)
        new = [price for price in changes.values() if price is not None]
        for provider, models in touched.items():
            held = self._lists.get(provider, _EMPTY)
            mine = [price for price in new if price.provider is provider]
            self._lists[provider] = held.after(models, changes.keys(), mine)

    def __len__(self) -> int:
        return len(self._by_id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Prices) and other._by_id == self._by_id

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Prices: {len(self)}>"


class _PriceList:
    """One provider's prices: by name, the latest first. `starred` are the names with a star, most specific first."""

    __slots__ = ("_by_model", "_starred")

    def __init__(self, by_model: dict[str, tuple[Price, ...]]) -> None:
        self._by_model = by_model
        self._starred = sorted((name for name in by_model if "*" in name), key=lambda name: (-len(name), name))

    def of(self, model: str, at: float) -> TokenPrices | None:
        for name in (model, *self._starred):
            if name == model or _covers(name, model):
                for price in self._by_model.get(name, ()):
                    if price.effective_from <= at:
                        return price.prices
        return None

    def after(self, models: Iterable[str], gone: Collection[str], new: Iterable[Price]) -> _PriceList:
        """With the `new` ones in place of those whose ids are `gone`; `models` names every one that is concerned."""
        by_model = self._by_model.copy()
        for model in models:
            kept = [price for price in by_model.pop(model, ()) if price.id not in gone]
            kept += [price for price in new if price.model == model]
            if kept:
                by_model[model] = tuple(sorted(kept, key=lambda price: (-price.effective_from, price.id)))
        return _PriceList(by_model)


_EMPTY = _PriceList({})


def _covers(pattern: str, model: str) -> bool:
    head, _, tail = pattern.partition("*")
    return len(model) >= len(head) + len(tail) and model.startswith(head) and model.endswith(tail)
