"""Turns as the input items of a Responses request.

A turn of the model becomes a run of items in its own order: reasoning, messages, calls. Behind the calls stand their
outputs, one for each and in the order of the calls, then everything else that the user said. Reasoning goes back to
the family that made it, directly before the item that it led to; at the end of a turn it led to nothing and is left
out, since OpenAI refuses it there.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from llmgw_domain import Provider
from llmgw_domain.chat import (
    Block,
    File,
    Image,
    Opaque,
    RedactedThinking,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from llmgw_protocols.chat.history import result_text, wire_id
from llmgw_protocols.dialect import TargetFacts
from llmgw_protocols.losses import Losses
from llmgw_protocols.placeholders import NO_RESULT, orphan
from llmgw_protocols.responses import reasoning
from llmgw_protocols.responses.render_content import ContentWriter, Part, answered

_LONGEST_ID = 64
"""Characters of a call's id; Chat Completions takes fewer."""

Item = Any
"""An object, or raw JSON that is sent as it came."""


class History:
    """Writes the items for one target. `family` is the client's."""

    def __init__(self, facts: TargetFacts, family: str, losses: Losses) -> None:
        self._native = facts.provider is not Provider.OPENAI_COMPATIBLE
        self._content = ContentWriter(facts, family, losses)
        self._losses = losses
        self._waiting: list[tuple[ToolCall, str]] = []
        """Calls without an output yet, and the ids under which they are sent."""
        self._made: list[Part] = []
        """Media that the model made: they stand in a message of the user's, since its own hold text only."""
        self._times: dict[str, int] = {}

    def write(self, turns: Sequence[Turn]) -> list[Item]:
        """The items of turns. Raises `UnsupportedField` for a block that this target can't take."""
        items: list[Item] = []
        for answers, run in groupby(turns, key=lambda turn: turn.role == "assistant"):
            if answers:
                for turn in run:
                    items += self._answer(turn)
            else:
                items += self._between(list(run))
        return items + self._between([])

    # --- the model ----------------------------------------------------------------------------------------------------

    def _answer(self, turn: Turn) -> list[Item]:
        self._note_name(turn)
        items = _Items()
        for block in turn.content:
            match block:
                case Text() | Refusal():
                    items.say(block)
                case Thinking() | RedactedThinking():
                    items.think(self._reasoning(block))
                case ToolCall():
                    items.add(self._call(block))
                case Opaque(family=reasoning.FAMILY, json=json):
                    items.add(json)
                case Image() | File():
                    self._made += [{"type": "input_text", "text": "[assistant media]"}, self._content.part(block)]
                case _:
                    self._content.part(block)
        return items.all()

    def _reasoning(self, block: Thinking | RedactedThinking) -> Item | None:
        if block.origin is None or block.origin.family != reasoning.FAMILY:
            return None
        text, sign = (block.text, block.signature) if isinstance(block, Thinking) else ("", block.data)
        if not sign:
            return None
        item = reasoning.item_of(text, sign)
        # Raw reasoning alone is what compatible servers take back; OpenAI would look for the item in its store.
        return item if "encrypted_content" in item or not self._native else None

    def _call(self, call: ToolCall) -> Item:
        sent = wire_id(self._unique(call.id), _LONGEST_ID)
        self._waiting.append((call, sent))
        if call.custom:
            return {"type": "custom_tool_call", "call_id": sent, "name": call.name, "input": call.arguments}
        arguments = call.arguments or "{}"
        return {"type": "function_call", "call_id": sent, "name": call.name, "arguments": arguments}

    def _unique(self, call_id: str) -> str:
        """Clients and servers number their calls anew each turn; outputs find their calls by the id alone."""
        times = self._times[call_id] = self._times.get(call_id, 0) + 1
        return call_id if times == 1 else f"{call_id}_{times}"

    # --- what stands between two answers ------------------------------------------------------------------------------

    def _between(self, turns: Sequence[Turn]) -> list[Item]:
        results: dict[str, list[ToolResult]] = {}
        for block in (b for turn in turns for b in turn.content if isinstance(b, ToolResult)):
            results.setdefault(block.call_id, []).append(block)
        items: list[Item] = []
        used: set[int] = set()
        for call, sent in self._waiting:
            given = results.get(call.id)
            result = given.pop(0) if given else None
            used.add(id(result))
            items.append(self._output(call, sent, result))
        if self._made:
            items.append(message("user", self._made))
        self._waiting, self._made = [], []
        for turn in turns:
            items += self._turn(turn, used)
        return items

    def _output(self, call: ToolCall, sent: str, result: ToolResult | None) -> Item:
        kind = "custom_tool_call_output" if call.custom else "function_call_output"
        output = NO_RESULT if result is None else self._content.output(result)
        return {"type": kind, "call_id": sent, "output": output}

    def _turn(self, turn: Turn, used: set[int]) -> list[Item]:
        self._note_name(turn)
        if turn.role in ("system", "developer"):
            return self._instructions(turn)
        items: list[Item] = []
        blocks = [b for block in turn.content if id(block) not in used for b in _told(block)]
        for opaque, run in groupby(blocks, key=lambda b: isinstance(b, Opaque) and b.family == reasoning.FAMILY):
            if opaque:
                items += [block.json for block in run if isinstance(block, Opaque)]
            elif parts := self._content.parts(list(run)):
                items.append(message("user", parts))
        return items

    def _instructions(self, turn: Turn) -> list[Item]:
        """System and developer messages hold texts only; other blocks of theirs are reported as lost."""
        texts = [b for b in turn.content if isinstance(b, Text | Refusal)]
        if len(texts) < len(turn.content):
            self._losses.add("messages")
        parts = self._content.parts(texts)
        return [message(turn.role if self._native else "system", parts)] if parts else []

    def _note_name(self, turn: Turn) -> None:
        if turn.name:
            self._losses.add("messages.name")


class _Items:
    """The items of one answer as they come together."""

    def __init__(self) -> None:
        self._items: list[Item] = []
        self._parts: list[Part] = []
        self._phase: str | None = None
        self._thoughts: list[dict[str, Any]] = []

    def say(self, block: Text | Refusal) -> None:
        if not block.text:
            return
        if isinstance(block, Text) and block.phase != self._phase:
            self._close_message()
            self._phase = block.phase
        self._parts.append(answered(block))

    def think(self, item: dict[str, Any] | None) -> None:
        if item is not None:
            self._close_message()
            self._thoughts.append(item)

    def add(self, item: Item) -> None:
        self._close_message()
        self._append(item)

    def all(self) -> list[Item]:
        self._close_message()
        return self._items

    def _close_message(self) -> None:
        if self._parts:
            self._append(message("assistant", self._parts, self._phase))
            self._parts = []

    def _append(self, item: Item) -> None:
        # An id ties reasoning to the item behind it. Where that one is missing, as a hosted tool's call is in other
        # dialects' histories, the reasoning goes without its id, and OpenAI does not look for the item.
        for thought in self._thoughts[:-1]:
            thought.pop("id", None)
        self._items += [*self._thoughts, item]
        self._thoughts = []


def message(role: str, parts: list[Part], phase: str | None = None) -> Item:
    """A message item."""
    return {"type": "message", "role": role, "content": parts, **({"phase": phase} if phase else {})}


def _told(block: Block) -> list[Block]:
    """A result without its call becomes text: OpenAI refuses the output alone, and the model should see it."""
    if not isinstance(block, ToolResult):
        return [block]
    media = [b for b in block.content if not isinstance(b, Text)]
    return [Text(orphan(block.call_id, result_text(block))), *media]
