"""The output items of an answer as events, whether they come piece by piece or whole.

Each item is counted, not kept: of what was sent of it only lengths are remembered, so a long answer takes no memory.
A full value (in a `.done` event, in a finished item, in the final response) speaks only where no piece of it came
before, because servers differ in which of these they send.

Texts of several messages are one text to clients of other dialects, and so are the texts of reasoning: a blank line
stands between them. What a provider's own tools did is opaque and never a call for the client to run.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

from msgspec import Raw

from llmgw_domain.stream import (
    Cited,
    MediaMade,
    MessageOpened,
    OpaqueMade,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    TokensScored,
    ToolDelta,
    ToolOpened,
)
from llmgw_protocols.chat.chunks import Scored
from llmgw_protocols.responses import decode_wire as wire
from llmgw_protocols.responses import reasoning
from llmgw_protocols.responses.reasoning import FAMILY, GLUE

_CALLS = frozenset(("function_call", "custom_tool_call"))
_PICTURE = "image_generation_call"
_KNOWN = _CALLS | {"message", "reasoning", _PICTURE}

Events = list[StreamEvent]


class _Text:
    """A part of a message: where in the answer's text it starts, how much of it came, how many citations and scores."""

    __slots__ = ("cited", "scored", "sent", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        self.sent = 0
        self.cited = 0
        self.scored = 0


class _Open:
    """An item that is not done."""

    __slots__ = ("call", "keys", "paragraph", "phase", "refused", "sent", "texts", "thoughts")

    def __init__(self, *keys: int | str | None) -> None:
        self.keys = keys
        """Its index and id in the events so far."""
        self.call: int | None = None
        self.sent = False
        """Whether anything of a call's arguments came."""
        self.phase: str | None = None
        self.texts: dict[int, _Text] = {}
        self.refused: set[int] = set()
        self.thoughts: set[tuple[str, int]] = set()
        self.paragraph: tuple[str, int] | None = None

    @property
    def spoken(self) -> bool:
        return any(text.sent for text in self.texts.values())


class Output:
    """The items of one answer. Its methods give the events of what they are told; they raise `NotUnderstood`."""

    def __init__(self) -> None:
        self.calls = 0
        """How many calls there are for the client to run."""
        self.answer_id = ""
        self._length = 0
        self._thought = False
        self._open: dict[int | str, _Open] = {}
        self._last: _Open | None = None
        self._ended = 0
        self._indexes: set[int] = set()
        self._ids: Counter[str] = Counter()

    # --- an item from its beginning to its end ------------------------------------------------------------------------

    def added(self, event: wire.Event) -> Events:
        head = wire.read_head(event.item)
        opened = self._begin(event.output_index, head.id)
        opened.phase = head.phase
        return self._name(opened, wire.read_item(event.item)) if head.type in _CALLS else []

    def done(self, event: wire.Event) -> Events:
        index = event.output_index if event.output_index is not None else self._ended
        return self._end(index, event.item)

    def rest(self, items: Sequence[Raw]) -> Events:
        """What the final list of items says that no event before it did."""
        events: Events = []
        # By id or by index: servers give one id to several items, another id in each event, or leave items out here.
        ids, indexes = self._ids.copy(), self._indexes.copy()
        for index, raw in enumerate(items):
            name = wire.read_head(raw).id
            told = self._find(index, name)
            if name and ids[name] > 0:
                ids[name] -= 1
            elif told is not None and told.thoughts:
                continue  # Its text was told, and its proof would stand behind what it led to.
            elif index not in indexes:
                events += self._end(index, raw)
        return events

    def _begin(self, index: int | None, id: str | None) -> _Open:
        opened = self._last = _Open(index, id)
        self._open |= {key: opened for key in opened.keys if key not in (None, "")}
        return opened

    def _find(self, index: int | None, id: str | None) -> _Open | None:
        # Some servers give an item another id in each event, so its index comes first.
        found = self._open.get(index) if index is not None else None
        return found or (self._open.get(id) if id else None)

    def _of(self, event: wire.Event) -> _Open:
        """The item that a piece belongs to; one that was never announced begins with its first piece."""
        found = self._find(event.output_index, event.item_id)
        if found is None and event.output_index is None and not event.item_id:
            found = self._last
        return found or self._begin(event.output_index, event.item_id)

    def _end(self, index: int, raw: Raw) -> Events:
        head = wire.read_head(raw)
        opened = self._find(index, head.id) or _Open()
        self._ended += 1
        self._indexes.add(index)
        if head.id:
            self._ids[head.id] += 1
        for key in (index, head.id, *opened.keys):
            self._open.pop(key, None)  # type: ignore[arg-type]
        if head.type not in _KNOWN:
            return [OpaqueMade(FAMILY, head.type, raw.copy())] if head.type else []
        return self._close(opened, wire.read_item(raw))

    def _close(self, opened: _Open, item: wire.Item) -> Events:
        if item.type == "message":
            return self._close_message(opened, item)
        if item.type == "reasoning":
            return self._close_reasoning(opened, item)
        if item.type in _CALLS:
            return [*self._name(opened, item), *self._finish_arguments(opened, item.said)]
        return [MediaMade(f"image/{item.output_format or 'png'}", item.result)] if item.result else []

    # --- messages -----------------------------------------------------------------------------------------------------

    def text(self, event: wire.Event) -> Events:
        opened, at = self._of(event), event.content_index or 0
        events = self._say(opened, at, event.delta)
        if event.logprobs:
            text = self._text(opened, at)
            text.scored += len(event.logprobs)
            events.append(_scored(event.logprobs))
        return events

    def text_done(self, event: wire.Event) -> Events:
        opened, at = self._of(event), event.content_index or 0
        text = self._text(opened, at)
        events = [] if text.sent else self._say(opened, at, event.text)
        return events + self._score(text, event.logprobs)

    def refusal(self, event: wire.Event) -> Events:
        return self._refuse(self._of(event), event.content_index or 0, event.delta)

    def refusal_done(self, event: wire.Event) -> Events:
        opened, at = self._of(event), event.content_index or 0
        return [] if at in opened.refused else self._refuse(opened, at, event.refusal)

    def cited(self, event: wire.Event) -> Events:
        text = self._text(self._of(event), event.content_index or 0)
        return self._cite(text, event.annotation) if event.annotation else []

    def _text(self, opened: _Open, at: int) -> _Text:
        text = opened.texts.get(at)
        if text is None:
            text = opened.texts[at] = _Text(self._length)
        return text

    def _say(self, opened: _Open, at: int, said: str | None) -> Events:
        events: Events = []
        if not said:
            return events
        if not opened.spoken:
            events += self._open_message(opened.phase)
        text = self._text(opened, at)
        if not text.sent:
            text.start = self._length
        text.sent += len(said)
        self._length += len(said)
        events.append(TextDelta(said))
        return events

    def _open_message(self, phase: str | None) -> Events:
        if not self._length:
            return [MessageOpened(phase)] if phase else []
        self._length += len(GLUE)
        return [TextDelta(GLUE), MessageOpened(phase)]

    def _score(self, text: _Text, scores: Sequence[Scored] | None) -> Events:
        """What a part's whole list of scores says beyond those that came with its deltas."""
        new = (scores or ())[text.scored :]
        text.scored += len(new)
        return [_scored(new)] if new else []

    def _refuse(self, opened: _Open, at: int, said: str | None) -> Events:
        if not said:
            return []
        opened.refused.add(at)
        return [RefusalDelta(said)]

    def _cite(self, text: _Text, annotation: wire.Annotation) -> Events:
        text.cited += 1
        if not annotation.url:
            return []  # A file of the provider's store has no address.
        start, end = annotation.start_index, annotation.end_index
        at = text.start
        return [
            Cited(
                annotation.url,
                annotation.title or "",
                None if start is None else at + start,
                None if end is None else at + end,
            )
        ]

    def _close_message(self, opened: _Open, item: wire.Item) -> Events:
        events: Events = []
        opened.phase = opened.phase or item.phase
        spoken, refused = opened.spoken, bool(opened.refused)
        # Indexes of parts are not to be trusted to agree between events and items, their order is.
        streamed = list(opened.texts.values())
        texts = [p for p in item.parts if p.type != "refusal"]
        for at, part in enumerate(texts):
            if not spoken:
                events += self._say(opened, at, part.text)
            text = streamed[at] if at < len(streamed) else self._text(opened, at)
            events += self._score(text, part.logprobs)
            for annotation in (part.annotations or ())[text.cited :]:
                events += self._cite(text, annotation)
        for at, part in enumerate(item.parts):
            if not refused:
                events += self._refuse(opened, at, part.refusal)
        return events

    # --- reasoning ----------------------------------------------------------------------------------------------------

    def summary(self, event: wire.Event) -> Events:
        return self._think(self._of(event), ("summary", event.summary_index or 0), event.delta)

    def summary_done(self, event: wire.Event) -> Events:
        return self._think_once(self._of(event), ("summary", event.summary_index or 0), event.text)

    def raw(self, event: wire.Event) -> Events:
        return self._think(self._of(event), ("content", event.content_index or 0), event.delta)

    def raw_done(self, event: wire.Event) -> Events:
        return self._think_once(self._of(event), ("content", event.content_index or 0), event.text)

    def _think(self, opened: _Open, paragraph: tuple[str, int], text: str | None) -> Events:
        if not text:
            return []
        glue = GLUE if self._thought and opened.paragraph != paragraph else ""
        opened.paragraph = paragraph
        opened.thoughts.add(paragraph)
        self._thought = True
        return [ThinkingDelta(glue + text)]

    def _think_once(self, opened: _Open, paragraph: tuple[str, int], text: str | None) -> Events:
        return [] if paragraph in opened.thoughts else self._think(opened, paragraph, text)

    def _close_reasoning(self, opened: _Open, item: wire.Item) -> Events:
        summary = [p.text for p in item.summary or () if p.text]
        content = [p.text for p in item.parts if p.text]
        events: Events = []
        if not opened.thoughts:
            for kind, texts in (("summary", summary), ("content", content)):
                for at, text in enumerate(texts):
                    events += self._think(opened, (kind, at), text)
        sealed = reasoning.seal(item.id, item.encrypted_content, summary, content)
        if sealed is not None and opened.thoughts:
            events.append(ThinkingSigned(sealed, family=FAMILY))
        elif sealed is not None:
            events.append(ThinkingRedacted(sealed, family=FAMILY))
        return events

    # --- calls --------------------------------------------------------------------------------------------------------

    def arguments(self, event: wire.Event) -> Events:
        opened = self._of(event)
        if opened.call is None or not event.delta:
            # A call whose name is not known yet is told whole, at its end.
            return []
        opened.sent = True
        return [ToolDelta(opened.call, event.delta)]

    def arguments_done(self, event: wire.Event) -> Events:
        return self._finish_arguments(self._of(event), event.arguments or event.input or "")

    def _name(self, opened: _Open, item: wire.Item) -> Events:
        if opened.call is not None or not item.name:
            return []
        opened.call = self.calls
        self.calls += 1
        call_id = item.call_id or item.id or self._call_id(opened.call)
        return [ToolOpened(opened.call, call_id, item.name, custom=item.type == "custom_tool_call")]

    def _call_id(self, call: int) -> str:
        # Chance is not at hand here; the answer's own id makes ids that differ from turn to turn.
        return "call_" + hashlib.sha256(f"{self.answer_id}/{call}".encode("utf-8", "replace")).hexdigest()[:24]

    def _finish_arguments(self, opened: _Open, arguments: str) -> Events:
        if opened.call is None or opened.sent or not arguments:
            return []
        opened.sent = True
        return [ToolDelta(opened.call, arguments)]


def _scored(scores: Sequence[Scored]) -> TokensScored:
    return TokensScored(tuple(score.score for score in scores))
