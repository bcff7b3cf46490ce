"""Items of a client's input, read into turns.

Reasoning, assistant messages and calls that follow each other are one assistant turn, in the order in which the model
made them; results of calls stand in user turns. Items that only OpenAI can read (its hosted tools' calls and results,
compactions, whatever is new) stay raw in the assistant's turn, for the renderer to report. What a client answered to
such a tool can't be dropped as long as the model waits for it, so it is refused until the model has gone on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import get_args

from msgspec import Raw

from llmgw_domain.chat import (
    Block,
    File,
    Image,
    Opaque,
    Origin,
    RedactedThinking,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from llmgw_domain.errors import InvalidField, UnsupportedField
from llmgw_protocols import data_url
from llmgw_protocols.responses import _request as wire
from llmgw_protocols.responses import parse_parts as parts
from llmgw_protocols.responses import sealed
from llmgw_protocols.responses.namespaces import flat
from llmgw_protocols.responses.parse_tools import Tools
from llmgw_protocols.responses.reading import read

FAMILY = "openai"
_ROLES = get_args(Role)
_OWN_SIDE = ("system", "developer", "user")
_AWAITED = frozenset(
    (
        "apply_patch_call_output",
        "computer_call_output",
        "local_shell_call_output",
        "mcp_approval_response",
        "shell_call_output",
    )
)
"""What a client answers to calls of OpenAI's own tools."""


def turns(items: str | Sequence[Raw], tools: Tools, at: str = "input") -> tuple[Turn, ...]:
    """The turns of items; tools offered on the way go to `tools`. Raises `InvalidField`, `UnsupportedField`."""
    if isinstance(items, str):
        return (Turn("user", (Text(items),) if items else ()),)
    reader = _Reader(tools)
    for i, raw in enumerate(items):
        reader.add(raw, f"{at}[{i}]")
    return reader.finish()


