"""Messages of a client, read into turns.

Tool messages become results in user turns, in Anthropic's form; neighbours of them share one turn. The deprecated
`function_call` and role `function` become a call and its result with an id of ours. Thinking stands first in a turn,
then text, then calls, because that is the order in which a model makes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import msgspec

from llmgw_domain.chat import (
    Block,
    CacheMark,
    File,
    Image,
    Origin,
    RedactedThinking,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from llmgw_domain.errors import InvalidField, UnsupportedField
from llmgw_protocols.chat import _wire, formats, media

ROLES = (*get_args(Role), "tool", "function")
SIGNED_ID = "__thought__"
"""What some gateways put between a call's id and its thought signature, for clients that drop unknown fields."""


def read(messages: list[_wire.Message]) -> tuple[Turn, ...]:
    """The turns of messages. Raises `InvalidField` with the path, `UnsupportedField` for stored audio."""
    reader = _Reader()
    for i, message in enumerate(messages):
        reader.add(message, f"messages[{i}]")
    return tuple(reader.turns)


class _Reader:
    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self._names: dict[str, str] = {}
        self._functions = 0

    def add(self, message: _wire.Message, at: str) -> None:
        match message.role:
            case "system" | "developer":
                self._put(message, self._texts(message, at))
            case "user":
                self._put(message, _marked(_parts(message, at), media.mark(message)))
            case "assistant":
                self._put(message, _marked(self._answer(message, at), media.mark(message)))
            case "tool" | "function":
                self._add_result(message, at)
            case _:
                where = f"{at}.role"
                text = f"Invalid value for {where!r}: {message.role[:100]!r}; send one of {', '.join(ROLES)}."
                raise InvalidField(text, param=where)

    def _put(self, message: _wire.Message, blocks: list[Block]) -> None:
        self.turns.append(Turn(message.role, tuple(blocks), message.name))  # type: ignore[arg-type]

    def _texts(self, message: _wire.Message, at: str) -> list[Block]:
        blocks = _parts(message, at)
        for i, block in enumerate(blocks):
            if not isinstance(block, Text):
                where = f"{at}.content[{i}]"
                raise InvalidField(f"Invalid value for {where!r}: {message.role} messages hold text.", param=where)
        return _marked(blocks, media.mark(message))

    def _answer(self, message: _wire.Message, at: str) -> list[Block]:
        if message.audio is not None:
            raise UnsupportedField.named(f"{at}.audio", "Stored audio is known to the provider that made it alone.")
        blocks: list[Block] = [*_thinking(message), *_parts(message, at)]
        if message.refusal:
            blocks.append(Refusal(message.refusal))
        for i, call in enumerate(message.tool_calls or ()):
            blocks.append(self._call(call, f"{at}.tool_calls[{i}]"))
        if message.function_call:
            self._functions += 1
            made = message.function_call
            blocks.append(ToolCall(self._function_id(), made.name, _arguments(made.arguments)))
        return blocks

    def _call(self, call: _wire.Call, at: str) -> ToolCall:
        id_, signature = _signed_id(call.id)
        if not id_:
            raise InvalidField(f"Invalid value for '{at}.id': a call needs the id it was made with.", param=f"{at}.id")
        signature = _signature(call) or signature
        if call.custom:
            self._names[id_] = call.custom.name
            return ToolCall(id_, call.custom.name, call.custom.input, signature, True, media.mark(call))
        if not call.function:
            raise InvalidField(f"Invalid value for {at!r}: send 'function' or 'custom'.", param=at)
        self._names[id_] = call.function.name
        return ToolCall(id_, call.function.name, _arguments(call.function.arguments), signature, cache=media.mark(call))

    def _add_result(self, message: _wire.Message, at: str) -> None:
        is_function = message.role == "function"
        call_id = self._function_id() if is_function else _signed_id(message.tool_call_id or "")[0]
        if not call_id:
            raise InvalidField(
                f"Invalid value for '{at}.tool_call_id': send the id of the call that this is the result of.",
                param=f"{at}.tool_call_id",
            )
        result = self._result(message, call_id, at)
        last = self.turns[-1] if self.turns else None
        if last is not None and last.role == "user" and last.content and isinstance(last.content[-1], ToolResult):
            self.turns[-1] = msgspec.structs.replace(last, content=(*last.content, result))
        else:
            self.turns.append(Turn("user", (result,)))

    def _result(self, message: _wire.Message, call_id: str, at: str) -> ToolResult:
        content: list[Text | Image | File] = []
        cache = media.mark(message)
        for i, block in enumerate(_parts(message, at)):
            if not isinstance(block, Text | Image | File):
                where = f"{at}.content[{i}]"
                raise InvalidField(f"Invalid value for {where!r}: results hold text, images, files.", param=where)
            # A mark on a part is the result's: no dialect has marks within results.
            cache = block.cache or cache
            content.append(msgspec.structs.replace(block, cache=None))
        return ToolResult(call_id, tuple(content), name=self._names.get(call_id) or message.name, cache=cache)

    def _function_id(self) -> str:
        return f"call_fn_{self._functions}"


def _parts(message: _wire.Message, at: str) -> list[Block]:
    if message.content is None:
        return []
    if isinstance(message.content, str):
        return [Text(message.content)] if message.content else []
    return [media.block(part, f"{at}.content[{i}]") for i, part in enumerate(message.content)]


def _marked(blocks: list[Block], cache: CacheMark | None) -> list[Block]:
    """A mark on a message is one on its last block that can carry it."""
    for i in range(len(blocks) - 1, -1, -1):
        block = blocks[i]
        if cache and isinstance(block, Text | Image | File | ToolCall):
            blocks[i] = msgspec.structs.replace(block, cache=cache)
            break
    return blocks


def _thinking(message: _wire.Message) -> Iterator[Block]:
    details = message.reasoning_details or []
    if message.thinking_blocks:
        origin = next((o for d in details if (o := _origin(d))), None)
        for part in message.thinking_blocks:
            block = media.thinking(part)
            yield msgspec.structs.replace(block, origin=origin or block.origin)
    elif details:
        yield from _details(details)
    elif text := message.reasoning_content or message.reasoning:
        yield Thinking(text)


def _details(details: list[_wire.ReasoningDetail]) -> Iterator[Block]:
    """Details of one index are one block, because clients keep them as the pieces that the stream brought."""
    held: Thinking | None = None
    index: int | None = None
    for detail in details:
        if detail.type == "reasoning.encrypted":
            if held:
                yield held
            held = None
            yield RedactedThinking(detail.data or "", _origin(detail))
            continue
        text = detail.text or detail.summary or ""
        if held and detail.index == index and held.signature is None:
            held = Thinking(held.text + text, detail.signature or None, held.origin or _origin(detail))
        else:
            if held:
                yield held
            held = Thinking(text, detail.signature or None, _origin(detail))
        index = detail.index
    if held:
        yield held


def _origin(detail: _wire.ReasoningDetail) -> Origin | None:
    family = formats.family_of(detail.format)
    return Origin(family) if family else None


def _signature(call: _wire.Call) -> str | None:
    if call.extra_content and call.extra_content.google and call.extra_content.google.thought_signature:
        return call.extra_content.google.thought_signature
    return call.provider_specific_fields.thought_signature if call.provider_specific_fields else None


def _signed_id(id_: str) -> tuple[str, str | None]:
    bare, _, signature = id_.partition(SIGNED_ID)
    return bare, signature or None


def _arguments(arguments: str | _wire.Object | None) -> str:
    if isinstance(arguments, dict):
        return msgspec.json.encode(arguments).decode()
    return arguments or ""
