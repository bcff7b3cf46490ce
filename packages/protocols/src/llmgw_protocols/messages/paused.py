"""A turn that Anthropic paused: its content, put together as it came, to be sent back so that the model goes on.

Blocks go back exactly as they were made, those of server-side tools above all, so nothing here goes through the
canonical form. The content of a body is at hand; that of a stream is rebuilt from its starts and deltas.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from llmgw_domain.errors import InvalidJson
from llmgw_protocols import toplevel
from llmgw_protocols.sse import FrameTooLarge, SseCutter

MAX_KEPT = 8 * 1024 * 1024
"""Bytes of a turn's content. A longer one is not continued."""

_OWN_TOOLS = (None, "custom", "function")


class _Offered(msgspec.Struct):
    type: str | None = None


class _Asked(msgspec.Struct):
    tools: list[_Offered] | None = None
    mcp_servers: list[msgspec.Raw] | None = None


class _Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    partial_json: str = ""
    citation: msgspec.Raw = msgspec.Raw(b"null")


class _Event(msgspec.Struct):
    type: str = ""
    index: int = 0
    content_block: msgspec.Raw = msgspec.Raw(b"")
    delta: _Delta | None = None


class _Message(msgspec.Struct):
    content: list[msgspec.Raw] | None = None


class _Texts(msgspec.Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""


_asked = msgspec.json.Decoder(_Asked).decode
_event = msgspec.json.Decoder(_Event).decode
_message = msgspec.json.Decoder(_Message).decode
_texts = msgspec.json.Decoder(_Texts).decode
_any = msgspec.json.Decoder().decode
_MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidJson, FrameTooLarge)


class _Open:
    """A block that deltas are still added to."""

    def __init__(self, raw: msgspec.Raw) -> None:
        self._fields = {name: bytes(value) for name, value in toplevel.split(bytes(raw)).items()}
        start = _texts(raw)
        self._grown = {"text": [start.text], "thinking": [start.thinking], "signature": [start.signature]}
        self._input: list[str] = []
        self._citations: list[bytes] = []

    def add(self, delta: _Delta) -> None:
        """Raises `InvalidJson` for a kind of delta that nobody here knows: the block could not be rebuilt."""
        match delta.type:
            case "text_delta" | "thinking_delta" | "signature_delta":
                name = delta.type.removesuffix("_delta")
                self._grown[name].append(getattr(delta, name))
            case "input_json_delta":
                self._input.append(delta.partial_json)
            case "citations_delta":
                self._citations.append(bytes(delta.citation))
            case other:
                raise InvalidJson(f"an unknown delta {other!r}")

    def closed(self) -> bytes:
        """The block. Raises `DecodeError` where its input is no JSON."""
        fields = self._fields
        fields |= {
            n: msgspec.json.encode("".join(parts)) for n, parts in self._grown.items() if n in fields or parts[1:]
        }
        if given := "".join(self._input).encode():
            _any(given)
            fields["input"] = given
        if self._citations:
            fields["citations"] = b"[" + b",".join(self._citations) + b"]"
        return toplevel.join(fields)


class PausedTurn:
    """Collects the content of one turn over its goes; see `Continuation`."""

    def __init__(self) -> None:
        self._cutter = SseCutter()
        self._blocks: list[bytes] = []
        self._open: dict[int, _Open] = {}
        self._size = 0
        self._usable = True

    @staticmethod
    def may_pause(asked: bytes) -> bool:
        """Whether a request offers tools that Anthropic runs itself: without them no turn is paused."""
        try:
            request = _asked(asked)
        except _MALFORMED:
            return False
        return bool(request.mcp_servers) or any(tool.type not in _OWN_TOOLS for tool in request.tools or ())

    def see(self, raw: bytes) -> None:
        if not self._usable:
            return
        self._grow(len(raw))
        try:
            for frame in self._cutter.feed(raw):
                if frame.data is not None:
                    self._take(_event(frame.data))
        except _MALFORMED:
            self._usable = False

    def whole(self, body: bytes) -> None:
        self._grow(len(body))
        try:
            self._keep(bytes(block) for block in _message(body).content or ())
        except _MALFORMED:
            self._usable = False

    def body(self, asked: bytes) -> bytes | None:
        if not self._usable or not self._blocks or self._open:
            return None
        fields = {name: bytes(value) for name, value in toplevel.split(asked).items()}
        said = b'{"role":"assistant","content":[' + b",".join(self._blocks) + b"]}"
        fields["messages"] = fields["messages"].rstrip()[:-1] + b"," + said + b"]"
        return toplevel.join(fields)

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MAX_KEPT:
            self._usable = False
            self._blocks, self._open = [], {}

    def _take(self, event: _Event) -> None:
        if event.type == "content_block_start":
            self._open[event.index] = _Open(event.content_block)
        elif event.type == "content_block_delta" and event.delta is not None and event.index in self._open:
            self._open[event.index].add(event.delta)
        elif event.type == "content_block_stop" and event.index in self._open:
            self._keep([self._open.pop(event.index).closed()])

    def _keep(self, blocks: Iterable[bytes]) -> None:
        self._blocks += [block for block in blocks if not _is_empty(block)]


def _is_empty(block: bytes) -> bool:
    """Anthropic refuses an empty text, and makes some itself."""
    said = _texts(block)
    return said.type == "text" and not said.text
