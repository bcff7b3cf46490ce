"""The events of an answer: what every provider's stream or body is decoded to, and every client's is encoded from.

A body and a stream of the same answer decode to event lists that `Answer.fold` turns into the same `Answer`. The
order is the model's own: thinking, texts and calls follow each other as they were made. `choice` counts from 0; only
OpenAI and Gemini make more than one.

No event is invented: a decoder that has not seen its dialect's terminal evidence emits no `Finished` of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from llmgw_domain.chat import (
    Block,
    Image,
    Inline,
    Opaque,
    Origin,
    RedactedThinking,
    Refusal,
    Text,
    Thinking,
    ToolCall,
)
from llmgw_domain.errors import GatewayError
from llmgw_domain.usage import Usage


class FinishReason(StrEnum):
    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"


class Opened(msgspec.Struct, frozen=True):
    """The answer has begun. `id`, `model` and `created` (Unix seconds) are the provider's; empty or 0 where unsaid."""

    id: str = ""
    model: str = ""
    created: int = 0


class MessageOpened(msgspec.Struct, frozen=True):
    """The text from here on is a message of its own, of this `phase` (see `Text`). Told of an answer's first message
    only where it has a phase: other dialects than Responses know one text.
    """

    phase: str | None = None
    choice: int = 0


class TextDelta(msgspec.Struct, frozen=True):
    text: str
    choice: int = 0


class ThinkingDelta(msgspec.Struct, frozen=True):
    text: str
    choice: int = 0


class ThinkingSigned(msgspec.Struct, frozen=True):
    """The signature of the thinking before it (whose text may be empty); closes that block.

    `family` is whose it is (`anthropic`, `google`, `openai`), empty where the provider did not say: only its own
    maker takes a signature back.
    """

    signature: str
    choice: int = 0
    family: str = ""


class ThinkingRedacted(msgspec.Struct, frozen=True):
    """Reasoning that only its provider can read; `family` as in `ThinkingSigned`."""

    data: str
    choice: int = 0
    family: str = ""


class RefusalDelta(msgspec.Struct, frozen=True):
    text: str
    choice: int = 0


class ToolOpened(msgspec.Struct, frozen=True):
    """A tool call begins. `call` is dense from 0 within its choice, in order of appearance."""

    call: int
    id: str
    name: str
    signature: str | None = None
    choice: int = 0
    custom: bool = False


class ToolDelta(msgspec.Struct, frozen=True):
    """A piece of the JSON text of a call's arguments, forwarded as it came."""

    call: int
    fragment: str
    choice: int = 0


class MediaMade(msgspec.Struct, frozen=True):
    """An image (or other media) in the answer; `data` is base64."""

    media_type: str
    data: str
    choice: int = 0


class Cited(msgspec.Struct, frozen=True):
    """A source of the text so far: characters `start` to `end` (None where unknown) of the choice's text."""

    url: str
    title: str = ""
    start: int | None = None
    end: int | None = None
    choice: int = 0


class TokenScore(msgspec.Struct, frozen=True):
    """How likely a token was: the natural logarithm of its probability. `top` are the likeliest in its place."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


class TokensScored(msgspec.Struct, frozen=True):
    """Scores of a choice's next tokens."""

    tokens: tuple[TokenScore, ...]
    choice: int = 0


class OpaqueMade(msgspec.Struct, frozen=True):
    """Something that only the provider's own dialect can say, e.g. a server-side tool's call or result."""

    family: str
    kind: str
    json: msgspec.Raw
    choice: int = 0


class Finished(msgspec.Struct, frozen=True):
    """Terminal evidence for a choice. `stop_sequence` is the one that matched, `detail` the provider's own words."""

    reason: FinishReason
    choice: int = 0
    stop_sequence: str | None = None
    detail: str | None = None


class UsageReported(msgspec.Struct, frozen=True):
    """Usage so far. It is cumulative: a later one replaces an earlier one."""

    usage: Usage


class Failed(msgspec.Struct, frozen=True):
    """The provider reported an error inside its answer, or sent what can't be understood. Nothing good follows."""

    error: GatewayError
    native: bool = False
    """The frame itself tells it in the dialect's own words, so a pass-through forwards it."""


StreamEvent = (
    Opened
    | MessageOpened
    | TextDelta
    | ThinkingDelta
    | ThinkingSigned
    | ThinkingRedacted
    | RefusalDelta
    | ToolOpened
    | ToolDelta
    | MediaMade
    | Cited
    | TokensScored
    | OpaqueMade
    | Finished
    | UsageReported
    | Failed
)

SEMANTIC = (
    TextDelta,
    ThinkingDelta,
    ThinkingSigned,
    ThinkingRedacted,
    RefusalDelta,
    ToolOpened,
    ToolDelta,
    MediaMade,
    Cited,
    OpaqueMade,
    Finished,
)
"""Events that commit: once one of them was sent to the client, the call can't be tried elsewhere."""


