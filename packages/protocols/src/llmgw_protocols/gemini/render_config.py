"""Settings, tools and wishes in Gemini's terms, and what becomes of fields that only other dialects know."""

from __future__ import annotations

from typing import Any

import msgspec

from llmgw_domain.chat import ChatRequest, HostedTool, OutputFormat, Reasoning, Tool, ToolChoice
from llmgw_protocols.gemini import schema
from llmgw_protocols.gemini.fields import decoded
from llmgw_protocols.gemini.models import Traits, thinking_for
from llmgw_protocols.losses import Losses

Object = dict[str, Any]

_SILENT = frozenset(
    # What is between the client and its provider, and does not change an answer.
    [
        "metadata",
        "store",
        "stream_options",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "user",
        "cache_control",
        "citations",
        "web_search_options",
        "anthropic_version",
        "betas",
    ]
)
_PASSED = {
    "safety_settings": "safetySettings",
    "safetySettings": "safetySettings",
    "cached_content": "cachedContent",
    "cachedContent": "cachedContent",
}
_REFUSED = frozenset({"mcp_servers", "thread", "compaction", "audio"})
_NULL = msgspec.Raw(b"null")
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)
_EMPTY = frozenset({b"null", b"{}", b"[]", b'""', b"false"})


def config_of(request: ChatRequest, traits: Traits, losses: Losses) -> tuple[Object, list[str]]:
    """The `generationConfig`, and sentences that stand in for what it can't hold."""
    config: Object = {
        "maxOutputTokens": request.max_tokens,
        "temperature": request.temperature,
        "topP": request.top_p,
        "topK": request.top_k,
        "frequencyPenalty": request.frequency_penalty,
        "presencePenalty": request.presence_penalty,
        "responseLogprobs": request.logprobs or None,
        "logprobs": request.top_logprobs if request.logprobs else None,
        "candidateCount": request.n if request.n != 1 else None,
        "seed": request.seed,
        "stopSequences": list(request.stop) or None,
    }
    promised = _add_format(request, config, traits, losses)
    if request.reasoning is not None:
        config["thinkingConfig"] = _thinking(request.reasoning, traits, losses) or None
    return {name: value for name, value in config.items() if value is not None}, promised


def _add_format(request: ChatRequest, config: Object, traits: Traits, losses: Losses) -> list[str]:
    wanted = request.format
    if wanted is None or wanted.kind == "text":
        return []
    narrowed = None
    if wanted.schema is not None:
        where = losses.name("response_format")
        narrowed = schema.for_gemini(wanted.schema, where, lambda: losses.add("response_format"))
    if request.tools and not traits.current:
        # Older models refuse JSON output beside tools, so it is asked for in words.
        losses.add("response_format")
        return [_in_words(wanted)]
    config["responseMimeType"] = "application/json"
    config["responseJsonSchema"] = narrowed
    return []


def _in_words(wanted: OutputFormat) -> str:
    if wanted.schema is None:
        return "When you do not call a tool, answer with one JSON object and nothing else."
    text = bytes(wanted.schema).decode()
    return (
        f"When you do not call a tool, answer with one JSON value that fits this JSON Schema and nothing else:\n{text}"
    )


def _thinking(wish: Reasoning, traits: Traits, losses: Losses) -> Object:
    how = thinking_for(wish, traits)
    if not how.exact:
        losses.add("reasoning_effort")
    if not traits.thinks:
        return {}
    off = wish.effort == "none" or wish.mode == "disabled" or wish.budget == 0
    config: Object = {}
    if how.level is not None:
        config["thinkingLevel"] = how.level
    if how.budget is not None:
        config["thinkingBudget"] = how.budget
    if not off and wish.show is not False:
        config["includeThoughts"] = True
    return config


# --- tools ------------------------------------------------------------------------------------------------------------


