"""A canonical request as generateContent: the top of it; turns and settings are in `render_turns` and `render_config`.

Always v1beta, which knows every field that is sent here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from llmgw_domain.chat import ChatRequest, Tool
from llmgw_protocols import customs, names, only_responses
from llmgw_protocols.dialect import Rendered, TargetFacts
from llmgw_protocols.gemini.envelope import path_of
from llmgw_protocols.gemini.models import traits_at
from llmgw_protocols.gemini.render_config import choice_of, config_of, extras_into, tools_of
from llmgw_protocols.gemini.render_turns import contents_of
from llmgw_protocols.losses import Losses

_TIERS = {
    "default": "standard",
    "standard": "standard",
    "standard_only": "standard",
    "flex": "flex",
    "priority": "priority",
    "fast": "priority",
}


def render_request(request: ChatRequest, facts: TargetFacts) -> Rendered:
    """The request for Google. Raises `UnsupportedField`."""
    traits, losses = traits_at(facts), Losses(request.dialect or request.family)
    # Google refuses its search beside functions.
    request = only_responses.without(request, losses, searches=not any(isinstance(t, Tool) for t in request.tools))
    request, emulated = customs.as_functions(request, losses)
    request, aliases = names.aliased(request, names.GOOGLE)
    system, contents = contents_of(request, traits, losses)
    config, promised = config_of(request, traits, losses)
    body: dict[str, Any] = {"contents": contents}
    if system or promised:
        body["systemInstruction"] = {"parts": [{"text": text} for text in (*system, *promised)]}
    if tools := tools_of(request, losses):
        body["tools"] = tools
    if choice := choice_of(request, losses):
        body["toolConfig"] = {"functionCallingConfig": choice}
    if config:
        body["generationConfig"] = config
    _add_tier(request.service_tier, body, losses)
    extras_into(request, body, losses)
    return Rendered(
        path=path_of(facts.model, stream=request.stream),
        query="alt=sse" if request.stream else "",
        body=msgspec.json.encode(body),
        lossy=losses.names(),
        aliases=aliases,
        customs=emulated,
    )


def _add_tier(tier: str | None, body: dict[str, Any], losses: Losses) -> None:
    if tier is None or tier == "auto":
        return
    if tier in _TIERS:
        body["serviceTier"] = _TIERS[tier]
    else:
        losses.add("service_tier")
