"""The immutable snapshot that a request is served from.

A `Catalog` is compiled by `control` and published by one reference assignment; readers take the reference once and keep
it to the end of their request, so no request ever sees half a change. It holds dicts by name for every look-up on the
hot path and never changes after construction.

The next catalog is derived from the last one: what a change does not touch is the same object in both.
"""

from __future__ import annotations

import difflib
import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from llmgw_domain.accounts import Account
from llmgw_domain.errors import KeyNotAllowed, UnknownKey, UnknownModel
from llmgw_domain.keys import ClientKey, Policy, Tenant
from llmgw_domain.models import Model, Target
from llmgw_domain.prices import Price, Prices


class Candidate(msgspec.Struct, frozen=True):
    """An account that could serve a call, with the provider's name of the model there."""

    account: Account
    model: str
    target: Target


class Route(msgspec.Struct, frozen=True):
    """What a requested model name leads to: candidates in tiers, lowest priority first."""

    model: Model
    tiers: tuple[tuple[Candidate, ...], ...]
    by_account: dict[str, Candidate] = {}
    """By account id; an account that several targets lead to serves the first of them."""

    def __post_init__(self) -> None:
        if not self.by_account:
            found: dict[str, Candidate] = {}
            for candidate in self:
                found.setdefault(candidate.account.id, candidate)
            msgspec.structs.force_setattr(self, "by_account", found)

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


class Routes:
    """The routes of exact names, each made when it is first asked for and kept.

    A route holds a candidate for every account of its pools, so making all of them ahead would cost models times
    accounts at every change; most of them are never asked for in between.
    """

    __slots__ = ("_made", "_models", "_pools")

    def __init__(
        self, models: Mapping[str, Model], pools: Mapping[str, Sequence[Account]], made: dict[str, Route] | None = None
    ) -> None:
        self._models = models
        self._pools = pools
        self._made: dict[str, Route] = {} if made is None else made

    def get(self, name: str) -> Route | None:
        route = self._made.get(name)
        if route is None:
            model = self._models.get(name)
            if model is None:
                return None
            route = self._made[name] = Route.of(model, "", self._pools)
        return route

    def after(
        self, models: Mapping[str, Model], pools: Mapping[str, Sequence[Account]], changed: Iterable[str]
    ) -> Routes:
        """The routes of other models and pools; those that neither changed are kept. `changed` names the pools."""
        moved = frozenset(changed)
        kept = {
            name: route
            for name, route in self._made.items()
            if models.get(name) is route.model and not any(t.pool in moved for t in route.model.targets)
        }
        return Routes(models, pools, kept)

    def __eq__(self, other: object) -> bool:
        """Which of them were made already is no difference."""
        return isinstance(other, Routes) and other._models == self._models and other._pools == self._pools

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Routes of {len(self._models)} models, {len(self._made)} made>"


_SHARDS = 256


class Keys(Mapping[bytes, ClientKey]):
    """Client keys by their digest, and never another than before.

    They lie in shards by the first byte, so that the next catalog copies the few of one shard. One dict of ten
    thousand would be a block of 300 KB for each change, which the allocator takes from the system and gives back.
    """

    __slots__ = ("_count", "_shards")

    def __init__(self, keys: Iterable[ClientKey] = ()) -> None:
        shards: list[dict[bytes, ClientKey]] = [{} for _ in range(_SHARDS)]
        for key in keys:
            shards[_shard(key.digest)][key.digest] = key
        self._shards = tuple(shards)
        self._count = sum(map(len, shards))

    def after(self, changes: Mapping[bytes, ClientKey | None]) -> Keys:
        """With these put in place, and those that are None taken out."""
        shards, copied = list(self._shards), set[int]()
        for digest, key in changes.items():
            at = _shard(digest)
            if at not in copied:
                copied.add(at)
                shards[at] = shards[at].copy()
            if key is None:
                shards[at].pop(digest, None)
            else:
                shards[at][digest] = key
        made = Keys.__new__(Keys)
        made._shards = tuple(shards)
        made._count = self._count + sum(len(shards[at]) - len(self._shards[at]) for at in copied)
        return made

    def __getitem__(self, digest: bytes) -> ClientKey:
        return self._shards[_shard(digest)][digest]

    def get(self, digest: bytes, default: Any = None) -> Any:
        # Mapping's own asks by an exception, which an unknown key would pay for on the hot path.
        return self._shards[_shard(digest)].get(digest, default)

    def __iter__(self) -> Iterator[bytes]:
        for shard in self._shards:
            yield from shard

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"<Keys: {self._count}>"


def _shard(digest: bytes) -> int:
    return digest[0] if digest else 0


