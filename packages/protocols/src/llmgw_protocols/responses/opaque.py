"""What OpenAI sealed for the organization that asked for it: encrypted reasoning, and conversations made short.

A client that keeps its own history brings it back with each turn. Another organization's accounts refuse it
(`invalid_encrypted_content`). Without its reasoning a conversation goes on, a little less well; without what stands for
the conversation itself it can't. What this gateway sealed for other families (`sealed`) is none of it.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Raw

from llmgw_domain.errors import GatewayError
from llmgw_protocols import toplevel
from llmgw_protocols.dialect import Envelope
from llmgw_protocols.responses import sealed
from llmgw_protocols.responses.envelope import with_input

_MARK = b'"encrypted_content"'
_REASONING = "reasoning"

LOST = "reasoning.encrypted_content"
"""The name under which left out reasoning is told as lost."""


class _Item(msgspec.Struct):
    type: str | None = None
    encrypted_content: str | None = None


_items = msgspec.json.Decoder(list[Raw]).decode
_item = msgspec.json.Decoder(_Item).decode


def holds(envelope: Envelope) -> bool:
    """Whether a request holds what only its maker's organization can read."""
    return any(_is_opaque(item) for item in _input(envelope))


def without_reasoning(envelope: Envelope) -> Envelope | None:
    """The request without encrypted reasoning; None where that leaves something that others can't read, or changes
    nothing.

    Ids of other items go as well: OpenAI demands the reasoning that came before an item that it knows by its id.
    """
    items = list(_input(envelope))
    kept = [item for item in items if not (_is_opaque(item) and _item(item).type == _REASONING)]
    if len(kept) == len(items) or any(map(_is_opaque, kept)):
        return None
    fields = {name: bytes(raw) for name, raw in envelope.fields.items()}
    return with_input(envelope, fields, map(_unnamed, kept))


def _input(envelope: Envelope) -> Iterator[Raw]:
    """The items, if there can be any that is opaque. Rare, so the bytes are searched before anything is decoded."""
    value = envelope.fields.get("input")
    if value is None or _MARK not in bytes(value):
        return
    try:
        yield from _items(value)
    except (msgspec.DecodeError, RecursionError):
        return


def _is_opaque(item: Raw) -> bool:
    if _MARK not in bytes(item):
        return False
    try:
        content = _item(item).encrypted_content
    except (msgspec.DecodeError, RecursionError):
        return False
    return bool(content) and not sealed.is_sealed(content)


def _unnamed(item: Raw) -> bytes:
    try:
        fields = toplevel.split(bytes(item))
    except GatewayError:
        return bytes(item)
    if "id" not in fields or bytes(fields.get("type", b"")) == b'"item_reference"':
        return bytes(item)
    return toplevel.join({name: bytes(raw) for name, raw in fields.items() if name != "id"})
