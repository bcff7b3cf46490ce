"""The rules that records keep, one function each. A rule adds its reason to the report that it is given.

A message says what is wrong, quotes the value unless it might be secret, and says what would be right.
"""

from __future__ import annotations

import base64
import datetime
import difflib
import math
import re
from collections.abc import Collection, Iterable, Sequence
from typing import get_args
from urllib.parse import SplitResult, urlsplit

from llmgw_control._report import Report
from llmgw_control.records import Records
from llmgw_domain import Model, Provider
from llmgw_domain.models import Cause

# Ids stand in response headers, metric labels and paths, so they keep to what needs no escape in any of them.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MODEL = re.compile(r"[!-~]{1,200}")
_SHA256 = re.compile(r"sha256:([0-9A-Fa-f]{64})")
_PEM = re.compile("-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_EPOCH = datetime.date(1970, 1, 1)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_APIS = ("auto", "chat", "responses")
_CAUSES = get_args(Cause)
_REASON_LIMIT = 200
_ENDPOINTS = ("images", "audio", "files", "batches", "*")
# The provider's SDK adds the version itself, so a base address that ends in it would be called as /v1/v1/messages.
_VERSIONED = {
    Provider.ANTHROPIC: ("/v1",),
    Provider.GOOGLE: ("/v1", "/v1beta", "/v1alpha"),
    Provider.VERTEX: ("/v1", "/v1beta1"),
}
# Azure's portal shows these behind the resource's address; paths are added to the address alone.
_AZURE_ENDINGS = ("/openai/v1", "/openai")


# --- single values ----------------------------------------------------------------------------------------------------


def name(report: Report, value: str) -> None:
    if not _NAME.fullmatch(value):
        report.add(f"must be 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit, not {value!r}")


def positive(report: Report, value: int | None) -> None:
    if value is not None and value <= 0:
        report.add(f"must be a positive integer, not {value}")


def not_negative(report: Report, value: int | None) -> None:
    if value is not None and value < 0:
        report.add(f"must be 0 or a positive integer, in nano-USD a token, not {value}")


def date(report: Report, value: str) -> int | None:
    """When the day begins in UTC, in seconds since 1970. Of ISO 8601's many forms only the plain one is taken."""
    try:
        day = datetime.date.fromisoformat(value) if _DATE.fullmatch(value) else None
    except ValueError:
        day = None
    if day is None:
        report.add(f"must be a date such as '2026-01-31', not {value!r}")
        return None
    return (day - _EPOCH).days * 86_400


def weight(report: Report, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        report.add(f"must be a number above 0, not {value}")


def seconds(report: Report, value: float | None) -> None:
    if value is not None and not (math.isfinite(value) and value >= 0):
        report.add(f"must be a number of seconds, or 0 for no limit, not {value}")


def provider(report: Report, value: str) -> Provider | None:
    if value not in set(Provider):
        report.add(f"there is no provider {value!r}{_meant(value, Provider)}; there are {listed(Provider)}")
        return None
    return Provider(value)


def api(report: Report, value: str) -> None:
    if value not in _APIS:
        report.add(f"must be one of {listed(_APIS)}, not {value!r}")


def api_of(report: Report, value: str, kind: Provider | None) -> None:
    """`kind` is that of the target's pool; None where the pool is wrong itself."""
    if value in _APIS and value != "auto" and kind is not None and not kind.speaks_openai:
        report.add(f"{value!r} is one of OpenAI's APIs, which {kind.value!r} has not; leave it out")


def one_of(report: Report, value: str, allowed: Collection[str]) -> None:
    if value not in allowed:
        report.add(f"must be one of {listed(allowed)}, not {value!r}")


def endpoint(report: Report, value: str) -> None:
    if value not in _ENDPOINTS:
        report.add(f"there is no endpoint {value!r}{_meant(value, _ENDPOINTS)}; there are {listed(_ENDPOINTS)}")


def cause(report: Report, value: str) -> None:
    if value not in _CAUSES:
        report.add(f"there is no cause {value!r}{_meant(value, _CAUSES)}; there are {listed(_CAUSES)}")


def reason(report: Report, value: str | None) -> None:
    """A text for people: it stands in answers and on terminals."""
    if value is not None and not (0 < len(value) <= _REASON_LIMIT and value.isprintable()):
        report.add(f"must be 1 to {_REASON_LIMIT} printable characters on one line")


def known(report: Report, value: str, names: Collection[str], complaint: str) -> None:
    if value not in names:
        report.add(f"{complaint} {value!r}{_meant(value, names)}")


def sha256(report: Report, value: str) -> bytes | None:
    """The digest; the value is not quoted, since a key's text may have been put there by mistake."""
    match = _SHA256.fullmatch(value)
    if match is None:
        report.add("must be 'sha256:' and the 64 hex digits of the key's SHA-256, e.g. from: printf %s KEY | sha256sum")
        return None
    return bytes.fromhex(match[1])


def are_certificates(text: str) -> bool:
    """Whether a text is PEM certificates. What is in them is judged when they are used."""
    try:
        found = [base64.b64decode("".join(body.split()), validate=True) for body in _PEM.findall(text)]
    except ValueError:
        return False
    # A certificate is a DER sequence.
    return bool(found) and all(der.startswith(b"\x30") for der in found)


def secret_problem(value: str) -> str | None:
    """What is wrong with a secret, without a piece of it. It becomes a header's value, so it keeps to ASCII."""
    if not value:
        return "the secret is empty"
    if any(not "!" <= c <= "~" for c in value):
        return "the secret holds white space or a character that can't be sent in a header"
    return None


# --- addresses --------------------------------------------------------------------------------------------------------


def base_url(report: Report, kind: Provider, value: str | None, default: str | None) -> str | None:
    """The base address without a slash at its end; `default` where none is given."""
    if value is None:
        if default is None:
            hint = "; say it, or a server that has one" if kind is Provider.OPENAI_COMPATIBLE else ""
            report.add(f"missing: a provider of kind {kind.value!r} has no address of its own{hint}")
        return default
    problem = url_problem(value) or _version_problem(kind, value)
    if problem:
        report.add(problem)
        return None
    value = value.rstrip("/")
    return _azure_root(value) if kind is Provider.AZURE else value


def url_problem(value: str) -> str | None:
    """What is wrong with an address that paths are added to. It is not quoted."""
    if any(not "!" <= c <= "~" for c in value):
        return "must not hold white space or characters outside of ASCII"
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        return f"is not a valid URL: {error}"
    if "@" in parts.netloc:
        return "must not hold a user or password; put the secret in credential"
    return _parts_problem(value, parts, port)


def _parts_problem(value: str, parts: SplitResult, port: int | None) -> str | None:
    """The value is not quoted: a key pasted into the wrong place would be shown."""
    if parts.scheme not in ("http", "https"):
        return "must start with http:// or https://"
    if not parts.hostname or port == 0 or parts.netloc.endswith(":"):
        return "must name a host and, if any, a valid port"
    if "?" in value or "#" in value:
        return "must not have a query or fragment"
    if any(segment in (".", "..") for segment in parts.path.split("/")):
        return "must not have '.' or '..' in its path"
    return None


def proxy_problem(value: str, *, plain: bool) -> str | None:
    """What is wrong with a proxy's address. It is not quoted; `plain` is one that stands in the configuration."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        return f"is not a valid URL: {error}"
    if any(not "!" <= c <= "~" for c in value):
        return "must not hold white space or characters outside of ASCII"
    if parts.scheme != "http":
        return "must start with http://: the way to a proxy is not encrypted, what goes through it to https:// is"
    if not parts.hostname or port == 0 or parts.path.strip("/") or parts.query or parts.fragment:
        return "must be http://HOST:PORT, with USER:PASSWORD@ before the host if the proxy wants them"
    if plain and "@" in parts.netloc:
        return "must not hold a user or password here; put the whole address behind a reference, e.g. 'env:PROXY'"
    return None


def _azure_root(value: str) -> str:
    for ending in _AZURE_ENDINGS:
        if value.endswith(ending):
            return value.removesuffix(ending).rstrip("/")
    return value


def _version_problem(kind: Provider, value: str) -> str | None:
    if kind is Provider.AZURE and "/deployments/" in value:
        return (
            "must be the resource's address alone, e.g. https://NAME.openai.azure.com; deployments have their own key"
        )
    for ending in _VERSIONED.get(kind, ()):
        if value.rstrip("/").endswith(ending):
            return f"must not end in {ending!r}: for {kind.value} it is given without the version"
    return None


# --- models and patterns ----------------------------------------------------------------------------------------------


def model_name(report: Report, value: str) -> None:
    _model(report, value)
    if value.count("*") > 1:
        report.add(f"may hold at most one '*', not {value!r}")


def target_model(report: Report, value: str, requested: str) -> None:
    _model(report, value)
    if value.count("*") > 1:
        report.add(f"may hold at most one '*', not {value!r}")
    elif "*" in value and "*" not in requested:
        report.add(f"holds a '*', but the model's name {requested!r} has none that could stand for it")


def fallback_model(report: Report, value: str, requested: str) -> None:
    _model(report, value)
    if "*" in value:
        report.add(f"must be a name that a client could ask for, without '*', not {value!r}")
    elif value == requested:
        report.add("is the model itself: name another one, or leave it out")


def price_model(report: Report, value: str) -> None:
    _model(report, value)
    if value.count("*") > 1:
        report.add(f"may hold at most one '*', not {value!r}")


def policy_pattern(report: Report, value: str) -> None:
    _model(report, value)
    if "*" in value[:-1]:
        report.add(f"may hold a '*' only at its end, not {value!r}")


def _model(report: Report, value: str) -> None:
    if not _MODEL.fullmatch(value):
        report.add(f"must be 1 to 200 visible ASCII characters, not {value!r}")


# --- between records --------------------------------------------------------------------------------------------------


def duplicates(report: Report, records: Records) -> None:
    _unique(report, "accounts[{}].id", [a.id for a in records.accounts])
    _unique(report, "models[{}].name", [m.name for m in records.models])
    _unique(report, "policies[{}].id", [p.id for p in records.policies])
    _unique(report, "servers[{}].name", [s.name for s in records.servers])
    key_ids = [k.id or k.name for k in records.keys]
    _unique(report, "keys[{}].id", key_ids)


def fallbacks(report: Report, models: Sequence[Model]) -> None:
    """Every fallback leads to a model, by its name or by a pattern."""
    names = {model.name for model in models}
    patterns = [model for model in models if model.is_pattern]
    for i, model in enumerate(models):
        for k, fallback in enumerate(model.fallbacks):
            if all(pattern.match(fallback.model) is None for pattern in patterns):
                at = report.at(f"models[{i}].fallbacks[{k}].model")
                known(at, fallback.model, names, "there is no model")


def duplicate_digests(report: Report, digests: Sequence[bytes | None]) -> None:
    """Two keys of the same text: which of them called could not be told."""
    seen: dict[bytes, int] = {}
    for i, digest in enumerate(digests):
        if digest is not None and seen.setdefault(digest, i) != i:
            report.at(f"keys[{i}]").add(f"has the same text as keys[{seen[digest]}]")


def one_kind_per_pool(report: Report, records: Records) -> None:
    first: dict[str, int] = {}
    for i, account in enumerate(records.accounts):
        other = records.accounts[first.setdefault(account.pool, i)]
        if other.provider != account.provider:
            report.at(f"accounts[{i}].pool").add(
                f"pool {account.pool!r} holds accounts of one provider kind: "
                f"{other.id!r} is {other.provider!r}, {account.id!r} is {account.provider!r}"
            )


def _unique(report: Report, path: str, names: Sequence[str | None]) -> None:
    seen: dict[str, int] = {}
    for i, value in enumerate(names):
        if value is not None and seen.setdefault(value, i) != i:
            report.at(path.format(i)).add(f"{value!r} is taken by {path.format(seen[value])}")


def listed(values: Iterable[str]) -> str:
    """Values in quotes, for a message."""
    return ", ".join(repr(str(v)) for v in values)


def _meant(value: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(value, sorted(map(str, names)), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
