"""A canonical request written for OpenAI or a compatible server.

The two differ in names (`max_completion_tokens`, `developer`) and in how much a server bears: compatible ones get
what all of them know, and what is known of the one that the account names (`Server`). What can't be said and changes
the answer is in `Rendered.lossy`, or refused.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from llmgw_domain.chat import ChatRequest, Effort, OutputFormat, Text, Turn
from llmgw_domain.errors import InvalidField
from llmgw_protocols import customs, names, only_responses
from llmgw_protocols.chat import extras, models, reasoning, servers, tools
from llmgw_protocols.chat.envelope import PATH
from llmgw_protocols.chat.history import History
from llmgw_protocols.chat.order import Message
from llmgw_protocols.dialect import Rendered, TargetFacts
from llmgw_protocols.losses import Losses

# What a model that reasons answers with a 400.
_REFUSED_WHILE_REASONING = (
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "stop",
)
_TIERS: dict[str, str | None] = {"standard_only": "default", "standard": "default", "unspecified": None}
_LONGEST_USER = 64


def render(request: ChatRequest, facts: TargetFacts) -> Rendered:
    """The request's body. Raises `UnsupportedField`, and `InvalidField` where nothing is left to send."""
    lost = Losses(request.dialect or request.family)
    request = only_responses.without(request, lost)
    request, emulated = customs.for_provider(request, facts.provider, lost)
    request, aliases = names.aliased(request, names.openais(facts.provider))
    body: dict[str, Any] = {
        "model": facts.model,
        "messages": _messages(request, facts, lost),
    }
    body |= extras.carry_over(request, facts.provider, lost, facts.server)
    _output(request, facts, body, lost)
    _sampling(request, facts, body, lost)
    _tools(request, facts, body, lost)
    _reasoning(request, facts, body, lost)
    account(request, facts, body)
    if not facts.provider.is_openai:
        body = servers.suited(body, facts.server, lost)
    return Rendered(path=PATH, body=msgspec.json.encode(body), lossy=lost.names(), aliases=aliases, customs=emulated)


def _messages(request: ChatRequest, facts: TargetFacts, lost: Losses) -> list[Message]:
    turns = request.turns
    if request.format is not None and not _takes(request.format, facts):
        turns = _told(request.format, turns)
    messages = History(facts.provider, facts.model, lost, facts.server).write(turns)
    if not messages:
        name = lost.name("messages")
        raise InvalidField(f"Invalid value for {name!r}: it says nothing; send a message with content.", param=name)
    return messages


def _output(request: ChatRequest, facts: TargetFacts, body: dict[str, Any], lost: Losses) -> None:
    native = facts.provider.is_openai
    if request.stream:
        body["stream"] = True
        if native or facts.server.stream_options:
            body["stream_options"] = {"include_usage": True}
    if request.max_tokens is not None:
        name = models.limit_name(facts.provider, facts.model) or facts.server.output_limit
        body[name] = request.max_tokens
    if request.format is None:
        return
    if _takes(request.format, facts):
        body["response_format"] = _format(request.format)
        return
    lost.add("response_format")
    if "json_object" in facts.server.formats:
        body["response_format"] = {"type": "json_object"}


def _takes(wanted: OutputFormat, facts: TargetFacts) -> bool:
    return facts.provider.is_openai or wanted.kind == "text" or wanted.kind in facts.server.formats


