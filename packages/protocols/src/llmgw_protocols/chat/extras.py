"""Fields without a canonical place, the client's own and those of other dialects.

They are passed on, dropped because they change nothing in the answer, reported as lost, or refused because an answer
without them would be another answer.
"""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from llmgw_domain import Provider
from llmgw_domain.chat import ChatRequest
from llmgw_domain.errors import UnsupportedField
from llmgw_domain.servers import GENERIC, Server
from llmgw_protocols.losses import Losses, bare_name

_SILENT = {
    "anthropic": frozenset(("metadata", "cache_control", "citations", "anthropic_version", "betas", "stream")),
    "google": frozenset(("safetysettings", "labels", "store")),
}
_REFUSED = {
    "anthropic": {
        "mcp_servers": "Only Anthropic calls MCP servers itself; leave it out.",
        "thread": "Threads are kept by Anthropic alone; send the whole conversation.",
        "compaction": "Compaction is done by Anthropic alone; leave it out.",
    },
    "google": {
        "cachedcontent": "The model's provider does not have this cached content; send it in the request.",
    },
}
_MEDIA = (b'"audio"', b'"image"', b'"video"')
_EMPTY = (b"null", b"{}", b"[]", b'""', b"false")
_OPENAI_ONLY_SILENT = frozenset(("metadata", "store", "prompt_cache_options", "prompt_cache_retention"))
_OPENAI_ONLY = frozenset(("prediction", "verbosity", "moderation"))


def carry_over(request: ChatRequest, provider: Provider, losses: Losses, server: Server = GENERIC) -> dict[str, Any]:
    """The extra fields that the target takes; the others are dropped or reported. Raises `UnsupportedField`."""
    carried: dict[str, Any] = {}
    for name, raw in request.extras.items():
        if bytes(raw) in _EMPTY:
            continue
        if request.family == "openai":
            _own(name, raw, provider, server, carried, losses)
        else:
            _foreign(name, raw, request.family, provider, carried, losses)
    return carried


def _own(name: str, raw: Raw, provider: Provider, server: Server, carried: dict[str, Any], losses: Losses) -> None:
    if provider is Provider.OPENAI or name in server.takes:
        carried[name] = raw
    elif name in _OPENAI_ONLY_SILENT:
        return
    elif name in _OPENAI_ONLY or not server.unknown_fields:
        losses.add(name)
    else:
        carried[name] = raw


def _foreign(name: str, raw: Raw, family: str, provider: Provider, carried: dict[str, Any], losses: Losses) -> None:
    key = bare_name(name, family)
    if key in _SILENT.get(family, ()):
        return
    if why := _REFUSED.get(family, {}).get(key):
        raise UnsupportedField.named(name, why)
    if key == "responsemodalities":
        if any(kind in bytes(raw).lower() for kind in _MEDIA):
            raise UnsupportedField.named(name, "The model's provider answers in text only.")
        return
    if key == "speed" and bytes(raw) == b'"fast"' and provider is Provider.OPENAI:
        carried["service_tier"] = "fast"
        return
    losses.add(name)
