"""Tools and the choice among them in the flat form of Responses."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from llmgw_domain import Provider
from llmgw_domain.chat import ChatRequest, HostedTool, Tool, ToolChoice
from llmgw_domain.errors import InvalidField
from llmgw_protocols.chat import tools as chat_tools
from llmgw_protocols.losses import Losses

Object = dict[str, Any]

_NO_PARAMETERS = Raw(b'{"type":"object","properties":{}}')
_SEARCHES = frozenset(("googlesearch", "google_search"))
_object = msgspec.json.Decoder(dict[str, Raw]).decode


class _Grammar(msgspec.Struct):
    """A custom tool's format as chat has it; `grammar` is missing in plain text and in the flat form."""

    type: str = "text"
    grammar: dict[str, Raw] | None = None


class _AnthropicSearch(msgspec.Struct):
    """Anthropic's web search tool."""

    user_location: Raw = Raw(b"")
    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None
    max_uses: int | None = None


class _ChatPlace(msgspec.Struct):
    approximate: dict[str, Raw] | None = None


class _ChatSearch(msgspec.Struct):
    """The chat field `web_search_options`."""

    search_context_size: str | None = None
    user_location: _ChatPlace | None = None


def write(request: ChatRequest, provider: Provider, body: Object, losses: Losses) -> None:
    """Puts tools and choice into `body`. Raises `UnsupportedField` for a tool that only another provider can run.

    Raises `InvalidField` for a choice that allows none of the tools.
    """
    offered, choice = request.tools, request.tool_choice
    if choice and choice.mode == "allowed" and offered and provider is Provider.OPENAI_COMPATIBLE:
        # Compatible servers do not know this choice, so the others are not offered at all.
        offered = chat_tools.allowed(choice, offered)
        if not offered:
            name = losses.name("tool_choice")
            raise InvalidField(f"Invalid value for {name!r}: it allows none of the tools that are sent.", param=name)
        choice = ToolChoice("required" if choice.required else "auto")
    written = [_tool(tool, losses) for tool in offered]
    options = request.extras.get("web_search_options") if request.family == "openai" else None
    if options is not None:
        written.append(_chat_search(options))
    if not written:
        return
    body["tools"] = written
    if choice is not None and offered:
        body["tool_choice"] = _choice(choice, offered)
    if request.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = request.parallel_tool_calls


def _tool(tool: Tool | HostedTool, losses: Losses) -> Object | Raw:
    if isinstance(tool, HostedTool):
        return _hosted(tool, losses)
    written: Object = {"type": "custom" if tool.custom else "function", "name": tool.name}
    if tool.description:
        written["description"] = tool.description
    if tool.custom:
        if tool.grammar is not None:
            written["format"] = _flat_grammar(tool.grammar)
        return written
    written["parameters"] = _NO_PARAMETERS if tool.schema is None else tool.schema
    # Here an absent `strict` is true, and a schema that was not written for it would be refused.
    written["strict"] = bool(tool.strict)
    return written


def _flat_grammar(grammar: Raw) -> Object | Raw:
    try:
        nested = msgspec.json.decode(grammar, type=_Grammar)
    except msgspec.ValidationError:
        return grammar
    return grammar if nested.grammar is None else {"type": nested.type, **nested.grammar}


def _choice(choice: ToolChoice, offered: tuple[Tool | HostedTool, ...]) -> Any:
    custom = {tool.name for tool in offered if isinstance(tool, Tool) and tool.custom}
    if choice.mode == "named":
        return _reference(choice.names[0], custom)
    if choice.mode == "allowed":
        mode = "required" if choice.required else "auto"
        return {"type": "allowed_tools", "mode": mode, "tools": [_reference(name, custom) for name in choice.names]}
    return choice.mode


def _reference(name: str, custom: set[str]) -> Object:
    return {"type": "custom" if name in custom else "function", "name": name}


# --- tools that a provider runs ---------------------------------------------------------------------------------------


def _hosted(tool: HostedTool, losses: Losses) -> Object | Raw:
    if tool.family == "openai":
        return _flat(tool)
    if tool.family == "anthropic" and tool.kind.startswith("web_search"):
        return _anthropic_search(tool.json, losses)
    if tool.family == "google" and tool.kind.lower() in _SEARCHES:
        return {"type": "web_search"}
    raise losses.unsupported("tools", f"The tool {tool.kind!r} is run by {tool.family} only; leave it out.")


def _flat(tool: HostedTool) -> Object | Raw:
    """Chat nests a tool's settings below its type (`{type: T, T: {...}}`); here they stand beside it."""
    members = _object(tool.json)
    nested = members.pop(tool.kind, None)
    if nested is None or not bytes(nested).lstrip().startswith(b"{"):
        return tool.json
    return {**members, **_object(nested), "type": tool.kind}


def _anthropic_search(json: Raw, losses: Losses) -> Object:
    written: Object = {"type": "web_search"}
    try:
        said = msgspec.json.decode(json, type=_AnthropicSearch)
    except msgspec.ValidationError:
        losses.add("tools")
        return written
    if bytes(said.user_location) not in (b"", b"null"):
        written["user_location"] = said.user_location
    if said.allowed_domains:
        written["filters"] = {"allowed_domains": said.allowed_domains}
    if said.blocked_domains or said.max_uses is not None:
        losses.add("tools")
    return written


def _chat_search(options: Raw) -> Object:
    written: Object = {"type": "web_search"}
    try:
        said = msgspec.json.decode(options, type=_ChatSearch)
    except msgspec.ValidationError:
        raise InvalidField(
            "Invalid value for 'web_search_options': send {search_context_size, user_location}.",
            param="web_search_options",
        ) from None
    if said.search_context_size:
        written["search_context_size"] = said.search_context_size
    if said.user_location and said.user_location.approximate is not None:
        written["user_location"] = {"type": "approximate", **said.user_location.approximate}
    return written
