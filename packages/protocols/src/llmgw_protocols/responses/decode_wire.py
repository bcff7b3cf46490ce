"""Events, items and response objects of a provider's answer as typed structs, decoded with tolerance.

Unknown members are skipped. What providers break is mended as in `chat.chunks`; a member that carries the answer itself
is never dropped to make the rest fit.
"""

from __future__ import annotations

import math
from typing import Generic, TypeVar

import msgspec
from msgspec import Raw

from llmgw_protocols.chat.chunks import NotUnderstood, Scored, fit, loosely
from llmgw_protocols.responses.usage import WireUsage

__all__ = [
    "Annotation",
    "Event",
    "Head",
    "Item",
    "NotUnderstood",
    "Part",
    "Response",
    "read_event",
    "read_head",
    "read_item",
    "read_response",
]

# A union with None is no raw value to the decoder, so absence is an empty one.
_ABSENT = Raw(b"")


class Annotation(msgspec.Struct, frozen=True, gc=False):
    type: str | None = None
    url: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class Part(msgspec.Struct, frozen=True, gc=False):
    """A part of a message, or of a reasoning item's summary or content."""

    type: str | None = None
    text: str | None = None
    refusal: str | None = None
    annotations: list[Annotation] | None = None
    logprobs: list[Scored] | None = None


class Head(msgspec.Struct, frozen=True, gc=False):
    """What tells an item's kind, without a look at the members that each kind types in its own way."""

    type: str | None = None
    id: str | None = None
    phase: str | None = None


class Item(msgspec.Struct, frozen=True, gc=False):
    """An item of one of the kinds that have a canonical form: message, reasoning, a client's call, a made image."""

    type: str | None = None
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    phase: str | None = None
    arguments: str | dict[str, Raw] | None = None
    input: str | None = None
    content: list[Part] | str | None = None
    summary: list[Part] | None = None
    encrypted_content: str | None = None
    result: str | None = None
    output_format: str | None = None

    @property
    def parts(self) -> list[Part]:
        """The content as parts; some servers send a message's text alone."""
        if isinstance(self.content, str):
            return [Part("output_text", self.content)]
        return self.content or []

    @property
    def said(self) -> str:
        """A call's arguments or input as text; some servers send an object."""
        if isinstance(self.arguments, dict):
            return msgspec.json.encode(self.arguments).decode("utf-8", "replace")
        return self.arguments or self.input or ""


class Incomplete(msgspec.Struct, frozen=True, gc=False):
    reason: str | None = None


class Response(msgspec.Struct, frozen=True, gc=False):
    """The whole object: a body, or what lifecycle events carry. Items stay raw: a stream has told most of them."""

    id: str | None = None
    model: str | None = None
    created_at: int | float | None = None
    status: str | None = None
    output: list[Raw] | None = None
    usage: WireUsage | None = None
    incomplete_details: Incomplete | None = None
    error: Raw = _ABSENT

    @property
    def created(self) -> int:
        """Unix seconds; 0 where it was not said. Several servers send a fraction."""
        return int(self.created_at) if self.created_at and math.isfinite(self.created_at) else 0


class Event(msgspec.Struct, frozen=True, gc=False):
    """Any event of a stream; its type says which members count."""

    type: str | None = None
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    item_id: str | None = None
    delta: str | None = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    input: str | None = None
    annotation: Annotation | None = None
    logprobs: list[Scored] | None = None
    item: Raw = _ABSENT
    response: Response | None = None
    error: Raw = _ABSENT


_PRECIOUS = frozenset(
    ("type", "delta", "text", "refusal", "arguments", "input", "item", "response", "output", "content", "status")
)
_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

T = TypeVar("T")


class _Reader(Generic[T]):
    """Reads one kind of object: as it is documented, else mended."""

    def __init__(self, kind: type[T], precious: frozenset[str] = _PRECIOUS) -> None:
        self._strict = msgspec.json.Decoder(kind).decode
        self._lenient = msgspec.json.Decoder(kind, strict=False).decode
        self._precious = precious

    def __call__(self, data: bytes | Raw) -> T:
        """The object. Raises `NotUnderstood`."""
        try:
            return self._strict(data)
        except _BROKEN:
            pass
        try:
            return fit(loosely(bytes(data)), self._lenient, self._precious)
        except RecursionError:
            raise NotUnderstood("nested too deeply") from None


read_event = _Reader(Event)
read_response = _Reader(Response)
read_item = _Reader(Item)
read_head = _Reader(Head, frozenset())
