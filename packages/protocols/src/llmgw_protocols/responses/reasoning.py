"""A reasoning item as a signature, and back.

The canonical form has one text and one opaque value for a piece of reasoning; an item has an id, several summaries or
raw texts, and encrypted content. So the signature of family `openai` is JSON that holds all of the item but its texts,
and of these the lengths, from which a later request rebuilds the item exactly. Encrypted content that comes bare, as
other gateways hand it to their clients, is taken too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

FAMILY = "openai"
GLUE = "\n\n"
"""What stands between the texts of an item, and between those of neighbouring items."""


class Seal(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a signature holds; `summary` and `content` are lengths of texts, in characters."""

    id: str | None = None
    encrypted_content: str | None = None
    summary: tuple[int, ...] = ()
    content: tuple[int, ...] = ()


_decode = msgspec.json.Decoder(Seal).decode


def seal(id: str | None, encrypted: str | None, summary: Sequence[str], content: Sequence[str]) -> str | None:
    """The signature of an item; None for one that nobody takes back, having neither encrypted nor raw content."""
    if not encrypted and not content:
        return None
    held = Seal(id or None, encrypted or None, tuple(map(len, summary)), tuple(map(len, content)))
    return msgspec.json.encode(held).decode()


def item_of(text: str, signature: str) -> dict[str, Any]:
    """The item behind a signature and the text that was shown with it."""
    held = _unsealed(signature)
    item: dict[str, Any] = {"type": "reasoning"}
    if held.id:
        item["id"] = held.id
    summary, content = _texts(text, held)
    item["summary"] = [{"type": "summary_text", "text": part} for part in summary]
    if content:
        item["content"] = [{"type": "reasoning_text", "text": part} for part in content]
    if held.encrypted_content:
        item["encrypted_content"] = held.encrypted_content
    return item


def _unsealed(signature: str) -> Seal:
    try:
        return _decode(signature)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return Seal(encrypted_content=signature)


def _texts(text: str, held: Seal) -> tuple[list[str], list[str]]:
    """The summaries and raw texts; all in one where the client has changed the text since."""
    lengths = (*held.summary, *held.content)
    whole = sum(lengths) + len(GLUE) * max(0, len(lengths) - 1)
    if len(text) == whole + len(GLUE):
        text = text.removeprefix(GLUE)
    if len(text) != whole or not lengths:
        parts = [text] if text else []
        return ([], parts) if held.content and not held.summary else (parts, [])
    parts = []
    for length in lengths:
        parts.append(text[:length])
        text = text[length + len(GLUE) :]
    return parts[: len(held.summary)], parts[len(held.summary) :]
