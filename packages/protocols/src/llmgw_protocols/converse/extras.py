"""Top-level fields without a canonical place: Bedrock's own are passed on, others dropped, reported or refused."""

from __future__ import annotations

from typing import Any

import msgspec

from llmgw_domain.chat import ChatRequest
from llmgw_protocols.converse.models import Traits
from llmgw_protocols.losses import Losses
from llmgw_protocols.messages.extras import foreign
from llmgw_protocols.messages.reading import is_null, read

_PASSED = {
    "guardrailConfig": "guardrailConfig",
    "guardrail_config": "guardrailConfig",
    "performanceConfig": "performanceConfig",
    "performance_config": "performanceConfig",
    "promptVariables": "promptVariables",
    "requestMetadata": "requestMetadata",
    "request_metadata": "requestMetadata",
    "additionalModelResponseFieldPaths": "additionalModelResponseFieldPaths",
}
"""Converse's own fields by the names that clients of other dialects have for them."""
_ADDITIONAL = frozenset(("additionalModelRequestFields", "additional_model_request_fields"))
_SILENT = frozenset(("metadata", "citations", "anthropic_version", "betas", "stream"))
_REFUSED = {
    "mcp_servers": "Only Anthropic calls MCP servers itself; leave it out.",
    "thread": "Threads are kept by Anthropic alone; send the whole conversation.",
    "compaction": "Compaction is done by Anthropic alone; leave it out.",
}


def write(
    request: ChatRequest, traits: Traits, body: dict[str, Any], additional: dict[str, Any], losses: Losses
) -> None:
    """Puts what Bedrock knows into `body`, and what only the model knows into `additional`, where the client's wins.

    Raises `UnsupportedField` for what changes the kind of the answer.
    """
    for name, raw in request.extras.items():
        if is_null(raw) or name == "cache_control":
            continue
        if name in _PASSED:
            body[_PASSED[name]] = raw
        elif name in _ADDITIONAL:
            additional.update(read(raw, dict[str, msgspec.Raw], name))
        elif traits.claude and name == "anthropic_beta":
            additional[name] = raw
        elif traits.claude and name == "output_config" and request.family == "openai":
            _output_config(raw, body, losses)
        elif request.family == "anthropic":
            _anthropic(name, losses)
        else:
            foreign(name, raw, request.family, losses)


def _output_config(raw: msgspec.Raw, body: dict[str, Any], losses: Losses) -> None:
    """Anthropic's own field from a client of another dialect; of its members Converse has the effort."""
    members = read(raw, dict[str, msgspec.Raw], "output_config")
    if "effort" in members:
        body.setdefault("outputConfig", {})["effort"] = members.pop("effort")
    if members:
        losses.add("output_config")


def _anthropic(name: str, losses: Losses) -> None:
    if why := _REFUSED.get(name):
        raise losses.unsupported(name, why)
    if name not in _SILENT:
        losses.add(name)
