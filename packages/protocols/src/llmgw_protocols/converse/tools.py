"""The `toolConfig`: tools, the choice among them, and what stands in for tools that only the history knows.

Converse has no choice of "none". Without calls in the history the tools are left out, which says the same; with calls
Bedrock demands tools, so these stay and the model is asked in words not to call them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llmgw_domain.chat import ChatRequest, HostedTool, Tool, ToolCall, ToolChoice
from llmgw_protocols.converse.marks import Blocks, Marks
from llmgw_protocols.converse.models import Traits
from llmgw_protocols.converse.schema import without_references
from llmgw_protocols.losses import Losses
from llmgw_protocols.messages import schema as _schema
from llmgw_protocols.messages.reading import is_null
from llmgw_protocols.messages.tools import offered, parameters

NO_CALLS = "Do not call any tool in this answer."
"""What the system text says where no call is wanted and the tools can't be left out."""

_GONE = "Not available any more; do not call it."
_SEARCH = "nova_grounding"
_INTERPRETER = "nova_code_interpreter"
_SYSTEM_TOOLS = {
    "google_search": _SEARCH,
    "googlesearch": _SEARCH,
    "web_search": _SEARCH,
    "code_interpreter": _INTERPRETER,
    "code_execution": _INTERPRETER,
    "codeexecution": _INTERPRETER,
}


class ToolWriter:
    """Writes a request's tools and choice for one model; `one_call` asks for the field that allows one call only."""

    def __init__(self, traits: Traits, marks: Marks, losses: Losses) -> None:
        self._traits = traits
        self._marks = marks
        self._losses = losses
        self.one_call = False
        self.no_calls = False

    def config(self, request: ChatRequest, calls: Iterable[ToolCall]) -> dict[str, Any] | None:
        """The `toolConfig` for a request whose history has these calls.

        Raises `UnsupportedField` for a tool that Bedrock can't run, `InvalidField` for a choice that allows none.
        """
        called = list(dict.fromkeys(call.name for call in calls))
        choice = request.tool_choice
        if choice is not None and choice.mode == "none":
            return self._without_calls(request, called)
        tools = self._tools(request)
        if not tools:
            return {"tools": [_stand_in(name) for name in called]} if called else None
        written = self._choice(choice)
        if request.parallel_tool_calls is False:
            written = self._one_at_a_time(written)
        return {"tools": tools} | ({"toolChoice": written} if written is not None else {})

    def _without_calls(self, request: ChatRequest, called: list[str]) -> dict[str, Any] | None:
        if not called:
            return None
        tools = self._tools(request)
        if tools:
            self._losses.add("tool_choice")
            self.no_calls = True
        return {"tools": tools or [_stand_in(name) for name in called]}

    # --- tools --------------------------------------------------------------------------------------------------------

    def _tools(self, request: ChatRequest) -> Blocks:
        blocks: Blocks = []
        for at, tool in self._wanted(request):
            if isinstance(tool, HostedTool):
                blocks.append(self._system_tool(tool.kind, f"tools.{at}"))
                continue
            blocks.append({"toolSpec": self._spec(tool, f"tools.{at}")})
            self._marks.put("tools", blocks, tool.cache)
        search = request.extras.get("web_search_options")
        if search is not None and request.family == "openai" and not is_null(search):
            blocks.append(self._system_tool("web_search", "web_search_options"))
        return blocks

    def _wanted(self, request: ChatRequest) -> list[tuple[int, Tool | HostedTool]]:
        tools = offered(request, self._losses)
        choice = request.tool_choice
        if choice is None or choice.mode != "named" or self._traits.choices != {"any"}:
            return tools
        # A model that can be forced to call something calls this tool if it is the only one.
        return [(at, t) for at, t in tools if isinstance(t, Tool) and t.name in choice.names] or tools

    def _system_tool(self, kind: str, param: str) -> dict[str, Any]:
        bare = kind.lower()
        found = next((name for prefix, name in _SYSTEM_TOOLS.items() if bare.startswith(prefix)), None)
        if found not in self._traits.system_tools:
            raise self._losses.unsupported(param, f"The model's provider has no {kind!r} tool for it.")
        return {"systemTool": {"name": found}}

    def _spec(self, tool: Tool, param: str) -> dict[str, Any]:
        spec: dict[str, Any] = {"name": tool.name}
        if tool.description:
            spec["description"] = tool.description
        schema, strict = parameters(tool, param, structured=self._traits.structured, losses=self._losses)
        if not self._traits.any_schema:
            schema = without_references(schema, param)
        spec["inputSchema"] = {"json": schema}
        if strict:
            spec["strict"] = True
        return spec

    # --- the choice ---------------------------------------------------------------------------------------------------

    def _choice(self, choice: ToolChoice | None) -> dict[str, Any] | None:
        if choice is None:
            return None
        forced = choice.mode in ("named", "required") or (choice.mode == "allowed" and choice.required)
        if forced and choice.mode == "named" and "tool" in self._traits.choices:
            return {"tool": {"name": choice.names[0]}}
        if forced and "any" in self._traits.choices:
            return {"any": {}}
        if forced:
            self._losses.add("tool_choice")
        # Models without any choice refuse even this one, which is what they do anyway.
        return {"auto": {}} if self._traits.choices or self._traits.claude else None

    def _one_at_a_time(self, choice: dict[str, Any] | None) -> dict[str, Any] | None:
        if self._traits.one_call and (choice is None or "auto" in choice):
            self.one_call = True
            return None
        self._losses.add("parallel_tool_calls")
        return choice


def _stand_in(name: str) -> dict[str, Any]:
    return {"toolSpec": {"name": name, "description": _GONE, "inputSchema": {"json": _schema.EMPTY}}}
