"""What a provider wants back of an answer, kept for clients that drop it: reasoning, and the bounds of its messages.

A model that thinks and calls a tool demands its own reasoning on the next turn, signed and unaltered. Most clients of
OpenAI's dialect know no field for it and leave it out. So what an answer held of it is kept by the gateway, under the
ids of its tool calls, or under a digest of its text where it made none; and when a turn comes back bare, it is put
where it was. Nothing here keeps anything: the store is the relay's.

A Responses answer may also have several messages, each with a phase, that are one text to other clients. Where they
were in it is kept too, and such a turn is parted into one for each message again, if its text is still that long.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from itertools import pairwise

import msgspec

from llmgw_domain.chat import ChatRequest, Origin, RedactedThinking, Text, Thinking, ToolCall, Turn
from llmgw_domain.stream import (
    MessageOpened,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    ToolOpened,
)
from llmgw_protocols.responses.reasoning import GLUE

MAX_KEPT = 512 * 1024
"""Characters of an answer's reasoning. What is longer is not kept: a budget of 64,000 tokens is half of it."""

_MESSAGE = 512
"""What a message is taken to weigh."""

Reasoned = Thinking | RedactedThinking

_READ_BY = {"bedrock": ("bedrock", "anthropic")}
"""Whose reasoning a target's dialect can carry, where that is not its own alone: Claude's is Anthropic's everywhere."""