class Choice(msgspec.Struct, kw_only=True):
    """One finished answer: its blocks in the model's order. `finish` is None where no terminal evidence was seen."""

    index: int
    blocks: list[Block] = msgspec.field(default_factory=list)
    citations: list[Cited] = msgspec.field(default_factory=list)
    scores: list[TokenScore] = msgspec.field(default_factory=list)
    finish: Finished | None = None

    @property
    def text(self) -> str:
        return "".join(b.text for b in self.blocks if isinstance(b, Text))

    @property
    def thinking(self) -> str:
        return "".join(b.text for b in self.blocks if isinstance(b, Thinking))

    @property
    def refusal(self) -> str:
        return "".join(b.text for b in self.blocks if isinstance(b, Refusal))

    @property
    def calls(self) -> list[ToolCall]:
        return [b for b in self.blocks if isinstance(b, ToolCall)]


class Answer(msgspec.Struct, kw_only=True):
    """A whole answer, folded from its events."""

    id: str = ""
    model: str = ""
    created: int = 0
    choices: list[Choice] = msgspec.field(default_factory=list)
    usage: Usage | None = None
    error: GatewayError | None = None

    @classmethod
    def fold(cls, events: Iterable[StreamEvent]) -> Answer:
        """Puts the pieces together: neighbouring deltas of one kind become one block; calls go by their index."""
        fold = _Fold()
        for event in events:
            fold.add(event)
        return fold.result()

    @property
    def complete(self) -> bool:
        return self.error is None and bool(self.choices) and all(c.finish is not None for c in self.choices)


class _Open:
    """A block that may still grow."""

    __slots__ = ("family", "head", "kind", "parts", "signed")

    def __init__(self, kind: type, head: ToolOpened | None = None) -> None:
        self.kind = kind
        self.head = head
        self.parts: list[str] = []
        self.signed: str | None = None
        self.family = ""

    def sign(self, event: ThinkingSigned) -> None:
        self.signed, self.family = event.signature, event.family

    def close(self) -> Block:
        text = "".join(self.parts)
        if self.kind is Text:
            return Text(text)
        if self.kind is Refusal:
            return Refusal(text)
        if self.kind is Thinking:
            return Thinking(text, self.signed, _origin(self.family))
        assert self.head is not None
        return ToolCall(self.head.id, self.head.name, text, self.head.signature, self.head.custom)


class _Fold:
    def __init__(self) -> None:
        self._answer = Answer()
        self._choices: dict[int, Choice] = {}
        self._blocks: dict[int, list[_Open | Block]] = {}

    def add(self, event: StreamEvent) -> None:
        match event:
            case Opened(id=id, model=model, created=created):
                answer = self._answer
                answer.id, answer.model, answer.created = (
                    id or answer.id,
                    model or answer.model,
                    created or answer.created,
                )
            case UsageReported(usage=usage):
                self._answer.usage = usage
            case Failed(error=error):
                self._answer.error = self._answer.error or error
            case _:
                self._add_to_choice(event)

    def _add_to_choice(self, event: StreamEvent) -> None:
        index: int = event.choice  # type: ignore[union-attr]
        choice = self._choices.setdefault(index, Choice(index=index))
        blocks = self._blocks.setdefault(index, [])
        match event:
            case TextDelta(text=text):
                self._grow(blocks, Text).parts.append(text)
            case ThinkingDelta(text=text):
                self._grow(blocks, Thinking).parts.append(text)
            case ThinkingSigned():
                self._grow(blocks, Thinking).sign(event)
            case RefusalDelta(text=text):
                self._grow(blocks, Refusal).parts.append(text)
            case ThinkingRedacted(data=data, family=family):
                blocks.append(RedactedThinking(data, _origin(family)))
            case ToolOpened():
                blocks.append(_Open(ToolCall, event))
            case ToolDelta(call=call, fragment=fragment):
                self._call(blocks, call).parts.append(fragment)
            case MediaMade(media_type=media_type, data=data):
                blocks.append(Image(Inline(media_type, data)))
            case OpaqueMade(family=family, kind=kind, json=json):
                blocks.append(Opaque(family, kind, json))
            case Cited():
                choice.citations.append(event)
            case TokensScored(tokens=tokens):
                choice.scores += tokens
            case Finished():
                choice.finish = event

    @staticmethod
    def _grow(blocks: list[_Open | Block], kind: type) -> _Open:
        last = blocks[-1] if blocks else None
        # A signed thinking block is closed: what follows is the next one.
        if isinstance(last, _Open) and last.kind is kind and last.signed is None:
            return last
        opened = _Open(kind)
        blocks.append(opened)
        return opened

    @staticmethod
    def _call(blocks: list[_Open | Block], call: int) -> _Open:
        for block in reversed(blocks):
            if isinstance(block, _Open) and block.head is not None and block.head.call == call:
                return block
        raise ValueError(f"arguments for call {call}, which was never opened")

    def result(self) -> Answer:
        for index in sorted(self._choices):
            choice = self._choices[index]
            choice.blocks = [b.close() if isinstance(b, _Open) else b for b in self._blocks[index]]
            self._answer.choices.append(choice)
        return self._answer


def _origin(family: str) -> Origin | None:
    return Origin(family) if family else None
