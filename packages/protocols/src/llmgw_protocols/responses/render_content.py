"""Blocks as the content parts of a Responses request: input parts of users and results, output parts of the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llmgw_domain.chat import (
    Block,
    CacheMark,
    File,
    Image,
    Inline,
    Opaque,
    RedactedThinking,
    Refusal,
    Remote,
    Stored,
    Text,
    Thinking,
    ToolResult,
)
from llmgw_protocols import data_url
from llmgw_protocols.chat import history, models
from llmgw_protocols.dialect import TargetFacts
from llmgw_protocols.losses import Losses

Part = dict[str, Any]


class ContentWriter:
    """Writes the parts for one target. `family` is the client's: only OpenAI's own clients know files of its store."""

    def __init__(self, facts: TargetFacts, family: str, losses: Losses) -> None:
        self._breakpoints = models.takes_breakpoints(facts.provider, facts.model)
        self._own_files = family == "openai"
        self._losses = losses

    def part(self, block: Block) -> Part:
        """One input part. Raises `UnsupportedField` for a block that has none."""
        match block:
            case Text(text=text, cache=cache):
                return {"type": "input_text", "text": text, **self._mark(cache)}
            case Refusal(text=text) | Thinking(text=text):
                return {"type": "input_text", "text": text}
            case Image(source=source, detail=detail, cache=cache):
                return {"type": "input_image", **self._image(source), "detail": detail or "auto", **self._mark(cache)}
            case File(cache=cache):
                return {**self._file(block), **self._mark(cache)}
            case Opaque(family=family, kind=kind):
                raise self._losses.unsupported("messages", f"Blocks of type {kind!r} are understood by {family} alone.")
            case RedactedThinking():
                return {"type": "input_text", "text": ""}
        kind = type(block).__name__.lower()
        raise self._losses.unsupported("messages", f"This model's provider takes no {kind} in such a message.")

    def parts(self, blocks: Sequence[Block]) -> list[Part]:
        """The input parts of blocks, without texts that say nothing."""
        written = [self.part(block) for block in blocks]
        return [part for part in written if part["type"] != "input_text" or part["text"]]

    def output(self, result: ToolResult) -> str | list[Part]:
        """What a call gave: a text where that says it all, else parts."""
        text = history.result_text(result)
        mark = self._mark(result.cache)
        if not mark and all(isinstance(block, Text) for block in result.content):
            return text
        told = [Text("Error:")] if result.error and text.startswith("Error: ") else []
        parts = self.parts([*told, *result.content]) or [{"type": "input_text", "text": text}]
        parts[-1] |= mark
        return parts

    def _mark(self, cache: CacheMark | None) -> Part:
        return history.breakpoint_after(cache) if cache is not None and self._breakpoints else {}

    def _image(self, source: Inline | Remote | Stored) -> Part:
        match source:
            case Inline():
                return {"image_url": data_url.to_url(source)}
            case Remote(url=url):
                return {"image_url": url}
            case Stored(file_id=file_id):
                return {"file_id": self._stored(file_id)}

    def _file(self, file: File) -> Part:
        match file.source:
            case Inline(media_type=kind) as source if kind.startswith("text/"):
                return {"type": "input_text", "text": history.text_of_file(source, file.filename)}
            case Inline() as source:
                name = history.name_of_file(source, file.filename)
                return {"type": "input_file", "filename": name, "file_data": data_url.to_url(source)}
            case Remote(url=url):
                return {"type": "input_file", "file_url": url}
            case Stored(file_id=file_id):
                return {"type": "input_file", "file_id": self._stored(file_id)}

    def _stored(self, file_id: str) -> str:
        if self._own_files:
            return file_id
        why = "A stored file is known to its own provider alone; send its content."
        raise self._losses.unsupported("messages", why)


def answered(block: Text | Refusal) -> Part:
    """What a model said, as a part of its message."""
    if isinstance(block, Refusal):
        return {"type": "refusal", "refusal": block.text}
    return {"type": "output_text", "text": block.text}
