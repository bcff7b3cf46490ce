"""One record in, its domain form out: what can be said of a record by itself.

Each function checks its record, adds what is wrong to the report, and gives the form, or None where there can be none.
What a record says of others (a key's policy, a target's pool) is not looked at here: it can change without the record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, cast, get_args

import msgspec

from llmgw_control import _checks as checks
from llmgw_control import _credentials as credentials
from llmgw_control import _platforms as platforms
from llmgw_control._credentials import Reveal
from llmgw_control._report import Report
from llmgw_control.records import (
    AccountRecord,
    DeadlinesRecord,
    FallbackRecord,
    KeyRecord,
    ModelRecord,
    PolicyRecord,
    PriceRecord,
    TargetRecord,
    TokenPricesRecord,
    TokenRecord,
)
from llmgw_domain import Account, ClientKey, Deadlines, Model, Policy, Provider, Secret, Target
from llmgw_domain.accounts import Transport
from llmgw_domain.models import Api, Cause, Fallback
from llmgw_domain.prices import Price, TokenPrices
from llmgw_domain.servers import Server

_LIMITS = ("max_concurrency", "requests_per_minute", "tokens_per_minute")
_VERSION_DIGITS = 12
_MODULUS = 1 << 256


def account(report: Report, record: AccountRecord, reveal: Reveal, servers: Mapping[str, Server]) -> Account | None:
    checks.name(report.at("id"), record.id)
    checks.name(report.at("pool"), record.pool)
    _limits(report, record)
    checks.weight(report.at("weight"), record.weight)
    if record.organization is not None:
        checks.name(report.at("organization"), record.organization)
    checks.reason(report.at("disabled_reason"), record.disabled_reason)
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
        organization=record.organization,
        enabled=record.enabled,
        drain=record.drain,
        deadlines=Deadlines(**deadlines),
        transport=cast("Transport", record.transport),
        proxy=proxy,
        ca=ca,
    )


def model(report: Report, record: ModelRecord) -> Model:
    checks.model_name(report.at("name"), record.name)
    checks.positive(report.at("max_output_tokens"), record.max_output_tokens)
    if not record.targets:
        report.at("targets").add('none: a model needs at least one, e.g. [{ pool = "openai", model = "gpt-5" }]')
    targets = [_target(report.at(f"targets[{i}]"), t, record) for i, t in enumerate(record.targets)]
    return Model(
        name=record.name,
        targets=tuple(targets),
        max_output_tokens=record.max_output_tokens,
        deadlines=_deadlines(report.at("deadlines"), record.deadlines),
        fallbacks=_fallbacks(report, record),
    )


def _target(report: Report, record: TargetRecord, model: ModelRecord) -> Target:
    checks.target_model(report.at("model"), record.model, model.name)
    checks.positive(report.at("priority"), record.priority)
    checks.api(report.at("api"), record.api)
    _limits(report, record)
    return Target(
        pool=record.pool,
        model=record.model,
        priority=record.priority,
        api=cast("Api", record.api),
        max_concurrency=record.max_concurrency,
        requests_per_minute=record.requests_per_minute,
        tokens_per_minute=record.tokens_per_minute,
    )


def _limits(report: Report, record: AccountRecord | TargetRecord) -> None:
    for field in _LIMITS:
        checks.positive(report.at(field), getattr(record, field))


def _fallbacks(report: Report, record: ModelRecord) -> tuple[Fallback, ...]:
    made: list[Fallback] = []
    for i, each in enumerate(record.fallbacks):
        at = report.at(f"fallbacks[{i}]")
        if any(each.model == other.model for other in made):
            at.at("model").add(f"{each.model!r} stands above already: put its causes together")
        made.append(_fallback(at, each, record))
    return tuple(made)


def _fallback(report: Report, record: FallbackRecord, model: ModelRecord) -> Fallback:
    checks.fallback_model(report.at("model"), record.model, model.name)
    if not record.on:
        report.at("on").add('none: a fallback needs at least one cause, e.g. ["overloaded"]')
    for i, cause in enumerate(record.on):
        checks.cause(report.at(f"on[{i}]"), cause)
    return Fallback(model=record.model, on=frozenset(cast("tuple[Cause, ...]", record.on)))


def _deadlines(report: Report, record: DeadlinesRecord) -> dict[str, float | None]:
    given: dict[str, float | None] = {}
    for phase in Deadlines.__struct_fields__:
        seconds = getattr(record, f"{phase}_seconds")
        checks.seconds(report.at(f"{phase}_seconds"), seconds)
        if seconds is not None:
            given[phase] = seconds or None
    return given


def policy(report: Report, record: PolicyRecord) -> Policy:
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


def key(report: Report, record: KeyRecord, reveal: Reveal) -> ClientKey | None:
    key_id = record.id or record.name or ""
    checks.name(report.at("id" if record.id or not record.name else "name"), key_id)
    checks.name(report.at("tenant"), record.tenant)
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


def price(report: Report, record: PriceRecord) -> Price | None:
    checks.name(report.at("id"), record.id)
    provider = checks.provider(report.at("provider"), record.provider)
    checks.price_model(report.at("model"), record.model)
    begins = checks.date(report.at("effective_from"), record.effective_from)
    for kind in record.prices.__struct_fields__:
        checks.not_negative(report.at(f"prices.{kind}"), getattr(record.prices, kind))
    if provider is None or begins is None:
        return None
    prices = _whole(record.prices)
    return Price(id=record.id, provider=provider, model=record.model, effective_from=begins, prices=prices)


def _whole(record: TokenPricesRecord) -> TokenPrices:
    """A price for every kind: what is read from a cache or written to one is input otherwise."""
    said = {kind: value for kind in record.__struct_fields__ if (value := getattr(record, kind)) is not None}
    return TokenPrices(**{**dict.fromkeys(TokenPrices.__struct_fields__, record.uncached_input), **said})


def token(report: Report, record: TokenRecord) -> None:
    checks.name(report.at("id"), record.id)
    checks.sha256(report.at("hash"), record.hash)


# --- versions ---------------------------------------------------------------------------------------------------------


def content(form: msgspec.Struct) -> int:
    """The digest of a form's content, with its secrets hashed."""
    text = msgspec.json.encode(form, enc_hook=_hashed, order="deterministic")
    return int.from_bytes(hashlib.sha256(type(form).__name__.encode() + b"\0" + text).digest(), "big")


def version(contents: int) -> str:
    """The version of a catalog, from the sum of its forms' contents.

    A sum, because it does not matter in which order its parts came and one that changes is taken out again: so the
    same records with the same secrets have the same version wherever and however they were compiled.
    """
    return hashlib.sha256((contents % _MODULUS).to_bytes(32, "big")).hexdigest()[:_VERSION_DIGITS]


def _hashed(value: Any) -> str:
    """A changed secret is a changed catalog, but the secret itself is in no text, not even on the way to a digest."""
    assert isinstance(value, Secret)
    return hashlib.sha256(value.reveal().encode("utf-8", "surrogatepass")).hexdigest()
