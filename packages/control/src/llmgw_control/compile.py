"""Records in, `Catalog` out, or every reason why not.

Each `_account`, `_model`, ... checks one record and gives its domain form or None; reasons are collected on the way, so
that an operator sees all problems of a file at once. The version is a digest of the content: the same records with the
same secrets have the same version wherever and whenever they are compiled, in whatever order they stand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast, get_args

import msgspec

from llmgw_control import _checks as checks
from llmgw_control import _credentials as credentials
from llmgw_control import _platforms as platforms
from llmgw_control._credentials import Reveal
from llmgw_control._report import Report
from llmgw_control._servers import check_server
from llmgw_control.records import (
    AccountRecord,
    DeadlinesRecord,
    KeyRecord,
    ModelRecord,
    PolicyRecord,
    Records,
    TargetRecord,
)
from llmgw_control.refusal import Refused
from llmgw_domain import Account, Catalog, ClientKey, Deadlines, Model, Policy, Provider, Secret, Target, Tenant
from llmgw_domain.accounts import Transport
from llmgw_domain.models import Api
from llmgw_domain.servers import Server

_VERSION_DIGITS = 12


def compile_catalog(records: Records, reveal: Reveal) -> Catalog:
    """The catalog of these records; `reveal` turns a reference into its secret. Raises `Refused` with every reason."""
    report = Report()
    checks.duplicates(report, records)
    for i, server in enumerate(records.servers):
        check_server(report.at(f"servers[{i}]"), server)
    servers = {server.name: server for server in records.servers}
    accounts = [_account(report.at(f"accounts[{i}]"), a, reveal, servers) for i, a in enumerate(records.accounts)]
    checks.one_kind_per_pool(report, records)
    models = [_model(report.at(f"models[{i}]"), m, records) for i, m in enumerate(records.models)]
    policies = [_policy(report.at(f"policies[{i}]"), p) for i, p in enumerate(records.policies)]
    keys = [_key(report.at(f"keys[{i}]"), k, records, reveal) for i, k in enumerate(records.keys)]
    checks.duplicate_digests(report, [k.digest if k else None for k in keys])
    if report.reasons:
        raise Refused(report.reasons)
    return _catalog(
        cast("list[Account]", accounts),
        models,
        cast("list[ClientKey]", keys),
        policies,
    )


# --- one record each --------------------------------------------------------------------------------------------------


def _account(report: Report, record: AccountRecord, reveal: Reveal, servers: Mapping[str, Server]) -> Account | None:
    checks.name(report.at("id"), record.id)
    checks.name(report.at("pool"), record.pool)
    for field in ("max_concurrency", "requests_per_minute", "tokens_per_minute"):
        checks.positive(report.at(field), getattr(record, field))
    checks.weight(report.at("weight"), record.weight)
    deadlines = _deadlines(report.at("deadlines"), record.deadlines)
    checks.one_of(report.at("transport"), record.transport, get_args(Transport))
    proxy = credentials.proxy(report.at("proxy"), record, reveal)
    ca = credentials.certificates(report.at("ca"), record, reveal)
    provider = checks.provider(report.at("provider"), record.provider)
    if provider is None:
        return None
    credential = credentials.credential(report.at("credential"), record, provider, reveal)
    place = platforms.platform(report, record, provider, credential)
    named = record.server if provider is Provider.OPENAI_COMPATIBLE else None
    server = platforms.server(report.at("server"), named, servers)
    address = platforms.address(provider, place, server)
    base_url = checks.base_url(report.at("base_url"), provider, record.base_url, address)
    if base_url is None or credential is None:
        return None
    return Account(
        id=record.id,
        provider=provider,
        base_url=base_url,
        credential=credential,
        pool=record.pool,
        platform=place,
        server=server,
        max_concurrency=record.max_concurrency,
        requests_per_minute=record.requests_per_minute,
        tokens_per_minute=record.tokens_per_minute,
        weight=record.weight,
        enabled=record.enabled,
        deadlines=Deadlines(**deadlines),
        transport=cast("Transport", record.transport),
        proxy=proxy,
        ca=ca,
    )


def _deadlines(report: Report, record: DeadlinesRecord) -> dict[str, float | None]:
    given: dict[str, float | None] = {}
    for phase in Deadlines.__struct_fields__:
        seconds = getattr(record, f"{phase}_seconds")
        checks.seconds(report.at(f"{phase}_seconds"), seconds)
        if seconds is not None:
            given[phase] = seconds or None
    return given


def _model(report: Report, record: ModelRecord, records: Records) -> Model:
    checks.model_name(report.at("name"), record.name)
    checks.positive(report.at("max_output_tokens"), record.max_output_tokens)
    if not record.targets:
        report.at("targets").add('none: a model needs at least one, e.g. [{ pool = "openai", model = "gpt-5" }]')
    pools = {a.pool: a.provider for a in records.accounts}
    targets = [_target(report.at(f"targets[{i}]"), t, record, pools) for i, t in enumerate(record.targets)]
    return Model(
        name=record.name,
        targets=tuple(targets),
        max_output_tokens=record.max_output_tokens,
        deadlines=_deadlines(report.at("deadlines"), record.deadlines),
    )


def _target(report: Report, record: TargetRecord, model: ModelRecord, pools: Mapping[str, str]) -> Target:
    checks.known(report.at("pool"), record.pool, pools, "no account is in pool")
    checks.target_model(report.at("model"), record.model, model.name)
    checks.positive(report.at("priority"), record.priority)
    kind = pools.get(record.pool)
    checks.api(report.at("api"), record.api, Provider(kind) if kind in set(Provider) else None)
    return Target(pool=record.pool, model=record.model, priority=record.priority, api=cast("Api", record.api))


def _policy(report: Report, record: PolicyRecord) -> Policy:
    checks.name(report.at("id"), record.id)
    checks.positive(report.at("max_body_bytes"), record.max_body_bytes)
    for i, pattern in enumerate(record.models or ()):
        checks.policy_pattern(report.at(f"models[{i}]"), pattern)
    for i, endpoint in enumerate(record.endpoints):
        checks.endpoint(report.at(f"endpoints[{i}]"), endpoint)
    return Policy(
        id=record.id,
        models=record.models,
        hide_accounts=record.hide_accounts,
        stream_errors=record.stream_errors,
        json_heartbeats=record.json_heartbeats,
        max_body_bytes=record.max_body_bytes,
        stored_responses=record.stored_responses,
        endpoints=record.endpoints,
    )


def _key(report: Report, record: KeyRecord, records: Records, reveal: Reveal) -> ClientKey | None:
    key_id = record.id or record.name or ""
    checks.name(report.at("id" if record.id or not record.name else "name"), key_id)
    checks.name(report.at("tenant"), record.tenant)
    checks.known(
        report.at("policy"), record.policy, {"default", *(p.id for p in records.policies)}, "there is no policy"
    )
    digest = _digest(report, record, key_id, reveal)
    if digest is None:
        return None
    return ClientKey(id=key_id, tenant=record.tenant, digest=digest, policy=record.policy, enabled=record.enabled)


def _digest(report: Report, record: KeyRecord, key_id: str, reveal: Reveal) -> bytes | None:
    if (record.hash is None) == (record.value is None):
        report.add(
            'needs either hash = "sha256:<64 hex digits>" (of the key\'s text) or value = "env:NAME"'
            + (", not both" if record.hash else "")
        )
        return None
    if record.hash is not None:
        return checks.sha256(report.at("hash"), record.hash)
    secret = credentials.revealed(report.at("value"), f"key {key_id!r}", cast("str", record.value), reveal)
    return ClientKey.digest_of(secret.reveal()) if secret else None


# --- the whole --------------------------------------------------------------------------------------------------------


def _catalog(
    accounts: Sequence[Account], models: Sequence[Model], keys: Sequence[ClientKey], policies: Sequence[Policy]
) -> Catalog:
    return Catalog.of(
        version=_digest_of(accounts, models, keys, policies),
        accounts=accounts,
        models=models,
        keys=keys,
        policies=policies,
        tenants=[Tenant(id=t) for t in sorted({"default", *(k.tenant for k in keys)})],
    )


def _digest_of(*parts: Iterable[msgspec.Struct]) -> str:
    """Sorted, because the order of records says nothing."""
    content = [sorted(msgspec.json.encode(record, enc_hook=_hashed) for record in part) for part in parts]
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:_VERSION_DIGITS]


def _hashed(value: Any) -> str:
    """A changed secret is a changed catalog, but the secret itself is in no text, not even on the way to a digest."""
    assert isinstance(value, Secret)
    return hashlib.sha256(value.reveal().encode("utf-8", "surrogatepass")).hexdigest()
