"""Conversations that a client continues by the id of a response instead of sending them whole.

OpenAI keeps responses for its clients; here the gateway does, so that a conversation can go on at any provider. What is
kept of a call is its input and its output as items, in this dialect's own JSON; storing them is not this module's
affair. All functions are pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
from msgspec import Raw

from llmgw_domain.errors import InvalidField
from llmgw_protocols.dialect import Envelope
from llmgw_protocols.resources import unescaped
from llmgw_protocols.responses.envelope import has, with_input
from llmgw_protocols.responses.reading import read

_PREVIOUS = "previous_response_id"
_ONLY_AN_ID = re.compile(rb'\{\s*"id"\s*:\s*"[^"]*"\s*\}')
_MINTED = re.compile(r"(?:msg|rs|fc|ctc|ig)_([A-Za-z0-9]+)_\d+")


class _Response(msgspec.Struct):
    output: list[Raw] | None = None


class _Answer(msgspec.Struct):
    """A response, or an event that holds one."""

    output: list[Raw] | None = None
    response: _Response | None = None


class _Item(msgspec.Struct):
    type: str | None = None
    id: str | None = None
    role: str | None = None


_item = msgspec.json.Decoder(_Item)
_answer = msgspec.json.Decoder(_Answer).decode


def previous_response_id(envelope: Envelope) -> str | None:
    """The response that a request continues. Raises `InvalidField`."""
    if not has(envelope.fields, _PREVIOUS):
        return None
    id_: str = read(envelope.fields[_PREVIOUS], str, _PREVIOUS)
    if has(envelope.fields, "conversation"):
        text = f"Send either {_PREVIOUS!r} or 'conversation', not both."
        raise InvalidField(text, param=_PREVIOUS)
    return id_


def wants_storage(envelope: Envelope) -> bool:
    """Whether the client may come back to the response: only an explicit `store: false` says it will not."""
    return bytes(envelope.fields.get("store", b"")) != b"false"


def stored_items(envelope: Envelope) -> list[Raw]:
    """The input of a request as items; of an expanded request, history and all."""
    if not has(envelope.fields, "input"):
        return []
    value: str | list[Raw] = read(envelope.fields["input"], str | list[Raw], "input")
    if isinstance(value, list):
        return [item.copy() for item in value]
    return [Raw(msgspec.json.encode({"type": "message", "role": "user", "content": value}))]


def output_items(answer: bytes) -> list[Raw]:
    """The output of a whole response, or of a stream's last event. Empty where there is none to read."""
    try:
        read_ = _answer(answer)
    except (msgspec.DecodeError, RecursionError):
        return []
    output = read_.output if read_.output is not None else (read_.response.output if read_.response else None)
    return [item.copy() for item in output or ()]


def item_ids(answer: bytes) -> tuple[str, ...]:
    """The ids of the items of a whole response, or of the frame of a stream's last event."""
    items = output_items(answer if answer.startswith(b"{") else answer.partition(b"data:")[2])
    return tuple(id_ for item in items if (id_ := _head(item).id))


def expand(envelope: Envelope, history_items: Sequence[Raw]) -> Envelope:
    """The request with a previous response's input and output in front of its own, and without that one's id.

    Instructions are not inherited; they never are items of the input.
    """
    fields = {name: bytes(raw) for name, raw in envelope.fields.items() if name != _PREVIOUS}
    return with_input(envelope, fields, (*history_items, *stored_items(envelope)))


# --- references to single items ---------------------------------------------------------------------------------------


def references(envelope: Envelope) -> tuple[str, ...]:
    """The ids of items that the input names instead of repeating them (AI SDK does so for all that may be stored)."""
    # It is searched for, because nearly no request has a reference.
    body = unescaped(envelope.wire.body)
    if b'"item_reference"' not in body and _ONLY_AN_ID.search(body) is None:
        return ()
    return tuple(id_ for item in stored_items(envelope) if (id_ := _referenced(item)) is not None)


def response_of(item_id: str) -> str | None:
    """The response that an item was made in, if its id is one that this gateway gave."""
    match = _MINTED.fullmatch(item_id)
    return f"resp_{match[1]}" if match else None


def resolve(envelope: Envelope, stored: Sequence[Raw]) -> Envelope:
    """The request with each reference replaced by the stored item of that id; those to others stay, to be refused."""
    known = {item.id: raw for raw in stored if (item := _head(raw)).id and item.type != "item_reference"}
    items = [known.get(_referenced(item) or "", item) for item in stored_items(envelope)]
    return with_input(envelope, {name: bytes(raw) for name, raw in envelope.fields.items()}, items)


def _referenced(raw: Raw) -> str | None:
    item = _head(raw)
    return item.id if item.type == "item_reference" or (item.type is None and item.role is None) else None


def _head(raw: Raw) -> _Item:
    try:
        return _item.decode(raw)
    except msgspec.ValidationError:
        return _Item()
