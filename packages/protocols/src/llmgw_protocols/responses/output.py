"""The items of an answer while they grow: what was said of each, and its JSON at any moment."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any, Literal

from msgspec import Raw

from llmgw_domain.stream import Cited, TokenScore
from llmgw_protocols.chat import message
from llmgw_protocols.responses import reasoning, sealed

FAMILY = "openai"

Status = Literal["in_progress", "completed", "incomplete"]
PartKind = Literal["output_text", "refusal"]


class Item:
    """An output item; `index` is its place in the output."""

    __slots__ = ("id", "index", "status")

    def __init__(self, index: int, id: str) -> None:
        self.index = index
        self.id = id
        self.status: Status = "in_progress"

    @property
    def is_open(self) -> bool:
        return self.status == "in_progress"

    @property
    def place(self) -> dict[str, Any]:
        """What events say of where they belong."""
        return {"item_id": self.id, "output_index": self.index}

    def write(self) -> Any:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.index} {self.status}>"


class Part:
    """A content part of a message: text with its citations, or a refusal."""

    __slots__ = ("annotations", "index", "item", "kind", "pieces", "scores", "start")

    def __init__(self, item: Item, kind: PartKind, index: int, start: int) -> None:
        self.item = item
        self.kind = kind
        self.index = index
        self.start = start
        """Where the part begins in the text of the whole answer, in characters."""
        self.pieces: list[str] = []
        self.annotations: list[dict[str, Any]] = []
        self.scores: list[dict[str, Any]] = []

    @property
    def place(self) -> dict[str, Any]:
        """What events say of where they belong."""
        return {**self.item.place, "content_index": self.index}

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def cite(self, cited: Cited) -> dict[str, Any]:
        """Adds a citation, whose bounds count from the part's start here; unknown ones are those of an empty span."""
        first, last = (0 if at is None else max(0, at - self.start) for at in (cited.start, cited.end))
        annotation = {
            "type": "url_citation",
            "url": cited.url,
            "title": cited.title,
            "start_index": first,
            "end_index": last,
        }
        self.annotations.append(annotation)
        return annotation

    def score(self, tokens: Iterable[TokenScore]) -> list[dict[str, Any]]:
        """Adds scores of the part's next tokens."""
        scores = message.scores(tokens)
        self.scores += scores
        return scores

    def write(self, *, empty: bool = False) -> dict[str, Any]:
        text = "" if empty else self.text
        if self.kind == "refusal":
            return {"type": "refusal", "refusal": text}
        annotations, scores = ([], []) if empty else (self.annotations, self.scores)
        return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": scores}


class Texts:
    """The text parts of an answer. What is told of its text counts from the beginning of the whole, across parts."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.length = 0
        """Characters of text so far."""
        self._scored = 0
        """Characters of text that have scores."""
        self._early: list[TokenScore] = []
        """Scores that came before any text."""

    def about(self, start: int | None) -> Part | None:
        """The part that a place in the text is in, the last one where it is not known; None before any text."""
        return next((part for part in reversed(self.parts) if start is None or part.start <= start), None)

    def score(self, tokens: Iterable[TokenScore]) -> list[tuple[Part, list[dict[str, Any]]]]:
        """Adds scores of the text's next tokens, each to the part that its token is in, and gives what was added."""
        waiting, self._early = [*self._early, *tokens], []
        if not self.parts:
            self._early = waiting
            return []
        return [(part, part.score(run)) for part, run in groupby(waiting, self._part_of)]

    def _part_of(self, score: TokenScore) -> Part:
        at, self._scored = self._scored, self._scored + len(score.token)
        return self.about(at) or self.parts[0]


class Message(Item):
    __slots__ = ("parts",)

    def __init__(self, index: int, id: str) -> None:
        super().__init__(index, id)
        self.parts: list[Part] = []

    def begin(self, kind: PartKind, start: int) -> Part:
        """A new part; `start` is where it begins in the text of the whole answer."""
        self.parts.append(Part(self, kind, len(self.parts), start))
        return self.parts[-1]

    def write(self) -> dict[str, Any]:
        content = [part.write() for part in self.parts]
        return {"type": "message", "id": self.id, "status": self.status, "role": "assistant", "content": content}


class Reasoning(Item):
    """Reasoning: its readable text as one summary part, and its opaque form."""

    __slots__ = ("encrypted", "pieces")

    def __init__(self, index: int, id: str) -> None:
        super().__init__(index, id)
        self.pieces: list[str] = []
        self.encrypted: str | None = None

    @property
    def place(self) -> dict[str, Any]:
        return {**super().place, "summary_index": 0}

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def sign(self, kind: sealed.Kind, value: str, family: str, of: str = "") -> None:
        """Takes the opaque form: OpenAI's own as it is, another family's sealed. `of` is the call of a call's."""
        if family == FAMILY:
            # The decoder of a forwarded stream has wrapped it, to keep what else the item holds.
            self.encrypted = reasoning.item_of(self.text, value).get("encrypted_content")
            return
        of = sealed.digest(self.text) if kind == "signature" else of
        self.encrypted = sealed.write(sealed.Seal(family, kind, value, of))

    def write(self) -> dict[str, Any]:
        summary = [{"type": "summary_text", "text": self.text}] if self.pieces else []
        item = {"type": "reasoning", "id": self.id, "summary": summary, "status": self.status}
        return item if self.encrypted is None else {**item, "encrypted_content": self.encrypted}


class Call(Item):
    """A call of a client's tool."""

    __slots__ = ("call_id", "custom", "name", "namespace", "pieces")

    def __init__(self, index: int, id: str, call_id: str, place: tuple[str | None, str], *, custom: bool) -> None:
        super().__init__(index, id)
        self.call_id = call_id
        self.namespace, self.name = place
        self.custom = custom
        self.pieces: list[str] = []

    def event(self, what: Literal["delta", "done"]) -> str:
        """The name of the event of its arguments or input."""
        return f"response.{'custom_tool_call_input' if self.custom else 'function_call_arguments'}.{what}"

    @property
    def text(self) -> str:
        """The arguments, or a custom tool's input."""
        return "".join(self.pieces)

    def write(self) -> dict[str, Any]:
        kind, member = ("custom_tool_call", "input") if self.custom else ("function_call", "arguments")
        item = {"type": kind, "id": self.id, "call_id": self.call_id, "name": self.name, member: self.text}
        if self.namespace:
            item["namespace"] = self.namespace
        # Custom calls have no status in OpenAI's own form.
        return item if self.custom else item | {"status": self.status}


class Picture(Item):
    """An image that the model made, in base64."""

    __slots__ = ("data",)

    def __init__(self, index: int, id: str, data: str) -> None:
        super().__init__(index, id)
        self.data = data

    def write(self) -> dict[str, Any]:
        result = None if self.is_open else self.data
        return {"type": "image_generation_call", "id": self.id, "status": self.status, "result": result}


class Whole(Item):
    """An item of OpenAI's own, as it came."""

    __slots__ = ("json",)

    def __init__(self, index: int, json: Raw) -> None:
        super().__init__(index, "")
        self.json = json

    def write(self) -> Raw:
        return self.json
