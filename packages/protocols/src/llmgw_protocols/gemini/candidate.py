"""One candidate of an answer: its parts, signatures, calls and sources, as events."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import msgspec

from llmgw_domain.errors import GatewayError
from llmgw_domain.stream import (
    Cited,
    Finished,
    FinishReason,
    MediaMade,
    OpaqueMade,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ThinkingSigned,
    TokenScore,
    TokensScored,
    ToolDelta,
    ToolOpened,
)
from llmgw_protocols.gemini._wire import (
    Candidate,
    Citation,
    FunctionCall,
    Grounding,
    GroundingChunk,
    Logprobs,
    Part,
    TopCandidates,
)
from llmgw_protocols.gemini.arguments import text_of
from llmgw_protocols.gemini.finish import finished
from llmgw_protocols.gemini.offsets import Offsets

_NAMES = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_MARKS = frozenset({"thought", "thoughtSignature", "text"})
_FAMILY = "google"


def synthetic_id(answer: str, choice: int, call: int, name: str, arguments: str) -> str:
    """An id for a call that came without one: the same for the same call, in a stream and in a body."""
    digest = hashlib.sha256(msgspec.json.encode((answer, choice, call, name, arguments))).digest()
    return "call_" + "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:24])


class CandidateReader:
    """Reads a candidate's pieces in order. `end` is set once its reason was seen."""

    __slots__ = ("_answer", "_calls", "_chunks", "_cited", "_offsets", "_text", "choice", "end", "said_anything")

    def __init__(self, choice: int, answer: str) -> None:
        self.choice = choice
        self.end: Finished | None = None
        self.said_anything = False
        """Something that a client sees came out: a reason that names a failure is then only an end."""
        self._answer = answer
        self._calls = 0
        self._text = False
        self._offsets = Offsets()
        self._chunks: list[GroundingChunk] = []
        self._cited: set[tuple[str, int | None, int | None]] = set()

    def read(self, candidate: Candidate, raw: Callable[[], list[msgspec.Raw]], out: list[StreamEvent]) -> None:
        """Appends the events of one frame's piece; `raw` gives its parts as they came, for those that stay so."""
        starts: list[int] = []
        raws: list[msgspec.Raw] | None = None
        parts = candidate.content.parts if candidate.content is not None else None
        for number, part in enumerate(parts or ()):
            starts.append(self._offsets.bytes)
            if not self._read_part(part, out):
                # The frame is read a second time for these, and no more often than that.
                raws = raw() if raws is None else raws
                self._read_other(raws[number], out)
        if candidate.logprobs_result is not None:
            self._read_scores(candidate.logprobs_result, out)
        if candidate.grounding_metadata is not None:
            self._read_grounding(candidate.grounding_metadata, starts, out)
        if candidate.citation_metadata is not None:
            for citation in candidate.citation_metadata.citations or ():
                self._read_citation(citation, out)

    def finish(self, reason: str) -> GatewayError | None:
        """Takes the reason of the end; returns the error that it is, if it is one."""
        end = finished(reason, self.choice, calls=self._calls > 0, text=self._text)
        if isinstance(end, GatewayError):
            return end
        self.end = end
        return None

    def upgraded_end(self) -> Finished:
        """The end; a plain stop is for the calls, also for those that came after the reason."""
        end = self.end
        assert end is not None
        if end.reason is FinishReason.STOP and self._calls:
            return Finished(FinishReason.TOOL_CALLS, self.choice, detail=end.detail)
        return end

    # --- parts --------------------------------------------------------------------------------------------------------

    def _read_part(self, part: Part, out: list[StreamEvent]) -> bool:
        """Whether the part was of a kind that the canonical form has."""
        if part.function_call is not None:
            self._read_call(part.function_call, part.thought_signature, out)
            return True
        if part.inline_data is not None:
            self.said_anything = self._text = True
            out.append(MediaMade(part.inline_data.mime_type or "", part.inline_data.data or "", self.choice))
        elif part.text is None:
            return False
        elif part.text:
            self._read_text(part.text, part.thought, out)
        if part.thought_signature:
            out.append(ThinkingSigned(part.thought_signature, self.choice, _FAMILY))
        return True

    def _read_text(self, text: str, thought: bool | None, out: list[StreamEvent]) -> None:
        self.said_anything = True
        if thought:
            out.append(ThinkingDelta(text, self.choice))
            return
        self._text = True
        self._offsets.add(text)
        out.append(TextDelta(text, self.choice))

    def _read_call(self, call: FunctionCall, signature: str | None, out: list[StreamEvent]) -> None:
        number, self._calls, self.said_anything = self._calls, self._calls + 1, True
        arguments = text_of(call.args)
        id_ = call.id or synthetic_id(self._answer, self.choice, number, call.name, arguments)
        out.append(ToolOpened(number, id_, call.name, signature, self.choice))
        out.append(ToolDelta(number, arguments, self.choice))

    def _read_other(self, raw: msgspec.Raw, out: list[StreamEvent]) -> None:
        fields = _NAMES(raw)
        kind = next((name for name in fields if name not in _MARKS), None)
        signature = fields.get("thoughtSignature")
        if kind is not None:
            self.said_anything = True
            compact = msgspec.json.format(bytes(raw), indent=-1)
            # Raw values are not checked for valid UTF-8, and these go into other answers: refused here, if at all.
            compact.decode()
            out.append(OpaqueMade(_FAMILY, kind, msgspec.Raw(compact), self.choice))
        elif signature is not None and bytes(signature) != b"null":
            out.append(ThinkingSigned(msgspec.json.decode(signature, type=str), self.choice, _FAMILY))

    def _read_scores(self, result: Logprobs, out: list[StreamEvent]) -> None:
        chosen, tops = result.chosen_candidates or (), result.top_candidates or ()
        tokens = [
            TokenScore(c.token, c.log_probability, _top(tops[at]) if at < len(tops) else ())
            for at, c in enumerate(chosen)
        ]
        if tokens:
            out.append(TokensScored(tuple(tokens), self.choice))

    # --- sources ------------------------------------------------------------------------------------------------------

    def _read_grounding(self, grounding: Grounding, starts: list[int], out: list[StreamEvent]) -> None:
        self._chunks = grounding.grounding_chunks or self._chunks
        for support in grounding.grounding_supports or ():
            segment = support.segment
            if segment is None:
                continue
            # Offsets count from the part they name; without one, from the beginning of the text.
            part = segment.part_index or 0
            base = starts[part] if 0 < part < len(starts) else 0
            start = base + (segment.start_index or 0)
            end = None if segment.end_index is None else base + segment.end_index
            for number in support.grounding_chunk_indices or ():
                if 0 <= number < len(self._chunks):
                    self._cite(self._chunks[number], start, end, out)
        if not grounding.grounding_supports:
            for chunk in grounding.grounding_chunks or ():
                self._cite(chunk, None, None, out)

    def _cite(self, chunk: GroundingChunk, start: int | None, end: int | None, out: list[StreamEvent]) -> None:
        source = chunk.web or chunk.retrieved_context
        if source is not None and source.uri:
            self._add_citation(source.uri, source.title or "", start, end, out)

    def _read_citation(self, citation: Citation, out: list[StreamEvent]) -> None:
        if citation.uri:
            start = None if citation.end_index is None else citation.start_index or 0
            self._add_citation(citation.uri, citation.title or "", start, citation.end_index, out)

    def _add_citation(self, url: str, title: str, start: int | None, end: int | None, out: list[StreamEvent]) -> None:
        # Frames repeat the metadata of those before them.
        if (url, start, end) in self._cited:
            return
        self._cited.add((url, start, end))
        first = None if start is None else self._offsets.char_at(start)
        last = None if end is None else self._offsets.char_at(min(end, self._offsets.bytes))
        out.append(Cited(url, title, first, last, self.choice))


def _top(place: TopCandidates | None) -> tuple[tuple[str, float], ...]:
    candidates = place.candidates if place is not None else None
    return tuple((c.token, c.log_probability) for c in candidates or ())
