"""Tools of a client and the choice among them.

Functions and custom tools are the client's own; those of a namespace get a flat name (see `namespaces`). All others run
at the provider and stay as they came. What else a function can say here and nowhere else is collected in `extras`.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Raw

from llmgw_domain.chat import HostedTool, Tool, ToolChoice
from llmgw_domain.errors import InvalidField
from llmgw_protocols.responses import _request as wire
from llmgw_protocols.responses.namespaces import flat
from llmgw_protocols.responses.reading import read

_ONLY_HERE = ("output_schema", "allowed_callers", "async_")
_WORDS = {"auto": "auto", "none": "none", "required": "required", "any": "required"}


class Tools:
    """Collects the tools of a request, wherever it offers them; of two with one name the later counts."""

    def __init__(self) -> None:
        self._tools: dict[str, Tool | HostedTool] = {}
        self.extras: dict[str, Raw] = {}

    def add(self, raws: Iterable[Raw], at: str) -> None:
        """Reads tools; `at` is the path of the array. Raises `InvalidField`."""
        for i, raw in enumerate(raws):
            self._add(raw, f"{at}[{i}]")

    def all(self) -> tuple[Tool | HostedTool, ...]:
        return tuple(self._tools.values())

    def _add(self, raw: Raw, at: str) -> None:
        tool: wire.Tool = read(raw, wire.Tool, at)
        if tool.type == "namespace":
            for i, member in enumerate(tool.tools or ()):
                where = f"{at}.tools[{i}]"
                self._own(read(member, wire.Tool, where), where, tool)
        elif tool.type in ("function", "custom"):
            self._own(tool, at)
        else:
            # Several servers of one kind (MCP) may stand side by side, so the whole text tells them apart.
            self._tools[bytes(raw).decode()] = HostedTool(family="openai", kind=tool.type, json=raw.copy())

    def _own(self, tool: wire.Tool, at: str, group: wire.Tool | None = None) -> None:
        if not tool.name:
            raise InvalidField(f"Invalid value for {at!r}: the tool has no 'name'.", param=f"{at}.name")
        name = flat(group.name if group else None, tool.name)
        description = tool.description or (group.description if group else None)
        if tool.type == "custom":
            self._tools[name] = Tool(name=name, description=description, custom=True, grammar=_grammar(tool.format))
            return
        schema = None if tool.parameters is None else Raw(msgspec.json.encode(tool.parameters))
        self._tools[name] = Tool(name=name, description=description, schema=schema, strict=tool.strict)
        for member in _ONLY_HERE:
            if getattr(tool, member):
                self.extras[f"tools.{member.rstrip('_')}"] = Raw(b"true")


def choice(wanted: str | wire.Choice | None, offered: Iterable[Tool | HostedTool]) -> tuple[ToolChoice | None, bool]:
    """The choice, and whether a part of it is lost because only OpenAI runs the chosen tool. Raises `InvalidField`."""
    if wanted is None:
        return None, False
    if isinstance(wanted, str):
        return _word(wanted), False
    if wanted.type in ("function", "custom"):
        if not wanted.name:
            raise InvalidField("Invalid value for 'tool_choice': it has no 'name'.", param="tool_choice.name")
        return ToolChoice("named", (flat(wanted.namespace, wanted.name),)), False
    if wanted.type == "allowed_tools":
        return _allowed(wanted, offered)
    return None, True


def _allowed(wanted: wire.Choice, offered: Iterable[Tool | HostedTool]) -> tuple[ToolChoice, bool]:
    tools = wanted.tools or []
    names = [name for t in tools if t.type in ("function", "custom") and (name := flat(t.namespace, t.name or ""))]
    names += [n for t in tools if t.type == "namespace" and t.name for n in _members(t.name, offered)]
    lost = any(t.type not in ("function", "custom", "namespace") for t in tools)
    if not names and lost:
        # Only the provider's own tools were allowed, so none of the client's may be called.
        return ToolChoice("none"), True
    return ToolChoice("allowed", tuple(names), wanted.mode == "required"), lost


def _members(namespace: str, offered: Iterable[Tool | HostedTool]) -> list[str]:
    head = flat(namespace, "")
    return [t.name for t in offered if isinstance(t, Tool) and t.name.startswith(head)]


def _word(word: str) -> ToolChoice:
    mode = _WORDS.get(word)
    if mode is None:
        raise InvalidField(
            f"Invalid value for 'tool_choice': {word[:100]!r}; send 'auto', 'none' or 'required'.", param="tool_choice"
        )
    return ToolChoice(mode)  # type: ignore[arg-type]


def _grammar(form: wire.CustomFormat | None) -> Raw | None:
    """The format in Chat's form, where the grammar is an object of its own."""
    if form is None:
        return None
    if form.type != "grammar":
        return Raw(msgspec.json.encode({"type": form.type}))
    grammar = {"definition": form.definition or "", "syntax": form.syntax or "lark"}
    return Raw(msgspec.json.encode({"type": "grammar", "grammar": grammar}))
