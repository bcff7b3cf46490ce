"""An answer of Gemini's that is over its cap: the token with which the same request goes on."""

from __future__ import annotations

import msgspec

from llmgw_protocols import toplevel
from llmgw_protocols.sse import FrameTooLarge, SseCutter

_FIELD = "continuationToken"


class _Candidate(msgspec.Struct):
    continuationToken: str | None = None


class _Chunk(msgspec.Struct):
    candidates: list[_Candidate | None] | None = None


_chunk = msgspec.json.Decoder(_Chunk).decode
_chunks = msgspec.json.Decoder(list[_Chunk]).decode
_MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, FrameTooLarge)


class ContinuedAnswer:
    """Finds the token of the current go; see `Continuation`. An answer of several candidates has no use for one."""

    def __init__(self) -> None:
        self._token: str | None = None

    def see(self, raw: bytes) -> None:
        # Nearly no frame has one, so nearly none is read twice.
        if _FIELD.encode() not in raw:
            return
        cutter = SseCutter()
        try:
            frames = [*cutter.feed(raw), *cutter.finish()]
        except FrameTooLarge:
            return
        for frame in frames:
            self.whole(frame.raw if frame.data is None else frame.data)

    def whole(self, body: bytes) -> None:
        if _FIELD.encode() not in body:
            return
        try:
            chunks = _chunks(body) if body.lstrip()[:1] == b"[" else [_chunk(body)]
        except _MALFORMED:
            return
        for chunk in chunks:
            candidates = chunk.candidates or []
            if len(candidates) == 1 and candidates[0] is not None and candidates[0].continuationToken:
                self._token = candidates[0].continuationToken

    def body(self, asked: bytes) -> bytes | None:
        token, self._token = self._token, None
        if token is None:
            return None
        fields = {name: bytes(value) for name, value in toplevel.split(asked).items()}
        return toplevel.join({**fields, _FIELD: msgspec.json.encode(token)})
