"""Turns as Gemini's contents.

The rules that shape them: contents take turns and begin with the user; all results of a batch of calls stand
together, in the order of the calls, in a content that holds nothing else; a result names its function; a signature
goes back on exactly the part that it came on, and the first call of a model's turn must have one.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import msgspec

from llmgw_domain.chat import (
    Audio,
    Block,
    ChatRequest,
    File,
    Image,
    Inline,
    Opaque,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
    Video,
)
from llmgw_domain.errors import InvalidField
from llmgw_protocols.gemini.arguments import object_of, response_of
from llmgw_protocols.gemini.media import part_of, text_of_document
from llmgw_protocols.gemini.models import Traits
from llmgw_protocols.losses import Losses
from llmgw_protocols.placeholders import NO_RESULT, orphan, result_media, system_note

Part = dict[str, Any]

UNSIGNED = base64.b64encode(b"skip_thought_signature_validator").decode()
"""Google's documented stand-in for the signature of a call that another model made."""


def contents_of(request: ChatRequest, traits: Traits, losses: Losses) -> tuple[list[str], list[Part]]:
    """The system's texts and the contents. Raises `UnsupportedField` for what no Gemini model can be shown, and
    `InvalidField` for what stands in the wrong turn or can't be read.
    """
    turns = request.turns
    head = 0
    while head < len(turns) and turns[head].role in ("system", "developer"):
        head += 1
    system = [text for turn in turns[:head] for text in _texts(turn.content)]
    # Anthropic's text documents are prompt text with a title; other clients' text files were sent as files.
    writer = _Contents(traits, losses, documents_as_text=request.family == "anthropic")
    for turn in turns[head:]:
        writer.add(turn)
    contents = writer.finish()
    if not contents:
        # A request needs a turn of the user; the last of the system's texts is the likeliest to be one.
        contents = [{"role": "user", "parts": [{"text": system.pop() if system else "."}]}]
    return system, contents


