"""The immutable snapshot that a request is served from.

A `Catalog` is compiled once by `control` and published by one reference assignment; readers take the reference once
and keep it to the end of their request, so no request ever sees half a change. It holds dicts by name for every look-up
on the hot path and never changes after construction.
"""

from __future__ import annotations

import difflib
import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from llmgw_domain.accounts import Account
from llmgw_domain.errors import KeyNotAllowed, UnknownKey, UnknownModel
from llmgw_domain.keys import ClientKey, Policy, Tenant
from llmgw_domain.models import Model, Target


class Candidate(msgspec.Struct, frozen=True):
    """An account that could serve a call, with the provider's name of the model there."""

    account: Account
    model: str
    target: Target


class Route(msgspec.Struct, frozen=True):
    """What a requested model name leads to: candidates in tiers, lowest priority first."""

    model: Model
    tiers: tuple[tuple[Candidate, ...], ...]

    @classmethod
    def of(cls, model: Model, star: str, pools: Mapping[str, Sequence[Account]]) -> Route:
        """The route of a model, with what its star matched."""
        tiers: dict[int, list[Candidate]] = {}
        for target in model.targets:
            wanted = target.model.replace("*", star)
            tier = tiers.setdefault(target.priority, [])
            accounts = pools.get(target.pool, ())
            tier.extend(Candidate(_patient(account, model), wanted, target) for account in accounts)
        return cls(model, tuple(tuple(tiers[p]) for p in sorted(tiers)))

    def __iter__(self) -> Iterator[Candidate]:
        for tier in self.tiers:
            yield from tier


def _patient(account: Account, model: Model) -> Account:
    """The account with the deadlines that the model sets."""
    if not model.deadlines:
        return account
    deadlines = msgspec.structs.replace(account.deadlines, **model.deadlines)
    return msgspec.structs.replace(account, deadlines=deadlines)


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a worker needs to know to serve requests; see the module's text."""

    version: str
    tenants: dict[str, Tenant]
    accounts: dict[str, Account]
    pools: dict[str, tuple[Account, ...]]
    models: dict[str, Model]
    patterns: tuple[Model, ...]
    routes: dict[str, Route]
    """Ready for every exact name; what a pattern leads to depends on the name that was asked for."""
    keys: dict[bytes, ClientKey]
    policies: dict[str, Policy]

    @classmethod
    def of(
        cls,
        *,
        version: str,
        accounts: Iterable[Account] = (),
        models: Iterable[Model] = (),
        keys: Iterable[ClientKey] = (),
        policies: Iterable[Policy] = (),
        tenants: Iterable[Tenant] = (),
    ) -> Catalog:
        """Indexes records into a catalog. References are taken as checked: `control` compiles, this only arranges."""
        by_id = {a.id: a for a in accounts}
        pools: dict[str, tuple[Account, ...]] = {}
        for account in by_id.values():
            pools[account.pool] = (*pools.get(account.pool, ()), account)
        every = list(models)
        exact = {m.name: m for m in every if not m.is_pattern}
        return cls(
            version=version,
            tenants={t.id: t for t in tenants},
            accounts=by_id,
            pools=pools,
            models=exact,
            routes={name: Route.of(model, "", pools) for name, model in exact.items()},
            # The longest pattern is the most specific one, so it wins.
            patterns=tuple(sorted((m for m in every if m.is_pattern), key=lambda m: -len(m.name))),
            keys={k.digest: k for k in keys},
            policies={"default": Policy(), **{p.id: p for p in policies}},
        )

    def key_for(self, secret: str) -> ClientKey:
        """The key with this text.

        Raises `UnknownKey` if there is none or it is disabled. The look-up is by digest and the digest is compared in
        constant time, so timing says nothing about stored keys.
        """
        digest = ClientKey.digest_of(secret)
        key = self.keys.get(digest)
        if key is None or not hmac.compare_digest(key.digest, digest) or not key.enabled:
            raise UnknownKey()
        return key

    def policy_of(self, key: ClientKey) -> Policy:
        return self.policies[key.policy]

    def route(self, name: str, policy: Policy) -> Route:
        """Where a requested model name leads.

        Raises `UnknownModel` with the nearest names, or `KeyNotAllowed` if the policy excludes the model.
        """
        route = self.routes.get(name) or self._by_pattern(name)
        if route is None:
            raise UnknownModel.named(name, self._nearest(name, policy))
        if not policy.allows(name):
            raise KeyNotAllowed(f"This key may not use the model {name!r}.", param="model")
        return route

    def names_for(self, policy: Policy) -> list[str]:
        """The model names that can be listed: exact ones, as far as the policy allows them."""
        return [name for name in self.models if policy.allows(name)]

    def _by_pattern(self, name: str) -> Route | None:
        for pattern in self.patterns:
            star = pattern.match(name)
            if star is not None:
                return Route.of(pattern, star, self.pools)
        return None

    def _nearest(self, name: str, policy: Policy) -> list[str]:
        names = [*self.names_for(policy), *(p.name for p in self.patterns if policy.allows(p.name))]
        return difflib.get_close_matches(name[:200], names, n=3, cutoff=0.3) or names[:3]

    def __repr__(self) -> str:
        return (
            f"<Catalog {self.version}: {len(self.accounts)} accounts, "
            f"{len(self.models) + len(self.patterns)} models, {len(self.keys)} keys>"
        )