class _Reader:
    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._turns: list[Turn] = []
        self._answer: list[Block] = []
        """The assistant turn that still grows."""
        self._spoke = False
        self._results: list[Block] = []
        self._names: dict[str, str] = {}
        self._signatures: dict[str, str] = {}
        """Google's signatures of calls that follow, by the call's id."""
        self._awaited: tuple[str, str] | None = None
        """Path and type of an answer that the model has not gone on from."""

    def add(self, raw: Raw, at: str) -> None:
        head: wire.Head = read(raw, wire.Head, at)
        kind = head.type or ("message" if head.role else "item_reference")
        if reader := _READERS.get(kind):
            reader(self, raw, at)
        elif kind == "message":
            self._message(head.role, raw, at)
        elif kind == "item_reference":
            why = "There is no stored item of this id; send the item itself."
            raise UnsupportedField.named(f"{at}.id", why)
        else:
            self._opaque(kind, raw, at)

    def finish(self) -> tuple[Turn, ...]:
        if self._awaited is not None:
            at, kind = self._awaited
            raise UnsupportedField.named(at, f"The model's provider can't read a {kind!r}: only OpenAI runs its tool.")
        self._close()
        return tuple(self._turns)

    # --- turns --------------------------------------------------------------------------------------------------------

    def _close(self) -> None:
        """Ends the turns that still grow. Of an answer and its results only one can be open."""
        if self._answer:
            self._turns.append(Turn("assistant", tuple(self._answer)))
        if self._results:
            self._turns.append(Turn("user", tuple(self._results)))
        self._answer, self._results, self._spoke = [], [], False

    def _say(self, *blocks: Block) -> None:
        """Adds to the assistant's turn."""
        if self._results:
            self._close()
        self._answer += blocks

    # --- items --------------------------------------------------------------------------------------------------------

    def _message(self, role: str | None, raw: Raw, at: str) -> None:
        if role not in _ROLES:
            where = f"{at}.role"
            text = f"Invalid value for {where!r}: {str(role)[:100]!r}; send one of {', '.join(_ROLES)}."
            raise InvalidField(text, param=where)
        message: wire.Message = read(raw, wire.Message, at)
        blocks = parts.content(message.content, f"{at}.content")
        if role in _OWN_SIDE:
            self._close()
            self._turns.append(Turn(role, tuple(blocks)))  # type: ignore[arg-type]
            return
        self._awaited = None
        speaks = any(isinstance(b, Text) and b.text for b in blocks)
        if self._results:
            self._close()
        # Texts of one answer are joined as they are, but these are texts of two messages.
        self._say(*((Text("\n\n"),) if speaks and self._spoke else ()), *blocks)
        self._spoke = self._spoke or speaks

    def _reasoning(self, raw: Raw, at: str) -> None:
        item: wire.ReasoningItem = read(raw, wire.ReasoningItem, at)
        text = "\n\n".join(t.text for t in item.summary or item.content or ())
        if not sealed.is_sealed(item.encrypted_content):
            self._say(*_own_thinking(text, item.encrypted_content))
            return
        seal = sealed.read(item.encrypted_content or "")
        if seal is not None and seal.kind == "call":
            self._signatures[seal.of] = seal.value
        else:
            self._say(*_foreign_thinking(text, seal))

    def _function_call(self, raw: Raw, at: str) -> None:
        call: wire.FunctionCall = read(raw, wire.FunctionCall, at)
        self._call(call.call_id, flat(call.namespace, call.name), call.arguments, custom=False)

    def _custom_call(self, raw: Raw, at: str) -> None:
        call: wire.CustomCall = read(raw, wire.CustomCall, at)
        self._call(call.call_id, flat(call.namespace, call.name), call.input, custom=True)

    def _call(self, id_: str, name: str, text: str, *, custom: bool) -> None:
        self._awaited = None
        self._names[id_] = name
        self._say(ToolCall(id_, name, text, self._signatures.get(id_), custom))

    def _output(self, raw: Raw, at: str) -> None:
        item: wire.CallOutput = read(raw, wire.CallOutput, at)
        content: list[Text | Image | File] = []
        for i, block in enumerate(parts.content(item.output, f"{at}.output")):
            if not isinstance(block, Text | Image | File):
                where = f"{at}.output[{i}]"
                raise InvalidField(f"Invalid value for {where!r}: outputs hold text, images, files.", param=where)
            content.append(block)
        if self._answer:
            self._close()
        self._results.append(ToolResult(item.call_id, tuple(content), name=self._names.get(item.call_id)))

    def _image(self, raw: Raw, at: str) -> None:
        item: wire.MadeImage = read(raw, wire.MadeImage, at)
        if item.result:
            self._say(Image(data_url.of_base64(item.result, None, f"{at}.result")))
        else:
            self._opaque("image_generation_call", raw, at)

    def _more_tools(self, raw: Raw, at: str) -> None:
        item: wire.MoreTools = read(raw, wire.MoreTools, at)
        self._tools.add(item.tools or (), f"{at}.tools")

    def _opaque(self, kind: str, raw: Raw, at: str) -> None:
        if kind in _AWAITED:
            self._awaited = (at, kind)
        self._say(Opaque(FAMILY, kind, raw.copy()))


def _own_thinking(text: str, encrypted: str | None) -> list[Block]:
    if not encrypted:
        return [Thinking(text)] if text else []
    origin = Origin(FAMILY)
    return [Thinking(text, encrypted, origin) if text else RedactedThinking(encrypted, origin)]


def _foreign_thinking(text: str, seal: sealed.Seal | None) -> list[Block]:
    if seal is None or (seal.kind == "signature" and seal.of != sealed.digest(text)):
        return [Thinking(text)] if text else []
    origin = Origin(seal.family) if seal.family else None
    if seal.kind == "redacted":
        return [RedactedThinking(seal.value, origin)]
    return [Thinking(text, seal.value, origin)]


_READERS: dict[str, Callable[[_Reader, Raw, str], None]] = {
    "reasoning": _Reader._reasoning,
    "function_call": _Reader._function_call,
    "custom_tool_call": _Reader._custom_call,
    "function_call_output": _Reader._output,
    "custom_tool_call_output": _Reader._output,
    "image_generation_call": _Reader._image,
    "additional_tools": _Reader._more_tools,
    "tool_search_output": _Reader._more_tools,
}