class Message(msgspec.Struct, frozen=True):
    """A message of an answer: where it starts in the whole text, in characters, and how many blocks of reasoning stood
    before it.
    """

    start: int
    phase: str | None
    after: int


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The reasoning of one answer: its blocks in order, and the signatures of its calls by their ids.

    `origin` says who made it, as far as the model and the account. `messages` are those of an answer that has several,
    or one with a phase, and `length` is that of its whole text.
    """

    origin: Origin
    blocks: tuple[Reasoned, ...] = ()
    calls: dict[str, str] = msgspec.field(default_factory=dict)
    messages: tuple[Message, ...] = ()
    length: int = 0

    @property
    def size(self) -> int:
        """Characters."""
        blocks = sum(len(b.data) if isinstance(b, RedactedThinking) else _length(b) for b in self.blocks)
        signatures = sum(len(signature) for signature in self.calls.values())
        return blocks + signatures + len(self.messages) * _MESSAGE

    def fits(self, family: str, model: str, account: str) -> bool:
        """Whether a target takes it back: its own maker, and the model that made it.

        Newer models bind reasoning to themselves, and OpenAI's encrypted content can be read by one organisation only.
        """
        origin = self.origin
        made_here = origin.family in _READ_BY.get(family, (family,)) and origin.model == model
        return made_here and (family != "openai" or origin.account == account)


class Keeper:
    """Collects the reasoning of one answer from its events, as far as it is to be kept.

    `keys` are what it is kept under. An answer of several choices is not followed.
    """

    def __init__(self) -> None:
        self._blocks: list[Reasoned] = []
        self._open: list[str] = []
        self._calls: dict[str, str] = {}
        self._ids: list[str] = []
        self._messages: list[Message] = []
        self._length = 0
        self._begun: int | None = None
        """How much reasoning stood before the first text."""
        self._digest = hashlib.sha256()
        self._size = 0
        self._family = ""

    def see(self, events: Iterable[StreamEvent]) -> None:
        for event in events:
            match event:
                case ThinkingDelta(text=text, choice=0) if self._grow(text):
                    self._open.append(text)
                case ThinkingSigned(signature=signature, choice=0, family=family) if self._grow(signature):
                    self._close(signature, family)
                case ThinkingRedacted(data=data, choice=0, family=family) if self._grow(data):
                    self._family = family or self._family
                    self._blocks.append(RedactedThinking(data, Origin(family)))
                case ToolOpened(id=id_, signature=signature, choice=0):
                    self._ids.append(id_)
                    if signature and self._grow(signature):
                        self._family = self._family or "google"
                        self._calls[id_] = signature
                case MessageOpened(phase=phase, choice=0) if self._grow(" " * _MESSAGE):
                    self._open_message(phase)
                case TextDelta(text=text, choice=0):
                    self._begun = len(self._blocks) if self._begun is None else self._begun
                    self._length += len(text)
                    self._digest.update(text.encode("utf-8", "surrogatepass"))

    def kept(self, model: str, account: str) -> Kept | None:
        """What is worth keeping; None where nothing was signed, or all of it is too long."""
        if self._size > MAX_KEPT or not (self._blocks or self._calls or self._messages):
            return None
        origin = Origin(self._family or ("openai" if self._messages else ""), model, account)
        return Kept(
            origin=origin,
            blocks=tuple(self._blocks),
            calls=self._calls,
            messages=tuple(self._messages),
            length=self._length,
        )

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self._ids) or (f"text:{self._digest.hexdigest()}",)

    def _grow(self, text: str) -> bool:
        self._size += len(text)
        return self._size <= MAX_KEPT

    def _open_message(self, phase: str | None) -> None:
        if self._length and not self._messages:
            self._messages.append(Message(0, None, self._begun or 0))
        self._messages.append(Message(self._length, phase, len(self._blocks)))

    def _close(self, signature: str, family: str) -> None:
        self._family = family or self._family
        self._blocks.append(Thinking("".join(self._open), signature, Origin(family)))
        self._open.clear()


def wanted(request: ChatRequest) -> tuple[str, ...]:
    """The keys under which reasoning may be kept that the client left out."""
    return tuple(key for turn in request.turns for key in _keys(turn))


def restored(request: ChatRequest, found: Mapping[str, Kept], family: str, model: str, account: str) -> ChatRequest:
    """The request with kept reasoning where the client left it out, as far as the target takes it back."""
    fitting = {key: kept for key, kept in found.items() if kept.fits(family, model, account)}
    if not fitting:
        return request
    return msgspec.structs.replace(request, turns=tuple(t for turn in request.turns for t in _restored(turn, fitting)))


def _keys(turn: Turn) -> tuple[str, ...]:
    """What a bare turn of the model may be known by; nothing for one that brings its reasoning."""
    if turn.role != "assistant" or any(_signed(block) for block in turn.content):
        return ()
    calls = tuple(block.id for block in turn.content if isinstance(block, ToolCall))
    if calls:
        return calls
    text = "".join(block.text for block in turn.content if isinstance(block, Text))
    return (f"text:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}",) if text else ()


def _restored(turn: Turn, found: Mapping[str, Kept]) -> list[Turn]:
    kept = next((found[key] for key in _keys(turn) if key in found), None)
    if kept is None:
        return [turn]
    # Reasoning in the clear that the client did keep would be there twice.
    rest = [block for block in turn.content if not isinstance(block, Thinking)]
    signed = [
        msgspec.structs.replace(block, signature=kept.calls[block.id])
        if isinstance(block, ToolCall) and block.id in kept.calls
        else block
        for block in rest
    ]
    texts = [block for block in rest if isinstance(block, Text)]
    parted = _parted("".join(text.text for text in texts), kept)
    if not parted:
        return [msgspec.structs.replace(turn, content=(*kept.blocks, *signed))]
    parted[-1] = msgspec.structs.replace(parted[-1], cache=texts[-1].cache)
    befores = (0, *(message.after for message in kept.messages), len(kept.blocks))
    *before, left = [kept.blocks[a:b] for a, b in pairwise(befores)]
    turns = [
        msgspec.structs.replace(turn, content=(*blocks, text)) for blocks, text in zip(before, parted, strict=True)
    ]
    others = (*left, *(block for block in signed if not isinstance(block, Text)))
    turns[-1] = msgspec.structs.replace(turns[-1], content=turns[-1].content + others)
    return turns


def _parted(text: str, kept: Kept) -> list[Text]:
    """The messages that a text was joined from; none where there were none, or the client has changed it since."""
    starts = [message.start for message in kept.messages]
    if not starts or len(text) != kept.length or any(text[:at][-len(GLUE) :] != GLUE for at in starts[1:]):
        return []
    ends = (*(at - len(GLUE) for at in starts[1:]), len(text))
    return [Text(text[m.start : end], phase=m.phase) for m, end in zip(kept.messages, ends, strict=True)]


def _signed(block: object) -> bool:
    match block:
        case Thinking(signature=signature) | ToolCall(signature=signature):
            return bool(signature)
        case RedactedThinking():
            return True
    return False


def _length(block: Thinking) -> int:
    return len(block.text) + len(block.signature or "")