_T = TypeVar("_T")
_NOTHING: Mapping[str, None] = {}


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a worker needs to know to serve requests; see the module's text."""

    version: str
    tenants: dict[str, Tenant]
    accounts: dict[str, Account]
    pools: dict[str, tuple[Account, ...]]
    models: dict[str, Model]
    patterns: tuple[Model, ...]
    routes: Routes
    """By exact name; what a pattern leads to depends on the name that was asked for."""
    keys: Keys
    policies: dict[str, Policy]
    prices: Prices

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
        prices: Iterable[Price] = (),
    ) -> Catalog:
        """Indexes records into a catalog, in the order in which they are given. References are taken as checked:
        `control` compiles, this only arranges.
        """
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
            patterns=_by_length(m for m in every if m.is_pattern),
            routes=Routes(exact, pools),
            keys=Keys(keys),
            policies={"default": Policy(), **{p.id: p for p in policies}},
            prices=Prices(prices),
        )

    def derive(
        self,
        *,
        version: str,
        accounts: Mapping[str, Account | None] = _NOTHING,
        models: Mapping[str, Model | None] = _NOTHING,
        keys: Mapping[bytes, ClientKey | None] | None = None,
        policies: Mapping[str, Policy | None] = _NOTHING,
        tenants: Mapping[str, Tenant | None] = _NOTHING,
        prices: Mapping[str, Price | None] = _NOTHING,
    ) -> Catalog:
        """The catalog with these put in place, and those that are None taken out. What is not touched is shared.

        What is touched comes in the order of its names: so catalogs that were derived in other steps are the same. The
        policy `default` that is taken out becomes the built-in one again.
        """
        pools, moved = _pools_after(self.pools, self.accounts, accounts)
        exact, patterns = _models_after(self.models, self.patterns, models)
        if policies.get("default", self) is None:
            policies = {**policies, "default": Policy()}
        return Catalog(
            version=version,
            tenants=_after(self.tenants, tenants),
            accounts=_after(self.accounts, accounts),
            pools=pools,
            models=exact,
            patterns=patterns,
            routes=self.routes.after(exact, pools, moved) if models or accounts else self.routes,
            keys=self.keys.after(keys) if keys else self.keys,
            policies=_after(self.policies, policies),
            prices=self.prices.after(prices) if prices else self.prices,
        )

    def key_for(self, secret: str) -> ClientKey:
        """The key with this text.

        Raises `UnknownKey` if there is none or it is disabled. The look-up is by digest and the digest is compared in
        constant time, so timing says nothing about stored keys.
        """
        digest = ClientKey.digest_of(secret)
        key: ClientKey | None = self.keys.get(digest)
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


# --- the next one from the last ---------------------------------------------------------------------------------------


def _put(held: dict[str, _T], changes: Mapping[str, _T | None]) -> dict[str, _T]:
    made = held.copy()
    for name, value in changes.items():
        if value is None:
            made.pop(name, None)
        else:
            made[name] = value
    return made


def _after(held: dict[str, _T], changes: Mapping[str, _T | None]) -> dict[str, _T]:
    """In order of their names; `held` itself where nothing changes."""
    if not changes:
        return held
    made = _put(held, changes)
    # A value that is replaced keeps its place; only a new name can come out of order.
    return dict(sorted(made.items())) if any(name not in held for name in changes) else made


def _pools_after(
    pools: dict[str, tuple[Account, ...]], held: Mapping[str, Account], changes: Mapping[str, Account | None]
) -> tuple[dict[str, tuple[Account, ...]], set[str]]:
    """The pools, and the names of those that are others now."""
    members: dict[str, dict[str, Account]] = {}

    def of(pool: str) -> dict[str, Account]:
        if pool not in members:
            members[pool] = {a.id: a for a in pools.get(pool, ())}
        return members[pool]

    for name, account in changes.items():
        if name in held:
            of(held[name].pool).pop(name, None)
        if account is not None:
            of(account.pool)[name] = account
    changed = {pool: tuple(by_id[name] for name in sorted(by_id)) or None for pool, by_id in members.items()}
    return _after(pools, changed), set(changed)


def _by_length(patterns: Iterable[Model]) -> tuple[Model, ...]:
    """The longest pattern is the most specific one, so it wins."""
    return tuple(sorted(patterns, key=lambda m: (-len(m.name), m.name)))


def _models_after(
    exact: dict[str, Model], patterns: tuple[Model, ...], changes: Mapping[str, Model | None]
) -> tuple[dict[str, Model], tuple[Model, ...]]:
    if not changes:
        return exact, patterns
    names = {m.name: m for m in patterns}
    starred = _put(names, {n: m for n, m in changes.items() if m is None or m.is_pattern})
    plain = {n: m for n, m in changes.items() if m is None or not m.is_pattern}
    if starred != names:
        patterns = _by_length(starred.values())
    return _after(exact, {n: m for n, m in plain.items() if m is not None or n in exact}), patterns
