"""What hangs on what between records, so that a change looks only at what it may concern.

Only records that are sound by themselves are in here. Most texts have one key, so that these are kept apart from the
few that have several: ten thousand sets of one would be ten thousand objects for the garbage collector to walk.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from llmgw_control.sources import Ref
from llmgw_domain import Account, ClientKey, Model, Provider


class Links:
    """`dirty` are the records whose verdict may have changed; `kinds` says of each pool with accounts which it has."""

    def __init__(self) -> None:
        self.dirty: set[Ref] = set()
        self.kinds: dict[str, Provider] = {}
        self._accounts: dict[str, dict[str, Provider]] = {}
        self._counts: dict[str, Counter[Provider]] = {}
        self._models: dict[str, set[str]] = {}
        self._keys: dict[str, set[str]] = {}
        self._texts: dict[bytes, str] = {}
        self._shared: dict[bytes, set[str]] = {}

    def add(self, ref: Ref, form: msgspec.Struct) -> None:
        match form:
            case Account(pool=pool, provider=provider):
                self._accounts.setdefault(pool, {})[ref[1]] = provider
                self._counts.setdefault(pool, Counter())[provider] += 1
                self._settle_pool(pool)
            case Model(targets=targets):
                for target in targets:
                    self._models.setdefault(target.pool, set()).add(ref[1])
            case ClientKey(policy=policy, digest=digest):
                self._keys.setdefault(policy, set()).add(ref[1])
                self._add_text(digest, ref[1])

    def remove(self, ref: Ref, form: msgspec.Struct) -> None:
        match form:
            case Account(pool=pool, provider=provider):
                del self._accounts[pool][ref[1]]
                self._counts[pool][provider] -= 1
                self._settle_pool(pool)
            case Model(targets=targets):
                for pool in {target.pool for target in targets}:
                    _discard(self._models, pool, ref[1])
            case ClientKey(policy=policy, digest=digest):
                _discard(self._keys, policy, ref[1])
                self._remove_text(digest, ref[1])

    def of_policy(self, policy: str) -> set[Ref]:
        """The keys that name a policy."""
        return {("key", each) for each in self._keys.get(policy, ())}

    def same_text(self, digest: bytes) -> set[str]:
        """The keys of one text, where these are several."""
        return self._shared.get(digest, set())

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
        first = self._texts.setdefault(digest, id)
        if first != id:
            shared = self._shared.setdefault(digest, {first})
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


def _discard(sets: dict[str, set[str]], name: str, member: str) -> None:
    sets[name].discard(member)
    if not sets[name]:
        del sets[name]
