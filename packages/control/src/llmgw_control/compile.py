"""Records in, `Catalog` out, or every reason why not: how a configuration file is compiled, as a whole.

Reasons are collected on the way, so that an operator sees all problems of a file at once. The version is a digest of
the content: the same records with the same secrets have the same version wherever and whenever they are compiled, in
whatever order they stand, and so does the catalog that `Compiler` makes of them one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import cast

from llmgw_control import _checks as checks
from llmgw_control import _forms as forms
from llmgw_control._credentials import Reveal
from llmgw_control._report import Report
from llmgw_control._servers import check_server
from llmgw_control.records import KeyRecord, ModelRecord, Records
from llmgw_control.refusal import Refused
from llmgw_domain import Account, Catalog, ClientKey, Model, Policy, Provider, Tenant


def compile_catalog(records: Records, reveal: Reveal) -> Catalog:
    """The catalog of these records; `reveal` turns a reference into its secret. Raises `Refused` with every reason."""
    report = Report()
    checks.duplicates(report, records)
    for i, server in enumerate(records.servers):
        check_server(report.at(f"servers[{i}]"), server)
    servers = {server.name: server for server in records.servers}
    accounts = [forms.account(report.at(f"accounts[{i}]"), a, reveal, servers) for i, a in enumerate(records.accounts)]
    checks.one_kind_per_pool(report, records)
    pools = {a.pool: a.provider for a in records.accounts}
    models = [_model(report.at(f"models[{i}]"), m, pools) for i, m in enumerate(records.models)]
    checks.fallbacks(report, models)
    policies = [forms.policy(report.at(f"policies[{i}]"), p) for i, p in enumerate(records.policies)]
    names = {"default", *(p.id for p in records.policies)}
    keys = [_key(report.at(f"keys[{i}]"), k, names, reveal) for i, k in enumerate(records.keys)]
    checks.duplicate_digests(report, [k.digest if k else None for k in keys])
    if report.reasons:
        raise Refused(report.reasons)
    return _catalog(cast("list[Account]", accounts), models, cast("list[ClientKey]", keys), policies)


def _model(report: Report, record: ModelRecord, pools: Mapping[str, str]) -> Model:
    for i, target in enumerate(record.targets):
        at = report.at(f"targets[{i}]")
        checks.known(at.at("pool"), target.pool, pools, "no account is in pool")
        kind = pools.get(target.pool)
        checks.api_of(at.at("api"), target.api, Provider(kind) if kind in set(Provider) else None)
    return forms.model(report, record)


def _key(report: Report, record: KeyRecord, policies: Iterable[str], reveal: Reveal) -> ClientKey | None:
    checks.known(report.at("policy"), record.policy, set(policies), "there is no policy")
    return forms.key(report, record, reveal)


def _catalog(
    accounts: Sequence[Account], models: Sequence[Model], keys: Sequence[ClientKey], policies: Sequence[Policy]
) -> Catalog:
    """In the order of their names, which is that of a catalog whose records came one by one."""
    return Catalog.of(
        version=forms.version(sum(map(forms.content, chain(accounts, models, keys, policies)))),
        accounts=sorted(accounts, key=attrgetter("id")),
        models=sorted(models, key=attrgetter("name")),
        keys=keys,
        policies=sorted(policies, key=attrgetter("id")),
        tenants=[Tenant(id=t) for t in sorted({"default", *(k.tenant for k in keys)})],
    )
