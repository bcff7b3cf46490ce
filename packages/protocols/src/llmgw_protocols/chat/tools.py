"""Tools and the choice among them, in both directions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from llmgw_domain.chat import HostedTool, Tool, ToolChoice
from llmgw_domain.errors import InvalidField, UnsupportedField
from llmgw_protocols.chat import _wire, media
from llmgw_protocols.chat.envelope import complaint, place

_decode = msgspec.json.Decoder(_wire.Tool).decode


def read(tools: list[Raw] | None, functions: list[_wire.FunctionTool] | None) -> tuple[Tool | HostedTool, ...]:
    """Tools of a client, deprecated functions among them. Raises `InvalidField` with the path."""
    read_ = [_read(raw, f"tools[{i}]") for i, raw in enumerate(tools or ())]
    return (*read_, *(_function(f) for f in functions or ()))


def read_choice(choice: str | _wire.Choice | None, function_call: str | _wire.Named | None) -> ToolChoice | None:
    """The choice of a client. Raises `InvalidField`."""
    if choice is None:
        return _legacy_choice(function_call)
    if isinstance(choice, str):
        return _word(choice, "tool_choice")
    named = choice.function or choice.custom
    if named:
        return ToolChoice("named", (named.name,))
    if choice.allowed_tools:
        allowed = [t.function or t.custom for t in choice.allowed_tools.tools]
        return ToolChoice("allowed", tuple(n.name for n in allowed if n), choice.allowed_tools.mode == "required")
    raise InvalidField(
        "Invalid value for 'tool_choice': send 'auto', 'none', 'required', or an object that names a function, "
        "a custom tool or allowed_tools.",
        param="tool_choice",
    )


def knows_functions_only(fields: Mapping[str, Raw]) -> bool:
    """Whether a request's client is of the days before tools: it looks for `function_call` in its answer."""
    return _has(fields, "functions") and not _has(fields, "tools")


def _has(fields: Mapping[str, Raw], name: str) -> bool:
    return bytes(fields.get(name, b"null")) != b"null"


def render(tools: tuple[Tool | HostedTool, ...], *, strict: bool) -> list[Any]:
    """Tools for a provider, which takes `strict` or not. Raises `UnsupportedField` for a tool that only another
    provider can run.
    """
    return [_hosted(t) if isinstance(t, HostedTool) else _tool(t, strict) for t in tools]


def render_choice(choice: ToolChoice, tools: tuple[Tool | HostedTool, ...]) -> Any:
    """The choice in Chat's form."""
    custom = {t.name for t in tools if isinstance(t, Tool) and t.custom}
    if choice.mode == "named":
        return _reference(choice.names[0], custom)
    if choice.mode == "allowed":
        mode = "required" if choice.required else "auto"
        named = [_reference(name, custom) for name in choice.names]
        return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": named}}
    return choice.mode


def allowed(choice: ToolChoice, tools: tuple[Tool | HostedTool, ...]) -> tuple[Tool | HostedTool, ...]:
    """The tools that an `allowed` choice leaves, for servers that do not know the choice."""
    return tuple(t for t in tools if not isinstance(t, Tool) or t.name in choice.names)


def _read(raw: Raw, at: str) -> Tool | HostedTool:
    try:
        tool = _decode(raw)
    except msgspec.ValidationError as error:
        where = at + place(error)
        raise InvalidField(f"Invalid value for {where!r}: {complaint(error)}.", param=where) from None
    if tool.function and tool.type == "function":
        return _function(tool.function, tool)
    if tool.custom and tool.type == "custom":
        grammar = None if bytes(tool.custom.format) == b"null" else tool.custom.format
        name, text = tool.custom.name, tool.custom.description
        return Tool(name=name, description=text, custom=True, grammar=grammar, cache=media.mark(tool))
    if tool.type in ("function", "custom"):
        raise InvalidField(f"Invalid value for {at!r}: the tool has no {tool.type!r}.", param=f"{at}.{tool.type}")
    return HostedTool(family="openai", kind=tool.type, json=raw)


def _function(function: _wire.FunctionTool, tool: _wire.Tool | None = None) -> Tool:
    return Tool(
        name=function.name,
        description=function.description,
        schema=None if function.parameters is None else Raw(msgspec.json.encode(function.parameters)),
        strict=function.strict,
        cache=media.mark(function) or (media.mark(tool) if tool else None),
    )


def _legacy_choice(function_call: str | _wire.Named | None) -> ToolChoice | None:
    if function_call is None:
        return None
    if isinstance(function_call, str):
        return _word(function_call, "function_call")
    return ToolChoice("named", (function_call.name,))


def _word(word: str, param: str) -> ToolChoice:
    match word:
        case "auto":
            return ToolChoice("auto")
        case "none":
            return ToolChoice("none")
        case "required" | "any":
            return ToolChoice("required")
    raise InvalidField(f"Invalid value for {param!r}: {word[:100]!r}; send 'auto', 'none' or 'required'.", param=param)


def _hosted(tool: HostedTool) -> Raw:
    if tool.family == "openai":
        return tool.json
    raise UnsupportedField.named("tools", f"The tool {tool.kind!r} is run by {tool.family} only; leave it out.")


def _tool(tool: Tool, strict: bool) -> dict[str, Any]:
    body: dict[str, Any] = {"name": tool.name}
    if tool.description:
        body["description"] = tool.description
    if tool.custom:
        if tool.grammar is not None:
            body["format"] = tool.grammar
        return {"type": "custom", "custom": body}
    if tool.schema is not None:
        body["parameters"] = tool.schema
    # Some compatible servers refuse `strict`; it limits the model, so nothing breaks without it.
    if tool.strict is not None and strict:
        body["strict"] = tool.strict
    return {"type": "function", "function": body}


def _reference(name: str, custom: set[str]) -> dict[str, Any]:
    kind = "custom" if name in custom else "function"
    return {"type": kind, kind: {"name": name}}
