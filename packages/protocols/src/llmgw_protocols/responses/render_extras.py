"""Fields without a canonical place: passed on, dropped because they change nothing in the answer, reported, refused."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from llmgw_domain import Provider
from llmgw_domain.chat import ChatRequest
from llmgw_protocols.chat import extras
from llmgw_protocols.losses import Losses

_ELSEWHERE = frozenset(("store", "verbosity", "web_search_options"))
"""What the renderer reads itself."""
_NATIVE = frozenset(("metadata", "prompt_cache_options", "prompt_cache_retention"))
"""What OpenAI knows and compatible servers may not; nothing of it changes an answer."""
_LOST = frozenset(("prediction", "logit_bias", "extra_body", "include", "instructions", "text"))
"""Of chat's fields those that Responses lacks; of its own those that would undo what is written here."""
_STATE = frozenset(("background", "conversation", "input", "previous_response_id", "prompt"))
_EMPTY = (b"null", b"{}", b"[]", b'""', b"false")


def carry_over(request: ChatRequest, provider: Provider, losses: Losses) -> dict[str, Any]:
    """The extra fields that the target takes. Raises `UnsupportedField`."""
    if request.family != "openai":
        return extras.carry_over(request, provider, losses)
    carried: dict[str, Any] = {}
    for name, raw in request.extras.items():
        if bytes(raw).strip() not in _EMPTY and name not in _ELSEWHERE:
            _own(name, raw, provider is not Provider.OPENAI_COMPATIBLE, carried, losses)
    return carried


def _own(name: str, raw: Raw, native: bool, carried: dict[str, Any], losses: Losses) -> None:
    if name in ("audio", "modalities"):
        if name == "audio" or b'"text"' not in bytes(raw) or b"," in bytes(raw):
            raise losses.unsupported(name, "The model's provider answers in text only.")
    elif name in _STATE:
        raise losses.unsupported(name, "Send the whole conversation in 'messages'.")
    elif name in _LOST:
        losses.add(name)
    elif name == "moderation" and not native:
        if b'"block"' in bytes(raw):
            raise losses.unsupported(name, "The model's provider does not moderate; remove 'block'.")
        losses.add(name)
    elif native or name not in _NATIVE:
        carried[name] = raw
