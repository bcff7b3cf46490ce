"""What stays constant over a conversation's turns, as two digests: for clients that name no session.

`prefix` is of what stands before the conversation: model, tools, system text. Everybody who begins with it shares it,
and it is what a provider's cache holds first. `conversation` is of the prefix and the first user message.

Nothing is parsed a second time. Values are hashed as the client wrote them, which it does alike every turn; of the
messages only those up to the first user's are looked at (the decoder is stopped there), so that a long conversation
costs no more than a new one. Of a long value only its length, its beginning and its end are hashed. What clients change
between turns without changing the prompt is taken out: cache marks, Claude Code's version block, and the difference
between a text and a list of this one text, which several clients make when a mark goes away.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

import msgspec

from llmgw_affinity._marks import unmarked
from llmgw_affinity.carriers import Form

_EDGE = 32_768
"""Bytes that are hashed of each end of a long value."""
_NEEDLE = 512
"""Bytes of a message that it is looked for by. To search for a longer text takes longer than to find it."""
_EARLY = 1024
"""Bytes of a prompt in which Claude Code's version stands: it is the first of its blocks."""
_OPENING = 4096
"""Bytes of a completion's prompt that name it: all that is known to stay, because the rest grows with each turn."""


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True):
    """Digests of 16 bytes. `prefix_bytes` is the size of tools and system text as they came.

    `conversation` is None where there is no user message.
    """

    prefix: bytes
    prefix_bytes: int
    conversation: bytes | None

    def __repr__(self) -> str:
        conversation = self.conversation.hex()[:8] if self.conversation else None
        return f"<Fingerprint {self.prefix.hex()[:8]} of {self.prefix_bytes} bytes, {conversation}>"


def fingerprint(form: Form, model: str, fields: Mapping[str, msgspec.Raw]) -> Fingerprint:
    """The fingerprint of a call for `model` with these top-level fields.

    Never raises: a shape that is none of the form's is hashed as it is. Linear in the size of what it reads, and well
    under a millisecond for a conversation of 1 MB.
    """
    parts = [unmarked(bytes(fields[name])) for name in _PREFIX[form] if name in fields]
    head, first = _opening(form, bytes(fields.get(TURNS[form], b"")))
    parts = [_unversioned(part) for part in (*parts, head)]
    prefix = _digest(model.encode("utf-8", "surrogatepass"), *parts)
    return Fingerprint(
        prefix=prefix,
        prefix_bytes=sum(map(len, parts)),
        conversation=None if first is None else _digest(prefix, _bare(unmarked(first))),
    )


_PREFIX: dict[Form, tuple[str, ...]] = {
    "chat": ("tools", "functions"),
    "responses": ("tools", "instructions", "prompt"),
    "messages": ("tools", "system"),
    "gemini": ("tools", "systemInstruction", "system_instruction", "cachedContent", "cached_content"),
    "completions": (),
}
TURNS: dict[Form, str] = {
    "chat": "messages",
    "responses": "input",
    "messages": "messages",
    "gemini": "contents",
    "completions": "prompt",
}
"""The field that holds the conversation."""


# --- up to the first user message -------------------------------------------------------------------------------------


class _FirstUser(Exception):
    """The decoder has come to the first user message; `content` is what it says."""

    def __init__(self, content: msgspec.Raw) -> None:
        self.content = content


_NOTHING = msgspec.Raw(b"")


class _Turn(msgspec.Struct):
    """One message. Gemini has `parts` in place of `content`, and means the user where it names no role."""

    role: msgspec.Raw = _NOTHING
    content: msgspec.Raw = _NOTHING
    parts: msgspec.Raw = _NOTHING

    def __post_init__(self) -> None:
        if bytes(self.role) == b'"user"' or (not self.role and self.parts):
            raise _FirstUser(self.parts if self.parts else self.content)


_turns = msgspec.json.Decoder(list[_Turn | str | int | float | bool | list[msgspec.Raw] | None]).decode


def _opening(form: Form, turns: bytes) -> tuple[bytes, bytes | None]:
    """What stands before the first user message, and the message; None where there is none."""
    if form == "completions":
        return turns[:_OPENING], turns[:_OPENING] or None
    if not turns.startswith(b"["):
        return b"", turns or None
    try:
        _turns(turns)
    except _FirstUser as found:
        first = bytes(found.content)
        return _before(turns, first), first
    except (msgspec.MsgspecError, RecursionError):
        return b"", turns
    return unmarked(turns), None


def _before(turns: bytes, first: bytes) -> bytes:
    """The messages before the one with this content.

    The decoder does not tell where it stopped. Where the content's beginning stands for the first time is the same each
    turn, which is all that a digest needs, and all but always the place itself.
    """
    end = _place(turns, first[:_NEEDLE]) if first else 0
    return unmarked(turns[: max(0, turns.rfind(b"{", 0, end))]).strip(b"[, \t\r\n")


def _place(turns: bytes, needle: bytes) -> int:
    near = turns.find(needle, 0, _EDGE)
    if near >= 0:
        return near
    # Behind a long system message: to search for a short text there takes longer than for one with its name before it.
    for name in (b'"content":', b'"content": '):
        if (at := turns.find(name + needle)) >= 0:
            return at
    return turns.find(needle)


# --- what is hashed of a value ----------------------------------------------------------------------------------------

_TYPE = rb'"type"\s*:\s*"(?:input_)?text"'
_VERSION = b'"x-anthropic-billing-header'
_VERSION_BLOCK = re.compile(
    rb"\{\s*(?:" + _TYPE + rb'\s*,\s*)?"text"\s*:\s*' + _VERSION + rb'[^"\\]*(?:\\.[^"\\]*)*"[^{}]*\}\s*,?\s*'
)
_VERSION_LINE = re.compile(_VERSION + rb'[^"\\]*(?:\\n)+')
_ONE_TEXT = re.compile(rb"\[\s*\{\s*(?:" + _TYPE + rb'\s*,\s*)?"text"\s*:\s*(?=")')
_ONE_TEXT_END = re.compile(rb'(?<=")\s*(?:,\s*' + _TYPE + rb"\s*)?\}\s*\]\Z")


def _unversioned(part: bytes) -> bytes:
    """Without the block, or the first line, in which Claude Code tells its version and a checksum of each call."""
    if _VERSION not in part[:_EARLY]:
        return part
    return _VERSION_LINE.sub(b'"', _VERSION_BLOCK.sub(b"", part, count=1), count=1)


def _bare(content: bytes) -> bytes:
    """A list of one text as this text."""
    opened = _ONE_TEXT.match(content)
    closed = _ONE_TEXT_END.search(content, max(0, len(content) - 64)) if opened else None
    return content[opened.end() : closed.start()] if opened and closed else content


def _digest(*parts: bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        if len(part) > 2 * _EDGE:
            digest.update(part[:_EDGE])
            digest.update(part[-_EDGE:])
        else:
            digest.update(part)
    return digest.digest()[:16]
