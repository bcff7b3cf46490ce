"""A provider's refusal read for who refused what: its words and its names, whatever the shape of its body.

A name is what a provider means to be matched: an error's type, code or status, a reason in its details, an AWS
exception. Words are its message, in which only some providers say the rest. Both are bounded, and nothing raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

_MAX_BODY = 262_144
"""Bytes. What is longer is no refusal of an API, and is looked at as text."""
_MAX_WORDS = 4096
"""Characters."""
_MAX_DETAILS = 32

_NAMES = ("type", "code", "status", "reason", "error_type", "error_code", "limit_source", "__type")
_WORDS = ("message", "Message", "detail", "error", "raw")

_json = msgspec.json.Decoder().decode


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """`names` are lower-case; `words` hold every message, and of Google's quotas the ids and values as text."""

    words: str = ""
    names: frozenset[str] = frozenset()


def read(headers: Mapping[str, str], body: bytes) -> Refusal:
    """What a refusal says. Header names are lower-case."""
    said = error_of(body)
    words = [body[: _MAX_WORDS * 4].decode("utf-8", "replace")] if said is None else list(_words(said))
    names = set() if said is None else {name.lower() for name in _names(said)}
    names.add(_last_part(headers.get("x-amzn-errortype", "")))
    return Refusal(words="\n".join(words)[:_MAX_WORDS], names=frozenset(names - {""}))


def error_of(body: bytes) -> dict[str, Any] | None:
    """The object that describes the error: below `error` where there is one, of an array the first; None for others."""
    try:
        outer = _json(body) if len(body) <= _MAX_BODY else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(outer, list) and outer:
        outer = outer[0]
    inner = outer.get("error", outer) if isinstance(outer, dict) else None
    if isinstance(inner, dict):
        return inner
    return outer if isinstance(outer, dict) else None


def details_of(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The objects of an error's `details`: Google has a list of them, Anthropic one."""
    details = said.get("details")
    found = [details] if isinstance(details, dict) else details if isinstance(details, list) else []
    return [detail for detail in found[:_MAX_DETAILS] if isinstance(detail, dict)]


def quotas_of(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What stands in Google's `QuotaFailure`: `{quotaMetric, quotaId, quotaValue}`."""
    lists = [v for detail in details_of(said) if isinstance(v := detail.get("violations"), list)]
    return [quota for found in lists for quota in found[:_MAX_DETAILS] if isinstance(quota, dict)]


def _names(said: Mapping[str, Any]) -> Iterator[str]:
    metadata = said.get("metadata")
    for part in (said, *details_of(said), metadata if isinstance(metadata, dict) else {}):
        for field in _NAMES:
            value = part.get(field)
            if isinstance(value, str | int):
                yield _last_part(str(value))


def _words(said: Mapping[str, Any]) -> Iterator[str]:
    metadata = said.get("metadata")
    for part in (said, metadata if isinstance(metadata, dict) else {}):
        for field in _WORDS:
            if isinstance(value := part.get(field), str):
                yield value[:_MAX_WORDS]
    for quota in quotas_of(said):
        yield f"{quota.get('quotaId')} limit: {quota.get('quotaValue')}"


def _last_part(name: str) -> str:
    """AWS puts an address behind its exceptions' names, or a namespace before them."""
    return name[:200].partition(":")[0].rpartition("#")[2].strip().lower()
