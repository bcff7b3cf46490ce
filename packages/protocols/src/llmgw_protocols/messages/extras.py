"""Top-level fields of other dialects that have no canonical place: pass, drop, report or refuse."""

from __future__ import annotations

from typing import Any

import msgspec

from llmgw_domain.chat import ChatRequest
from llmgw_protocols.losses import Losses, bare_name
from llmgw_protocols.messages.reading import is_null, read

_PASSED = frozenset(("thinking", "output_config", "cache_control", "context_management", "mcp_servers", "speed"))
"""Anthropic's own fields, which OpenAI-style clients send as extra ones."""

_SILENT = {
    "openai": frozenset(
        (
            "metadata",
            "store",
            "stream_options",
            "prompt_cache_key",
            "prompt_cache_options",
            "prompt_cache_retention",
            "safety_identifier",
            "user",
            "web_search_options",
            "service_tier",
        )
    ),
    "google": frozenset(("safetysettings", "labels", "store")),
}
"""Fields that have no effect on an Anthropic answer, or are written elsewhere."""
_OUTPUTS = frozenset(("modalities", "responsemodalities"))
_SPOKEN = frozenset(("audio", "speechconfig"))


def write(request: ChatRequest, body: dict[str, Any], losses: Losses) -> None:
    """Puts what Anthropic knows into `body`. Raises `UnsupportedField` for what changes the kind of the answer."""
    for name, raw in request.extras.items():
        if is_null(raw):
            continue
        if request.family == "anthropic":
            _own(name, raw, body)
        elif name == "output_config" and request.family == "openai":
            # Other fields of the request may have filled a part of it: what is explicit wins, member by member.
            body[name] = body.get(name, {}) | read(raw, dict[str, msgspec.Raw], name)
        elif name in _PASSED and request.family == "openai":
            body[name] = raw
        else:
            foreign(name, raw, request.family, losses)


def _own(name: str, raw: msgspec.Raw, body: dict[str, Any]) -> None:
    head, _, key = name.partition(".")
    if head == "output_config" and key:
        body.setdefault(head, {})[key] = raw
    elif name != "citations":
        body[name] = raw


def foreign(name: str, raw: msgspec.Raw, family: str, losses: Losses) -> None:
    """Another dialect's field that has no place: dropped or reported. Raises `UnsupportedField` as `write` does."""
    key = bare_name(name, family)
    if key in _SILENT.get(family, frozenset()):
        return
    if key in _OUTPUTS:
        _refuse_media(name, raw, losses)
    elif key in _SPOKEN:
        raise losses.unsupported(name, "The model's provider makes no audio.")
    elif key == "cachedcontent":
        raise losses.unsupported(name, "The model's provider does not have this cached content.")
    elif name == "moderation" and b'"block"' in bytes(raw):
        raise losses.unsupported(name, "The model's provider does not moderate; remove 'block'.")
    elif not _is_empty(raw):
        losses.add(name)


def _refuse_media(name: str, raw: msgspec.Raw, losses: Losses) -> None:
    wanted = bytes(raw).lower()
    if any(kind in wanted for kind in (b'"audio"', b'"image"', b'"video"')):
        raise losses.unsupported(name, "The model's provider answers in text only.")


def _is_empty(raw: msgspec.Raw) -> bool:
    return bytes(raw).strip() in (b"{}", b"[]", b'""', b"false")
