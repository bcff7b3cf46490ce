r"""Custom tools, which take free text, for targets that know functions only: written as functions `{"input": TEXT}`,
and their calls read back.

The text is unwrapped as it streams in: wherever the JSON is cut, what is known of the text goes on, once.
Models sometimes answer in another shape; as soon as that shows, all of it goes on as it is. That can't show any more
once the text has begun, so what stands behind its closing quote is passed over. What JSON does not allow inside of a
string is taken as it stands; a half of a surrogate pair is U+FFFD, since no encoder takes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from llmgw_domain import Provider
from llmgw_domain.chat import Block, ChatRequest, Tool, ToolCall, Turn
from llmgw_domain.stream import Finished, StreamEvent, ToolDelta, ToolOpened
from llmgw_protocols.losses import Losses

_FREE_TEXT = msgspec.Raw(b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}')


def for_provider(request: ChatRequest, provider: Provider, losses: Losses) -> tuple[ChatRequest, frozenset[str]]:
    """The request for a provider that speaks OpenAI's dialects: of these, compatible servers know functions only."""
    return as_functions(request, losses) if provider is Provider.OPENAI_COMPATIBLE else (request, frozenset())


def as_functions(request: ChatRequest, losses: Losses) -> tuple[ChatRequest, frozenset[str]]:
    """The request with functions in place of its custom tools, in its history too, and the names of these tools.

    A grammar can't be enforced, so it is told in the description, and the loss is named.
    """
    customs = frozenset(tool.name for tool in request.tools if isinstance(tool, Tool) and tool.custom)
    if customs:
        losses.add("tools.custom")
    written = msgspec.structs.replace(
        request,
        tools=tuple(_function(tool) if isinstance(tool, Tool) and tool.custom else tool for tool in request.tools),
        turns=tuple(_turn(turn) for turn in request.turns),
    )
    return written, customs


def _function(tool: Tool) -> Tool:
    texts = [tool.description or ""]
    if tool.grammar is not None:
        texts.append(f"The input must follow this grammar: {bytes(tool.grammar).decode()}")
    description = "\n\n".join(text for text in texts if text)
    return Tool(name=tool.name, description=description or None, schema=_FREE_TEXT, cache=tool.cache)


def _turn(turn: Turn) -> Turn:
    if not any(isinstance(block, ToolCall) and block.custom for block in turn.content):
        return turn
    return msgspec.structs.replace(turn, content=tuple(_call(block) for block in turn.content))


def _call(block: Block) -> Block:
    if not isinstance(block, ToolCall) or not block.custom:
        return block
    # A half of a surrogate pair, which JSON texts may hold, has no bytes.
    text = block.arguments.encode("utf-8", "replace").decode()
    arguments = msgspec.json.encode({"input": text}).decode()
    return msgspec.structs.replace(block, arguments=arguments, custom=False)


# --- the way back -----------------------------------------------------------------------------------------------------


class Unwrapper:
    """Turns the calls of custom tools in one answer back. `names` are those of the tools."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._calls: dict[tuple[int, int], _Text] = {}

    def events(self, events: Iterable[StreamEvent]) -> list[StreamEvent]:
        """The events with free text in place of wrapped arguments."""
        out: list[StreamEvent] = []
        for event in events:
            match event:
                case ToolOpened(name=name, custom=False) if name in self._names:
                    self._calls[event.choice, event.call] = _Text()
                    out.append(msgspec.structs.replace(event, custom=True))
                case ToolDelta() if text := self._calls.get((event.choice, event.call)):
                    out += _delta(event.call, text.feed(event.fragment), event.choice)
                case Finished(choice=choice):
                    for (of, call), text in self._calls.items():
                        out += _delta(call, text.rest() if of == choice else "", choice)
                    out.append(event)
                case _:
                    out.append(event)
        return out


def _delta(call: int, text: str, choice: int) -> list[StreamEvent]:
    return [ToolDelta(call, text, choice)] if text else []


_LONGEST_HEAD = 256
"""Characters of what stands before the text: white space without end must not wait without end."""
_HEAD = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_HEADS = ("{", '"input"', ":", '"')
_PLAIN = re.compile(r'[^"\\]+')
_ESCAPE = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|[^u])", re.DOTALL)
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class _Text:
    """One call's text, as far as its JSON has come.

    It begins as a `head`, and becomes a `string` which ends `over`, or `raw`.
    """

    __slots__ = ("_high", "_state", "_waiting")

    def __init__(self) -> None:
        self._state = "head"
        self._waiting = ""
        """JSON that says nothing yet: the beginning of a head or of an escape."""
        self._high = ""
        """The first half of a surrogate pair."""

    def feed(self, piece: str) -> str:
        """The text that this piece of JSON brings."""
        json, self._waiting = self._waiting + piece, ""
        if self._state == "head":
            json = self._begin(json)
        if self._state == "string":
            return self._string(json)
        return json if self._state == "raw" else ""

    def rest(self) -> str:
        """What waited for more that did not come."""
        json, self._waiting = self._waiting, ""
        if self._state == "head" and json:
            self._state = "raw"
        return self._whole(json)

    def _begin(self, json: str) -> str:
        """What follows the head, or everything if this is none."""
        if head := _HEAD.match(json[:_LONGEST_HEAD]):
            self._state = "string"
            return json[head.end() :]
        if len(json) < _LONGEST_HEAD and _may_be_head(json):
            self._waiting = json
            return ""
        self._state = "raw"
        return json

    def _string(self, json: str) -> str:
        out: list[str] = []
        at = 0
        while at < len(json):
            if json[at] == '"':
                self._state = "over"
                out.append(self._whole(""))
                break
            if (found := _PLAIN.match(json, at) or _ESCAPE.match(json, at)) is None:
                if _may_be_escape(json[at:]):
                    self._waiting = json[at:]
                    break
                out.append(self._whole(json[at]))
                at += 1
                continue
            out.append(self._said(found.group()))
            at = found.end()
        return "".join(out)

    def _said(self, token: str) -> str:
        """The text of a run of plain characters or of an escape."""
        if token[0] != "\\":
            return self._whole(token)
        if token[1] != "u":
            return self._whole(_ESCAPES.get(token[1], token))
        unit = int(token[2:], 16)
        if 0xDC00 <= unit < 0xE000 and self._high:
            pair = self._high + chr(unit)
            self._high = ""
            return pair.encode("utf-16", "surrogatepass").decode("utf-16")
        if 0xD800 <= unit < 0xDC00:
            return self._whole("", chr(unit))
        return self._whole("�" if 0xDC00 <= unit < 0xE000 else chr(unit))

    def _whole(self, text: str, high: str = "") -> str:
        """The text behind whatever half of a pair was left alone."""
        alone, self._high = self._high, high
        return "�" + text if alone else text


def _may_be_head(json: str) -> bool:
    """Whether more JSON could make this the beginning of a wrapped text."""
    left = json.lstrip()
    for token in _HEADS:
        if not left.startswith(token):
            return token.startswith(left)
        left = left[len(token) :].lstrip()
    return True


def _may_be_escape(json: str) -> bool:
    return len(json) < 6 and re.fullmatch(r"\\(?:u[0-9A-Fa-f]{0,3})?", json) is not None
