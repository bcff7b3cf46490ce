"""OpenAI Responses, the tools: functions, custom tools and namespaces, as what may be called and how it was meant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from llmgw_simulator.ask import Choice, Tool
from llmgw_simulator.dialects._checks import FREE_TEXT, is_object
from llmgw_simulator.dialects._responses_fields import TOOLS
from llmgw_simulator.dialects._rules import check, check_value, missing, one_of
from llmgw_simulator.dialects.chat_messages import called, invalid
from llmgw_simulator.dialects.chat_request import check_strict

_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,128}$")
_MODES: dict[str, Any] = {"auto": "auto", "none": "none", "required": "any"}


class Callable(msgspec.Struct, frozen=True):
    """A tool that the client carries out. `key` is its name in the `Ask`, unique over all namespaces."""

    key: str
    kind: str
    name: str
    namespace: str | None = None
    schema: dict[str, Any] = {}


def callables(tools: list[Any], param: str = "tools") -> dict[str, Callable]:
    """What may be called, by key, in order. Raises `Refusal` for a tool that the provider would refuse."""
    found: dict[str, Callable] = {}
    for index, tool in enumerate(tools):
        where = f"{param}[{index}]"
        _check_tool(tool, where)
        if tool["type"] == "namespace":
            for order, inner in enumerate(tool["tools"]):
                _check_tool(inner, f"{where}.tools[{order}]")
                _add(found, inner, tool["name"])
        else:
            _add(found, tool, None)
    return found


def tools_of(offered: Mapping[str, Callable]) -> tuple[Tool, ...]:
    """The same for the engine."""
    return tuple(Tool(key, FREE_TEXT if tool.kind == "custom" else tool.schema) for key, tool in offered.items())


def choice_of(body: Mapping[str, Any], offered: Mapping[str, Callable]) -> Choice:
    """`tool_choice` and `parallel_tool_calls`. Raises `Refusal`."""
    chosen, tools = body.get("tool_choice"), body.get("tools")
    parallel = body.get("parallel_tool_calls") is not False
    if isinstance(chosen, str):
        check_value(chosen, one_of("none", "auto", "required"), "tool_choice")
        if chosen == "required" and not tools:
            invalid("Tool choice 'required' must be specified with 'tools' parameter.", "tool_choice")
        return Choice(_MODES[chosen], (), parallel)
    if chosen is None:
        return Choice("auto", (), parallel)
    if not is_object(chosen):
        wanted = "one of a tool choice object or string"
        given = called(chosen)
        invalid(
            f"Invalid type for 'tool_choice': expected {wanted}, but got {given} instead.",
            "tool_choice",
            "invalid_type",
        )
    return _object_choice(chosen, tools or [], offered, parallel)


def echoed(tools: list[Any]) -> list[Any]:
    """The tools as the answer repeats them: functions are strict unless they say otherwise."""
    return [_echo(tool) for tool in tools]


def _echo(tool: dict[str, Any]) -> dict[str, Any]:
    if tool["type"] == "function":
        strict = tool["strict"] if tool.get("strict") is not None else True
        return {"description": None, "parameters": None, **tool, "strict": strict}
    if tool["type"] == "custom":
        return {"description": None, **tool, "format": tool.get("format") or {"type": "text"}}
    return tool


def _object_choice(chosen: dict[str, Any], tools: list[Any], offered: Mapping[str, Callable], parallel: bool) -> Choice:
    kind = chosen.get("type")
    if kind == "allowed_tools":
        check_value(chosen.get("mode"), one_of("auto", "required"), "tool_choice.mode")
        allowed = chosen.get("tools")
        if not isinstance(allowed, list) or not allowed:
            missing("tool_choice.tools")
        names = {str(tool.get("name")) for tool in allowed if is_object(tool)}
        keys = tuple(key for key, tool in offered.items() if tool.name in names or tool.namespace in names)
        # A name that fits nothing callable stays, so that nothing is called rather than everything.
        return Choice(_MODES[chosen["mode"]], keys or tuple(sorted(names)), parallel)
    if kind not in TOOLS:
        check_value(kind, one_of("allowed_tools", *TOOLS), "tool_choice.type")
    if kind not in ("function", "custom"):
        if not any(tool["type"] == kind for tool in tools):
            invalid(f"Tool choice '{kind}' not found in 'tools' parameter.", "tool_choice")
        return Choice("none", (), parallel)
    return _named_choice(chosen, offered, parallel)


def _named_choice(chosen: dict[str, Any], offered: Mapping[str, Callable], parallel: bool) -> Choice:
    name, space = chosen.get("name"), chosen.get("namespace")
    if not isinstance(name, str):
        missing("tool_choice.name")
    fits = [key for key, tool in offered.items() if (tool.kind, tool.name) == (chosen["type"], name)]
    fits = [key for key in fits if space in (None, offered[key].namespace)]
    if not fits:
        invalid(f"Tool choice '{name}' not found in 'tools' parameter.", "tool_choice")
    return Choice("any", (fits[0],), parallel)


def _check_tool(tool: Any, param: str) -> None:
    if not is_object(tool):
        invalid(
            f"Invalid type for '{param}': expected an object, but got {called(tool)} instead.", param, "invalid_type"
        )
    if tool.get("type") is None:
        missing(f"{param}.type")
    check_value(tool["type"], one_of(*TOOLS), f"{param}.type")
    table = TOOLS[tool["type"]]
    if table is None:
        return
    # What is missing is said before what is unknown: a tool in the form of chat completions lacks its name.
    for name, rule in table.items():
        if rule.required and tool.get(name) is None:
            missing(f"{param}.{name}")
    check(tool, table, f"{param}.")
    if not _NAME.match(tool["name"]):
        pattern = "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
        message = f"Invalid '{param}.name': string does not match pattern. {pattern}"
        invalid(message, f"{param}.name", "invalid_value")
    if tool["type"] == "function":
        _check_schema(tool, param)


def _check_schema(tool: dict[str, Any], param: str) -> None:
    schema = tool.get("parameters") or {}
    if schema and schema.get("type") != "object":
        wanted = "schema must be a JSON Schema of 'type: \"object\"'"
        message = f"Invalid schema for function '{tool['name']}': {wanted}, got 'type: \"{schema.get('type')}\"'."
        invalid(message, f"{param}.parameters", "invalid_function_parameters")
    if tool.get("strict"):
        check_strict(schema, f"function '{tool['name']}'", f"{param}.parameters", ())


def _add(found: dict[str, Callable], tool: dict[str, Any], namespace: str | None) -> None:
    if tool["type"] not in ("function", "custom"):
        return
    name = tool["name"]
    key = f"{namespace}.{name}" if name in found else name
    found[key] = Callable(key, tool["type"], name, namespace, tool.get("parameters") or {})