def tools_of(request: ChatRequest, losses: Losses) -> list[Any]:
    """Google's own tools, then all functions in one entry. Raises `UnsupportedField` for other providers' tools."""
    hosted = [_hosted(tool, losses) for tool in request.tools if isinstance(tool, HostedTool)]
    declared = [_declaration(t, n, losses) for n, t in enumerate(request.tools) if isinstance(t, Tool)]
    if request.family == "openai" and "web_search_options" in request.extras:
        hosted.append({"googleSearch": {}})
    if request.parallel_tool_calls is False and declared:
        losses.add("parallel_tool_calls")
    return [*hosted, {"functionDeclarations": declared}] if declared else hosted


def choice_of(request: ChatRequest, losses: Losses) -> Object | None:
    """The `functionCallingConfig`; None where the client chose nothing or has no functions."""
    choice = request.tool_choice
    functions = [tool for tool in request.tools if isinstance(tool, Tool)]
    if choice is None or not functions:
        return None
    # VALIDATED is what Google has for `strict`: calls keep to the schema.
    free = "VALIDATED" if any(tool.strict for tool in functions) else "AUTO"
    return _choice(choice, free)


def _choice(choice: ToolChoice, free: str) -> Object:
    match choice.mode:
        case "none":
            return {"mode": "NONE"}
        case "required":
            return {"mode": "ANY"}
        case "named":
            return {"mode": "ANY", "allowedFunctionNames": list(choice.names)}
        case "allowed":
            mode = "ANY" if choice.required else "VALIDATED"
            return {"mode": mode, "allowedFunctionNames": list(choice.names)}
    return {"mode": free}


def _hosted(tool: HostedTool, losses: Losses) -> Any:
    if tool.family == "google":
        return tool.json
    if tool.family == "openai" and tool.kind.startswith("web_search"):
        return {"googleSearch": {}}
    raise losses.unsupported("tools", f"The tool {tool.kind!r} is run by {tool.family} only; leave it out.")


def _declaration(tool: Tool, number: int, losses: Losses) -> Object:
    where = f"tools[{number}]"
    declared: Object = {"name": tool.name}
    if tool.description:
        declared["description"] = tool.description
    if tool.schema is not None:
        parameters = schema.for_gemini(tool.schema, f"{where}.parameters", lambda: losses.add("tools"))
        if not schema.is_empty(parameters):
            declared["parametersJsonSchema"] = parameters
    return declared


# --- what other dialects have -----------------------------------------------------------------------------------------


def extras_into(request: ChatRequest, body: Object, losses: Losses) -> None:
    """Puts what Google knows into `body`.

    Raises `UnsupportedField` for what changes the kind of the answer, `InvalidField` for an `extra_body` that is none.
    """
    for name, raw in request.extras.items():
        if request.family == "google":
            _own(name, raw, body)
        elif name in _PASSED:
            body[_PASSED[name]] = raw
        elif name == "extra_body" and request.family == "openai":
            _unpacked(raw, body, losses)
        elif bytes(raw) not in _EMPTY and name not in _SILENT:
            _foreign(name, bytes(raw), losses)


def _own(name: str, raw: msgspec.Raw, body: Object) -> None:
    head, _, key = name.partition(".")
    if key:
        body.setdefault(head, {})[key] = raw
    else:
        body[name] = raw


def _unpacked(raw: msgspec.Raw, body: Object, losses: Losses) -> None:
    """What clients of Google's compatible endpoint put into `extra_body.google`; its thinking is read already."""
    said = decoded(_MEMBERS, raw, "extra_body", "an object") or {}
    google = decoded(_MEMBERS, said.pop("google", _NULL), "extra_body.google", "an object") or {}
    google.pop("thinking_config", None)
    for name, value in google.items():
        if name in _PASSED:
            body[_PASSED[name]] = value
    if said or google.keys() - _PASSED.keys():
        losses.add("extra_body")


def _foreign(name: str, value: bytes, losses: Losses) -> None:
    if name == "modalities":
        if b'"audio"' in value:
            raise losses.unsupported(name, "This model answers in text only.")
        return
    if name in _REFUSED or (name == "moderation" and b'"block"' in value):
        raise losses.unsupported(name, "This model's provider has nothing like it; leave it out.")
    losses.add(name)
