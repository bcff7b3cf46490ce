"""What an operator writes: accounts, models, keys and policies, as they stand in `gateway.toml` and in the log.

Their types are checked where they are read, their meaning where they are compiled. A secret is never in a record, only
a reference to it (`env:NAME`, `file:PATH`, `sealed:...`), so a record can be shown. In the log a record is its fields
by name, without the one that is its id (a model's `name`); `STRUCTS` says which record each kind has.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from llmgw_domain import StreamErrors
from llmgw_domain.servers import Server


class DeadlinesRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long each phase of an upstream call may take, in seconds. None is the default, 0 is no limit."""

    connect_seconds: float | None = None
    headers_seconds: float | None = None
    first_event_seconds: float | None = None
    gap_seconds: float | None = None
    total_seconds: float | None = None


class AwsKeysRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An AWS access key as a `credential`: a reference for each of its parts."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None


class AccountRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[accounts]]`: one account at a provider. Limits are None where there is none.

    `credential` is a reference, or `"default"` for what a cloud's own chain finds. `region`, `project`, `location`,
    `api_version`, `deployments` and `server` mean something to one kind of provider each. `transport` is `auto`,
    `http1` or `http2`; `proxy` an `http://` address or a reference to one; `ca` a reference to certificates. Accounts
    of one `organization` can read what the provider sealed for it. `disabled_reason` says to people why an account is
    not `enabled`, and is gone once it is.
    """

    id: str
    provider: str
    pool: str
    credential: str | AwsKeysRecord | None = None
    base_url: str | None = None
    region: str | None = None
    project: str | None = None
    location: str | None = None
    api_version: str | None = None
    deployments: dict[str, str] | None = None
    server: str | None = None
    max_concurrency: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    weight: float = 1.0
    organization: str | None = None
    enabled: bool = True
    disabled_reason: str | None = None
    drain: bool = False
    deadlines: DeadlinesRecord = DeadlinesRecord()
    transport: str = "auto"
    proxy: str | None = None
    ca: str | None = None


class TargetRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of a model's `targets`: a pool and the provider's own name for the model.

    The limits are those of this model at each account of the pool, within the account's own; None where there is none.
    """

    pool: str
    model: str
    priority: int = 1
    api: str = "auto"
    max_concurrency: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


class FallbackRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of a model's `fallbacks`: the name of another model, and the causes for which it is asked instead.

    `on` has at least one of `context_too_long`, `refused` and `overloaded`.
    """

    model: str
    on: tuple[str, ...]


class ModelRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[models]]`: a name that clients ask for, with at most one star, and where it leads."""

    name: str
    targets: tuple[TargetRecord, ...] = ()
    max_output_tokens: int | None = None
    deadlines: DeadlinesRecord = DeadlinesRecord()
    """Instead of the account's, as far as they are given."""
    fallbacks: tuple[FallbackRecord, ...] = ()
    """Asked in this order, each at most once."""


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[keys]]`: a client key, as the hash of its text or as a reference to it.

    `hash` is `sha256:` and 64 hex digits. A key is known by its `id`, or by its `name` where it has no id.
    """

    id: str | None = None
    name: str | None = None
    tenant: str = "default"
    hash: str | None = None
    value: str | None = None
    policy: str = "default"
    enabled: bool = True


class PolicyRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[policies]]`: what a key may do. `models` are names or `prefix/*` patterns; None allows every model.

    `endpoints` are `images`, `audio`, `files`, `batches`, or `*` for all of them.
    """

    id: str
    models: tuple[str, ...] | None = None
    hide_accounts: bool = False
    stream_errors: StreamErrors | None = None
    json_heartbeats: bool = False
    max_body_bytes: int | None = None
    stored_responses: bool = False
    endpoints: tuple[str, ...] = ()


class Records(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that is compiled into one catalog. `servers` are those that accounts may name."""

    accounts: tuple[AccountRecord, ...] = ()
    models: tuple[ModelRecord, ...] = ()
    keys: tuple[KeyRecord, ...] = ()
    policies: tuple[PolicyRecord, ...] = ()
    servers: tuple[Server, ...] = ()


# --- what stands in the log alone -------------------------------------------------------------------------------------


class TokenPricesRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a token costs, in nano-USD (a dollar a million tokens is 1000), by the kinds that `Usage` has.

    None is the price of the kind that it would be otherwise: `uncached_input` for what is read from or written to a
    cache.
    """

    uncached_input: int
    output: int
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None


class PriceRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a provider's models cost from a day on.

    `model` is the provider's own name, in which `*` stands for anything; `effective_from` a date (`2026-01-31`, from
    its beginning in UTC).
    """

    id: str
    provider: str
    model: str
    effective_from: str
    prices: TokenPricesRecord


class TokenRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An administrator's token: the hash of its text, `sha256:` and 64 hex digits, and what it may do."""

    id: str
    role: Literal["viewer", "operator", "owner"]
    hash: str
    name: str | None = None
    enabled: bool = True


class SwitchRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator switched of a record that stands in the file; its id is `KIND:ID`. None is as the file says.

    `disabled_reason` belongs to `enabled`: where that is given, this one counts in place of the file's, also as None.
    """

    id: str
    enabled: bool | None = None
    disabled_reason: str | None = None
    drain: bool | None = None


class SecretRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A secret of the gateway's own, sealed (`session`: the key of session ids)."""

    id: str
    value: str


Record = (
    AccountRecord | ModelRecord | KeyRecord | PolicyRecord | PriceRecord | TokenRecord | SwitchRecord | SecretRecord
)

STRUCTS: dict[str, type[Record]] = {
    "account": AccountRecord,
    "model": ModelRecord,
    "key": KeyRecord,
    "policy": PolicyRecord,
    "price": PriceRecord,
    "token": TokenRecord,
    "switch": SwitchRecord,
    "secret": SecretRecord,
}

ID_FIELDS = {kind: "name" if kind == "model" else "id" for kind in STRUCTS}
"""The field of a record that is its id, and so not one of the fields that the log has."""

SECRET_FIELDS: dict[str, tuple[str, ...]] = {
    "account": ("credential", "proxy", "ca"),
    "key": ("value",),
    "secret": ("value",),
}
"""The fields that hold references to secrets."""
