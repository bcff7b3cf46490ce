"""What hangs on what between records, so that a change looks only at what it may concern.

Only records that are sound by themselves are in here. Most texts have one key, so that these are kept apart from the
few that have several: ten thousand sets of one would be ten thousand objects for the garbage collector to walk.
"""

from __future__ import annotations

from collections import Counter
from typing import TypeVar

import msgspec

from llmgw_control.sources import Ref
from llmgw_domain import Account, ClientKey, Model, Provider
from llmgw_domain.prices import Price


class Links:
    """`dirty` are the records whose verdict may have changed; `kinds` says of each pool with accounts which it has."""

    def __init__(self) -> None:
        self.dirty: set[Ref] = set()
        self.kinds: dict[str, Provider] = {}
        self._accounts: dict[str, dict[str, Provider]] = {}
        self._counts: dict[str, Counter[Provider]] = {}
        self._models: dict[str, set[str]] = {}
        self._fallbacks: dict[str, set[str]] = {}
        self._names: set[str] = set()
        self._patterns: dict[str, Model] = {}
        self._came_or_went: set[str] = set()
        self._prices: dict[_Tariff, set[str]] = {}
        self._keys: dict[str, set[str]] = {}
        self._texts: dict[bytes, str] = {}
        self._shared: dict[bytes, set[str]] = {}

    def add(self, ref: Ref, form: msgspec.Struct) -> None:
        match form:
            case Account(pool=pool, provider=provider):
                self._accounts.setdefault(pool, {})[ref[1]] = provider
                self._counts.setdefault(pool, Counter())[provider] += 1
                self._settle_pool(pool)
            case Model():
                self._add_model(form)
            case ClientKey(policy=policy, digest=digest):
                self._keys.setdefault(policy, set()).add(ref[1])
                self._add_text(digest, ref[1])
            case Price():
                self._prices.setdefault(_tariff(form), set()).add(form.id)
                self.dirty |= {("price", each) for each in self.same_price(form)}

    def remove(self, ref: Ref, form: msgspec.Struct) -> None:
        match form:
            case Account(pool=pool, provider=provider):
                del self._accounts[pool][ref[1]]
                self._counts[pool][provider] -= 1
                self._settle_pool(pool)
            case Model():
                self._remove_model(form)
            case ClientKey(policy=policy, digest=digest):
                _discard(self._keys, policy, ref[1])
                self._remove_text(digest, ref[1])
            case Price():
                self.dirty |= {("price", each) for each in self.same_price(form)}
                _discard(self._prices, _tariff(form), form.id)

    def of_policy(self, policy: str) -> set[Ref]:
        """The keys that name a policy."""
        return {("key", each) for each in self._keys.get(policy, ())}

    def same_text(self, digest: bytes) -> set[str]:
        """The keys of one text, where these are several."""
        return self._shared.get(digest, set())

    def same_price(self, price: Price) -> set[str]:
        """The prices for the same models from the same day on."""
        return self._prices.get(_tariff(price), set())

    # --- models and their fallbacks -----------------------------------------------------------------------------------

    def has_model(self, name: str) -> bool:
        """Whether a client that asks for this name is served by a model, be it a pattern."""
        return name in self._names or any(model.match(name) is not None for model in self._patterns.values())

    def settle_names(self) -> None:
        """A model that came or went since this was called last concerns those that fall back on it."""
        for name in self._came_or_went:
            self.dirty |= {("model", each) for each in self._falling_back_on(name)}
        self._came_or_went.clear()

    def _falling_back_on(self, name: str) -> set[str]:
        if "*" not in name:
            return self._fallbacks.get(name, set())
        pattern = Model(name=name, targets=())
        return {each for asked, names in self._fallbacks.items() if pattern.match(asked) is not None for each in names}

    def _add_model(self, model: Model) -> None:
        for target in model.targets:
            self._models.setdefault(target.pool, set()).add(model.name)
        for fallback in model.fallbacks:
            self._fallbacks.setdefault(fallback.model, set()).add(model.name)
        if model.is_pattern:
            self._patterns[model.name] = model
        else:
            self._names.add(model.name)
        # One that only changes went and came, which is nothing.
        self._came_or_went ^= {model.name}

    def _remove_model(self, model: Model) -> None:
        for pool in {target.pool for target in model.targets}:
            _discard(self._models, pool, model.name)
        for fallback in model.fallbacks:
            _discard(self._fallbacks, fallback.model, model.name)
        if model.is_pattern:
            del self._patterns[model.name]
        else:
            self._names.remove(model.name)
        self._came_or_went ^= {model.name}

    # --- pools --------------------------------------------------------------------------------------------------------

    def _settle_pool(self, pool: str) -> None:
        """A pool whose kind changes concerns all of its accounts, and the models that lead there."""
        kind = self._kind(pool)
        if kind is self.kinds.get(pool):
            return
        if kind is None:
            del self.kinds[pool], self._accounts[pool], self._counts[pool]
        else:
            self.kinds[pool] = kind
        self.dirty |= {("account", each) for each in self._accounts.get(pool, ())}
        self.dirty |= {("model", name) for name in self._models.get(pool, ())}

    def _kind(self, pool: str) -> Provider | None:
        """The kind that most of its accounts have; of equals, that of the first id."""
        counts = self._counts[pool]
        most = max(counts.values())
        kinds = [kind for kind, count in counts.items() if count == most]
        if most == 0:
            return None
        if len(kinds) == 1:
            return kinds[0]
        members = self._accounts[pool]
        return members[min(each for each, kind in members.items() if kind in kinds)]

    # --- texts of keys ------------------------------------------------------------------------------------------------

    def _add_text(self, digest: bytes, id: str) -> None:
        shared = self._shared.get(digest)
        if shared is None:
            first = self._texts.setdefault(digest, id)
            if first == id:
                return
            shared = self._shared[digest] = {first}
        shared.add(id)
        self.dirty |= {("key", each) for each in shared}

    def _remove_text(self, digest: bytes, id: str) -> None:
        shared = self._shared.get(digest)
        if shared is None:
            del self._texts[digest]
            return
        shared.discard(id)
        self.dirty |= {("key", each) for each in shared}
        if len(shared) == 1:
            self._texts[digest] = next(iter(shared))
            del self._shared[digest]


_T = TypeVar("_T")
_Tariff = tuple[Provider, str, int]


def _tariff(price: Price) -> _Tariff:
    return price.provider, price.model, price.effective_from


def _discard(sets: dict[_T, set[str]], name: _T, member: str) -> None:
    sets[name].discard(member)
    if not sets[name]:
        del sets[name]
