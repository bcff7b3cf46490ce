"""Reasoning that its provider wants back, kept for clients that drop it.

A model that thinks and calls a tool demands its own reasoning on the next turn, signed and unaltered. Most clients of
OpenAI's dialect know no field for it and leave it out. So what an answer held of it is kept by the gateway, under the
ids of its tool calls, or under a digest of its text where it made none; and when a turn comes back bare, it is put
where it was. Nothing here keeps anything: the store is the relay's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import msgspec

from llmgw_domain.chat import ChatRequest, Origin, RedactedThinking, Text, Thinking, ToolCall, Turn
from llmgw_domain.stream import (
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    ToolOpened,
)

MAX_KEPT = 512 * 1024
"""Characters of an answer's reasoning. What is longer is not kept: a budget of 64,000 tokens is half of it."""

Reasoned = Thinking | RedactedThinking

_READ_BY = {"bedrock": ("bedrock", "anthropic")}
"""Whose reasoning a target's dialect can carry, where that is not its own alone: Claude's is Anthropic's everywhere."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The reasoning of one answer: its blocks in order, and the signatures of its calls by their ids.

    `origin` says who made it, as far as the model and the account.
    """

    origin: Origin
    blocks: tuple[Reasoned, ...] = ()
    calls: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def size(self) -> int:
        """Characters."""
        blocks = sum(len(b.data) if isinstance(b, RedactedThinking) else _length(b) for b in self.blocks)
        return blocks + sum(len(signature) for signature in self.calls.values())

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
                case TextDelta(text=text, choice=0):
                    self._digest.update(text.encode("utf-8", "surrogatepass"))

    def kept(self, model: str, account: str) -> Kept | None:
        """What is worth keeping; None where nothing was signed, or all of it is too long."""
        if self._size > MAX_KEPT or not (self._blocks or self._calls):
            return None
        origin = Origin(self._family, model, account)
        return Kept(origin=origin, blocks=tuple(self._blocks), calls=self._calls)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self._ids) or (f"text:{self._digest.hexdigest()}",)

    def _grow(self, text: str) -> bool:
        self._size += len(text)
        return self._size <= MAX_KEPT

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
    return msgspec.structs.replace(request, turns=tuple(_restored(turn, fitting) for turn in request.turns))


def _keys(turn: Turn) -> tuple[str, ...]:
    """What a bare turn of the model may be known by; nothing for one that brings its reasoning."""
    if turn.role != "assistant" or any(_signed(block) for block in turn.content):
        return ()
    calls = tuple(block.id for block in turn.content if isinstance(block, ToolCall))
    if calls:
        return calls
    text = "".join(block.text for block in turn.content if isinstance(block, Text))
    return (f"text:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}",) if text else ()


def _restored(turn: Turn, found: Mapping[str, Kept]) -> Turn:
    kept = next((found[key] for key in _keys(turn) if key in found), None)
    if kept is None:
        return turn
    # Reasoning in the clear that the client did keep would be there twice.
    rest = [block for block in turn.content if not isinstance(block, Thinking)]
    signed = [
        msgspec.structs.replace(block, signature=kept.calls[block.id])
        if isinstance(block, ToolCall) and block.id in kept.calls
        else block
        for block in rest
    ]
    return msgspec.structs.replace(turn, content=(*kept.blocks, *signed))


def _signed(block: object) -> bool:
    match block:
        case Thinking(signature=signature) | ToolCall(signature=signature):
            return bool(signature)
        case RedactedThinking():
            return True
    return False


def _length(block: Thinking) -> int:
    return len(block.text) + len(block.signature or "")