class _Contents:
    """Writes contents in order; holds the calls of the last model's turn until their results are there."""

    def __init__(self, traits: Traits, losses: Losses, *, documents_as_text: bool) -> None:
        self._traits = traits
        self._documents_as_text = documents_as_text
        self._losses = losses
        self._contents: list[Part] = []
        self._answers: set[int] = set()
        """Which contents hold results: nothing else may be merged into them."""
        self._waiting: list[tuple[ToolCall, str]] = []
        self._results: dict[str, list[ToolResult]] = {}
        """By id, in order: clients give the same id to several calls of one turn."""
        self._after: list[Part] = []
        self._ids: dict[str, int] = {}

    def add(self, turn: Turn) -> None:
        if turn.name:
            self._losses.add("messages.name")
        if turn.role == "assistant":
            # Neighbouring turns of the model are one batch: the results of all its calls stand behind the last.
            if self._results or self._after:
                self._settle()
            self._put("model", self._model_parts(turn.content))
            return
        if turn.role == "user":
            for block in turn.content:
                self._add_user_block(block)
        else:
            self._after += [{"text": system_note(text)} for text in _texts(turn.content)]

    def finish(self) -> list[Part]:
        self._settle()
        if self._contents and self._contents[0]["role"] == "model":
            self._contents.insert(0, {"role": "user", "parts": [{"text": "."}]})
        if self._contents and self._contents[-1]["role"] == "model":
            # Current models refuse to continue a text of their own.
            self._contents.append({"role": "user", "parts": [{"text": "Continue."}]})
            self._losses.add("messages")
        return self._contents

    # --- the user -----------------------------------------------------------------------------------------------------

    def _add_user_block(self, block: Block) -> None:
        if isinstance(block, ToolCall):
            raise InvalidField("A tool call belongs into a turn of the assistant.", param=self._losses.name("messages"))
        if not isinstance(block, ToolResult):
            self._after += self._parts(block)
        elif self._is_awaited(block.call_id):
            self._results.setdefault(block.call_id, []).append(block)
        else:
            text, media = self._told(block)
            self._after += [{"text": orphan(block.call_id, text)}, *media]

    def _is_awaited(self, call_id: str) -> bool:
        calls = sum(call.id == call_id for call, _ in self._waiting)
        return calls > len(self._results.get(call_id, ()))

    def _settle(self) -> None:
        """Writes what stands between two turns of the model: results first, in the order of their calls."""
        responses: list[Part] = []
        media: list[Part] = []
        for call, sent_id in self._waiting:
            given = self._results.get(call.id)
            result = given.pop(0) if given else ToolResult(call.id, (Text(NO_RESULT),), error=True)
            responses.append(self._response(call.name, sent_id, result, media))
        self._put("user", responses, answers=True)
        self._put("user", [*media, *self._after])
        self._waiting, self._results, self._after = [], {}, []

    def _response(self, name: str, sent_id: str, result: ToolResult, beside: list[Part]) -> Part:
        text, media = self._told(result)
        response: Part = {"id": sent_id, "name": name, "response": response_of(text, error=result.error)}
        # A response holds inline media only, and that of older models none: the rest has a content of its own.
        within = [part for part in media if self._traits.current and "inlineData" in part]
        apart = [part for part in media if part not in within]
        if within:
            response["parts"] = within
        if apart:
            beside += [{"text": result_media(name)}, *apart]
        return {"functionResponse": response}

    def _told(self, result: ToolResult) -> tuple[str, list[Part]]:
        """A result's text, with that of its text documents, and its media."""
        texts, media = ["".join(_texts(result.content))], []
        for block in result.content:
            if isinstance(block, Text):
                continue
            document = self._document(block)
            if document is not None:
                texts.append(document)
            else:
                # Inline media may end up inside of a response, where a detail has no place.
                by_part = self._traits.current and not isinstance(block.source, Inline)
                media.append(part_of(block, self._losses.name("messages"), by_part=by_part))
        return "\n\n".join(text for text in texts if text), media

    # --- the model ----------------------------------------------------------------------------------------------------

    def _model_parts(self, blocks: Iterable[Block]) -> list[Part]:
        parts: list[Part] = []
        for block in blocks:
            if isinstance(block, ToolCall):
                parts.append(self._call(block, first=not self._waiting))
            else:
                parts += self._parts(block)
        return parts

    def _call(self, call: ToolCall, *, first: bool) -> Part:
        sent_id = self._unique(call.id)
        self._waiting.append((call, sent_id))
        part: Part = {"functionCall": {"id": sent_id, "name": call.name, "args": object_of(call.arguments)}}
        signature = call.signature or (UNSIGNED if first and self._traits.current else None)
        return part if signature is None else {**part, "thoughtSignature": signature}

    def _unique(self, call_id: str) -> str:
        """Clients number their calls anew each turn; Google gets every id once."""
        times = self._ids[call_id] = self._ids.get(call_id, 0) + 1
        return call_id if times == 1 else f"{call_id}_{times}"

    # --- both ---------------------------------------------------------------------------------------------------------

    def _parts(self, block: Block) -> list[Part]:
        match block:
            case Text(text=text) | Refusal(text=text):
                return [{"text": text}] if text else []
            case File() if (document := self._document(block)) is not None:
                return [{"text": document}] if document else []
            case Image() | Audio() | Video() | File():
                return [part_of(block, self._losses.name("messages"), by_part=self._traits.current)]
            case Thinking():
                return _thought(block)
            case Opaque(family="google", json=json):
                return [msgspec.json.decode(json, type=dict[str, msgspec.Raw])]
            case Opaque(kind=kind):
                raise self._losses.unsupported(
                    "messages", f"A block of type {kind!r} can't be shown to this model's provider."
                )
        # Reasoning that only another provider can read has no meaning here.
        return []

    def _document(self, block: Image | File) -> str | None:
        return text_of_document(block) if self._documents_as_text and isinstance(block, File) else None

    def _put(self, role: str, parts: list[Part], *, answers: bool = False) -> None:
        if not parts:
            return
        last = len(self._contents) - 1
        if last >= 0 and self._contents[last]["role"] == role and not answers and last not in self._answers:
            self._contents[last]["parts"] += parts
            return
        self._contents.append({"role": role, "parts": parts})
        if answers:
            self._answers.add(last + 1)


def _thought(block: Thinking) -> list[Part]:
    """A thought of Google's own, if it is signed: unsigned ones need not, and others' can't be sent back."""
    if not block.signature or block.origin is None or block.origin.family != "google":
        return []
    thought = {"thought": True} if block.text else {}
    return [{"text": block.text, **thought, "thoughtSignature": block.signature}]


def _texts(blocks: Iterable[Block]) -> list[str]:
    return [block.text for block in blocks if isinstance(block, Text | Refusal) and block.text]