def _told(wanted: OutputFormat, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """The conversation with the wanted form said in words, behind its other instructions."""
    said = "Answer with one JSON object and nothing else."
    if wanted.schema is not None:
        said += f" It must be valid against this JSON Schema: {bytes(wanted.schema).decode('utf-8', 'replace')}"
    at = next((i for i, turn in enumerate(turns) if turn.role not in ("system", "developer")), len(turns))
    return (*turns[:at], Turn("system", (Text(said),)), *turns[at:])


def _format(wanted: OutputFormat) -> dict[str, Any]:
    if wanted.kind != "json_schema":
        return {"type": wanted.kind}
    spec: dict[str, Any] = {"name": wanted.name or "output"}
    if wanted.description:
        spec["description"] = wanted.description
    if wanted.schema is not None:
        spec["schema"] = wanted.schema
    if wanted.strict is not None:
        spec["strict"] = wanted.strict
    return {"type": "json_schema", "json_schema": spec}


def _sampling(request: ChatRequest, facts: TargetFacts, body: dict[str, Any], lost: Losses) -> None:
    wishes = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "frequency_penalty": request.frequency_penalty,
        "presence_penalty": request.presence_penalty,
        "logprobs": request.logprobs,
        "top_logprobs": request.top_logprobs,
        "n": request.n,
        "seed": request.seed,
        "stop": list(request.stop) or None,
    }
    body |= {name: value for name, value in wishes.items() if value is not None}
    if request.top_k is not None:
        if "top_k" in facts.server.takes:
            body["top_k"] = request.top_k
        else:
            lost.add("top_k")


def _tools(request: ChatRequest, facts: TargetFacts, body: dict[str, Any], lost: Losses) -> None:
    offered, choice = request.tools, request.tool_choice
    if not offered:
        return
    if choice and choice.mode == "allowed" and not facts.provider.is_openai:
        offered = tools.allowed(choice, offered)
        if not offered:
            name = lost.name("tool_choice")
            raise InvalidField(f"Invalid value for {name!r}: it allows none of the tools that are sent.", param=name)
        body["tool_choice"] = "required" if choice.required else "auto"
    elif choice:
        body["tool_choice"] = tools.render_choice(choice, offered)
    body["tools"] = tools.render(offered, strict=facts.provider.is_openai or facts.server.strict_tools)
    if request.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = request.parallel_tool_calls


def _reasoning(request: ChatRequest, facts: TargetFacts, body: dict[str, Any], lost: Losses) -> None:
    if not facts.provider.is_openai:
        body |= reasoning.wish(request.reasoning, facts.server, lost)
        return
    effort, differs = models.fitting(models.effort_of(request.reasoning), facts.provider, facts.model)
    if differs:
        lost.add("reasoning_effort")
    if "tools" in body and _is_active(effort) and models.refuses_tools_with_effort(facts.provider, facts.model):
        # The tools carry the conversation; without this the provider refuses the whole request.
        effort = "none"
        lost.add("reasoning_effort")
    if effort is not None:
        body["reasoning_effort"] = effort
    if models.reasons(effort, facts.provider, facts.model):
        for name in _REFUSED_WHILE_REASONING:
            if body.pop(name, None) is not None:
                lost.add(name)


def _is_active(effort: Effort | None) -> bool:
    return effort not in (None, "none")


def account(request: ChatRequest, facts: TargetFacts, body: dict[str, Any]) -> None:
    """Who asks, and how the provider should serve it, in names that Responses shares.

    Nothing here changes the answer, so nothing is reported.
    """
    native, takes = facts.provider.is_openai, facts.server.takes
    if request.user:
        body["safety_identifier" if native else "user"] = _user(request.user)
    if request.cache_key and (native or "prompt_cache_key" in takes):
        body["prompt_cache_key"] = request.cache_key
    if not native and "service_tier" not in takes:
        return
    tier = (request.service_tier or "").lower()
    tier = _TIERS.get(tier, tier) or ""
    # Anthropic's `auto` is the absence of a wish; OpenAI's is a wish of its own.
    if tier and not (tier == "auto" and request.family != "openai"):
        body["service_tier"] = tier


def _user(user: str) -> str:
    # OpenAI bounds the identifier; clients of other dialects put whole JSON texts there.
    return user if len(user) <= _LONGEST_USER else hashlib.sha256(user.encode("utf-8", "surrogatepass")).hexdigest()
