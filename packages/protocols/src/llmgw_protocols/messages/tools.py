"""Tools, the choice among them, and what stands in for tools that a history mentions and the request lacks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from llmgw_domain.chat import ChatRequest, HostedTool, Tool, ToolCall, ToolChoice
from llmgw_domain.errors import InvalidField
from llmgw_protocols.losses import Losses
from llmgw_protocols.messages import schema as _schema
from llmgw_protocols.messages.content import Marks
from llmgw_protocols.messages.models import Capabilities

_WEB_SEARCH = {"type": "web_search_20250305", "name": "web_search"}
_SEARCHES = frozenset(("googlesearch", "google_search"))


class _Place(msgspec.Struct):
    """What OpenAI calls the approximate location of a user."""

    city: str | None = None
    country: str | None = None
    region: str | None = None
    timezone: str | None = None


class _UserLocation(msgspec.Struct):
    approximate: _Place | None = None


class _SearchOptions(msgspec.Struct):
    user_location: _UserLocation | None = None


class _SearchFilters(msgspec.Struct):
    allowed_domains: list[str] | None = None


class _ResponsesSearch(msgspec.Struct):
    """The web search tool of OpenAI Responses."""

    user_location: _Place | None = None
    filters: _SearchFilters | None = None


def offered(request: ChatRequest, losses: Losses) -> list[tuple[int, Tool | HostedTool]]:
    """The tools that a request's choice allows, each with its place.

    Raises `InvalidField` for a choice that allows none of them: without tools the model would just talk.
    """
    choice = request.tool_choice
    placed = list(enumerate(request.tools))
    if choice is None or choice.mode != "allowed":
        return placed
    allowed = [(at, tool) for at, tool in placed if isinstance(tool, HostedTool) or tool.name in choice.names]
    if not allowed:
        param = losses.name("tool_choice")
        raise InvalidField(f"{param}: names none of the tools.", param=param)
    return allowed


def parameters(tool: Tool, param: str, *, structured: bool, losses: Losses) -> tuple[msgspec.Raw, bool]:
    """The schema of a tool's input, and whether it is strict; `structured` models alone can be held to a schema.

    Raises `InvalidField` on `param` for a strict schema that can't be read.
    """
    schema = _schema.object_schema(tool.schema)
    if not tool.strict:
        return schema, False
    closed = _schema.closed(schema, param) if structured else None
    if closed is None:
        losses.add("tools" if structured else "tools.strict")
        return schema, False
    return closed, True


class ToolWriter:
    """Writes a request's tools and choice for one model."""

    def __init__(self, model: Capabilities, marks: Marks, losses: Losses) -> None:
        self._model = model
        self._marks = marks
        self._losses = losses

    def tools(self, request: ChatRequest) -> list[Any]:
        """The tools, in order. Raises `UnsupportedField` naming a tool that Anthropic can't have; see `offered`."""
        written = [self._tool(tool, at) for at, tool in offered(request, self._losses)]
        if (options := request.extras.get("web_search_options")) is not None and request.family == "openai":
            written.append(self._web_search(options))
        return written

    def _tool(self, tool: Tool | HostedTool, at: int) -> Any:
        if isinstance(tool, HostedTool):
            return self._hosted(tool, at)
        written: dict[str, Any] = {"name": tool.name}
        if tool.description:
            written["description"] = tool.description
        structured = self._model.structured
        written["input_schema"], strict = parameters(tool, f"tools.{at}", structured=structured, losses=self._losses)
        if strict:
            written["strict"] = True
        self._marks.put(written, tool.cache)
        return written

    def _hosted(self, tool: HostedTool, at: int) -> Any:
        if tool.family == "anthropic":
            return tool.json
        if tool.family == "google" and tool.kind.lower() in _SEARCHES:
            return dict(_WEB_SEARCH)
        if tool.family == "openai" and tool.kind.startswith("web_search"):
            return self._responses_search(tool.json)
        raise self._losses.unsupported(f"tools.{at}", f"The model's provider has no {tool.kind!r} tool.")

    def _web_search(self, options: msgspec.Raw) -> dict[str, Any]:
        written: dict[str, Any] = dict(_WEB_SEARCH)
        try:
            location = msgspec.json.decode(options, type=_SearchOptions).user_location
        except msgspec.ValidationError:
            return written
        if location and location.approximate:
            written["user_location"] = _approximate(location.approximate)
        return written

    def _responses_search(self, wanted: msgspec.Raw) -> dict[str, Any]:
        written: dict[str, Any] = dict(_WEB_SEARCH)
        try:
            search = msgspec.json.decode(wanted, type=_ResponsesSearch)
        except msgspec.ValidationError:
            return written
        if search.user_location:
            written["user_location"] = _approximate(search.user_location)
        if search.filters and search.filters.allowed_domains:
            written["allowed_domains"] = search.filters.allowed_domains
        return written

    def choice(self, request: ChatRequest) -> dict[str, Any] | None:
        """The `tool_choice` of a request that has tools; None leaves it to the model."""
        written = self._choice(request.tool_choice)
        if request.parallel_tool_calls is not False:
            return written
        written = written or {"type": "auto"}
        if written["type"] != "none":
            written["disable_parallel_tool_use"] = True
        return written

    def _choice(self, choice: ToolChoice | None) -> dict[str, Any] | None:
        if choice is None:
            return None
        written = _choice_of(choice)
        if written["type"] in ("any", "tool") and not self._model.forced_tools:
            self._losses.add("tool_choice")
            return {"type": "auto"}
        return written


def _approximate(place: _Place) -> dict[str, Any]:
    return {"type": "approximate"} | {k: v for k, v in msgspec.structs.asdict(place).items() if v is not None}


def _choice_of(choice: ToolChoice) -> dict[str, Any]:
    match choice.mode:
        case "named":
            return {"type": "tool", "name": choice.names[0]}
        case "required":
            return {"type": "any"}
        case "allowed":
            return {"type": "any" if choice.required else "auto"}
    return {"type": choice.mode}


def forces(choice: ToolChoice | None) -> bool:
    """Whether the model has to call a tool."""
    return choice is not None and _choice_of(choice)["type"] in ("any", "tool")


def stand_ins(calls: Iterable[ToolCall]) -> list[dict[str, Any]]:
    """Tools for the names in a history whose request brings none: Anthropic refuses calls of unknown tools."""
    names = dict.fromkeys(call.name for call in calls)
    return [{"name": name, "input_schema": _schema.EMPTY} for name in names]
