"""Turns written as messages of Chat Completions.

Results stand in user turns here and in messages of their own there, which must follow their calls at once. So
whatever stands between two answers is sorted: first one result for each call of the answer before, in the order of
the calls, then the media of the results, which tool messages can't hold, then everything else in its order.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from llmgw_domain import Provider
from llmgw_domain.chat import (
    Audio,
    Block,
    CacheMark,
    File,
    Image,
    Inline,
    Opaque,
    RedactedThinking,
    Refusal,
    Remote,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
    Video,
)
from llmgw_domain.servers import GENERIC, Input, Server
from llmgw_protocols import data_url
from llmgw_protocols.chat import formats, models
from llmgw_protocols.chat.order import Message, arranged
from llmgw_protocols.losses import Losses
from llmgw_protocols.media import NOT_FETCHED
from llmgw_protocols.placeholders import NO_RESULT, orphan

_LONGEST_ID = 40
_AUDIO = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mp3": "mp3",
    "audio/mpeg": "mp3",
}
_NINE = re.compile(r"[A-Za-z0-9]{9}")
_INPUTS: dict[type, Input] = {Image: "image", Audio: "audio", File: "file", Video: "video"}


class History:
    """Writes the messages for one target."""

    def __init__(self, provider: Provider, model: str, losses: Losses, server: Server = GENERIC) -> None:
        self._native = provider is Provider.OPENAI
        self._model = model
        self._server = server
        self._breakpoints = models.takes_breakpoints(provider, model)
        self._echoes = models.wants_reasoning_back(provider, model)
        self._losses = losses

    def write(self, turns: Sequence[Turn]) -> list[Message]:
        """The messages of turns. Raises `UnsupportedField` for a block that this target can't take."""
        turns = _joined_answers(turns)
        out: list[Message] = []
        at = 0
        calls: list[ToolCall] = []
        while at < len(turns):
            if turns[at].role == "assistant":
                calls = [b for b in turns[at].content if isinstance(b, ToolCall)]
                out += self._answer(turns[at])
                at += 1
            end = next((i for i in range(at, len(turns)) if turns[i].role == "assistant"), len(turns))
            out += self._between(calls, turns[at:end])
            calls, at = [], end
        return out if self._native else arranged(out, self._server, self._losses)

    def _between(self, calls: list[ToolCall], turns: Sequence[Turn]) -> list[Message]:
        """What stands between two answers: results of `calls` first."""
        results: dict[str, list[ToolResult]] = {}
        for turn in turns:
            for block in turn.content:
                if isinstance(block, ToolResult):
                    results.setdefault(block.call_id, []).append(block)
        out: list[Message] = []
        media: list[Any] = []
        answered: set[int] = set()
        for call in calls:
            waiting = results.get(call.id)
            result = waiting.pop(0) if waiting else None
            out.append(self._result(call.id, result))
            if result is not None:
                answered.add(id(result))
                media += self._media(result)
        if media:
            out.append({"role": "user", "content": media})
        for turn in turns:
            out += self._turn(turn, answered)
        return out

    def _turn(self, turn: Turn, answered: set[int]) -> list[Message]:
        if turn.role in ("system", "developer"):
            return self._instructions(turn)
        left = [b for b in turn.content if id(b) not in answered]
        kept = [b for block in left for b in self._orphan(block) if not isinstance(b, Text) or b.text]
        if not kept and len(left) < len(turn.content):
            return []
        return [self._named(turn, "user", self._content(kept))]

    def _instructions(self, turn: Turn) -> list[Message]:
        """System and developer messages hold texts only; other blocks of theirs are reported as lost."""
        texts = [b for b in turn.content if isinstance(b, Text | Refusal)]
        if len(texts) < len(turn.content):
            self._losses.add("messages")
            if not texts:
                return []
        return [self._named(turn, self._role(turn.role), self._content([b for b in texts if b.text]))]

    def _orphan(self, block: Block) -> list[Block]:
        """A result without its call becomes text: OpenAI refuses the tool message, and the model should see it."""
        if not isinstance(block, ToolResult):
            return [block]
        media = [b for b in block.content if not isinstance(b, Text)]
        return [Text(orphan(block.call_id, result_text(block))), *media]

    def _role(self, role: str) -> str:
        known = self._native or self._server.developer_role or role != "developer"
        return role if known else "system"

    def _named(self, turn: Turn, role: str, content: Any) -> Message:
        message: Message = {"role": role, "content": content}
        self._name(turn, message)
        return message

    def _name(self, turn: Turn, message: Message) -> None:
        if turn.name and self._server.message_names:
            message["name"] = turn.name
        elif turn.name:
            self._losses.add("messages.name")

    def _id(self, call_id: str) -> str:
        return nine_alnum(call_id) if self._server.call_ids == "alnum9" else wire_id(call_id)

    def _result(self, call_id: str, result: ToolResult | None) -> Message:
        text = NO_RESULT if result is None else result_text(result)
        return {"role": "tool", "tool_call_id": self._id(call_id), "content": text}

    def _media(self, result: ToolResult) -> list[Any]:
        parts: list[Any] = []
        for block in result.content:
            if isinstance(block, Image | File):
                label = "[tool image]" if isinstance(block, Image) else "[tool file]"
                parts += [{"type": "text", "text": label}, self._part(block)]
        return parts

    def _content(self, blocks: Sequence[Block]) -> Any:
        """One plain text as such, since every server takes that; anything else as parts."""
        if not blocks:
            return ""
        if len(blocks) == 1 and isinstance(blocks[0], Text) and not self._mark(blocks[0].cache):
            return blocks[0].text
        parts = [self._part(b) for b in blocks]
        if not self._server.text_parts and all(p.get("type") == "text" for p in parts):
            return "\n\n".join(p["text"] for p in parts)
        return parts

    def _part(self, block: Block) -> Any:
        needed = _INPUTS.get(type(block))
        if needed and needed not in self._server.inputs and not _is_text(block):
            raise self._losses.unsupported("messages", f"This model's provider takes no {needed}.")
        match block:
            case Text(text=text, cache=cache):
                return {"type": "text", "text": text, **self._mark(cache)}
            case Refusal(text=text):
                return {"type": "text", "text": text}
            case Image(cache=cache):
                return {"type": "image_url", "image_url": self._image(block), **self._mark(cache)}
            case File(cache=cache):
                return {**self._file(block), **self._mark(cache)}
            case Audio(source=Inline(media_type=kind, data=data)) if kind in _AUDIO:
                return {"type": "input_audio", "input_audio": {"data": data, "format": _AUDIO[kind]}}
            case Audio():
                raise self._losses.unsupported("messages", "This model's provider takes inline wav and mp3 audio only.")
            case Video(source=(Inline() | Remote()) as source) if not self._native:
                return {"type": "video_url", "video_url": {"url": _url(source)}}
            case Opaque(family="openai", json=json):
                return json
            case Opaque(family=family, kind=kind):
                raise self._losses.unsupported("messages", f"Blocks of type {kind!r} are understood by {family} alone.")
            case Thinking() | RedactedThinking():
                return {"type": "text", "text": getattr(block, "text", "")}
        raise self._losses.unsupported("messages", f"This model's provider takes no {type(block).__name__.lower()}.")

    def _image(self, image: Image) -> dict[str, Any]:
        if not isinstance(image.source, Inline | Remote):
            raise self._losses.unsupported(
                "messages", "A stored file is known to its own provider alone; send the image."
            )
        detail = {"detail": image.detail} if image.detail else {}
        return {"url": _url(image.source), **detail}

    def _file(self, file: File) -> dict[str, Any]:
        match file.source:
            case Inline(media_type=kind) as source if kind.startswith("text/"):
                return {"type": "text", "text": text_of_file(source, file.filename)}
            case (Inline() | Remote()) as source if self._server.file_part == "document_url":
                return {"type": "document_url", "document_url": _url(source)}
            case Inline() as source:
                named = {"filename": name_of_file(source, file.filename), "file_data": _url(source)}
                return {"type": "file", "file": named}
            case Remote(url=url) if not self._native:
                return {"type": "file", "file": {"filename": file.filename or "document", "file_data": url}}
            case Remote():
                raise self._losses.unsupported("messages", NOT_FETCHED)
        raise self._losses.unsupported("messages", "A stored file is known to its own provider alone; send the data.")

    def _mark(self, cache: CacheMark | None) -> dict[str, Any]:
        if cache is None or not self._breakpoints:
            return {}
        return breakpoint_after(cache)

    def _answer(self, turn: Turn) -> list[Message]:
        message: Message = {"role": "assistant"}
        text = "".join(b.text for b in turn.content if isinstance(b, Text))
        refusal = "".join(b.text for b in turn.content if isinstance(b, Refusal))
        calls = [_call(b, self._id(b.id)) for b in turn.content if isinstance(b, ToolCall)]
        if refusal and self._native:
            message["refusal"] = refusal
        elif refusal:
            text += refusal
        message["content"] = text or None
        self._name(turn, message)
        if calls:
            message["tool_calls"] = calls
        message |= self._reasoned(turn, bool(calls))
        out = [message] if text or calls or refusal else []
        return out + self._made_media(turn, bool(calls))

    def _reasoned(self, turn: Turn, called: bool) -> Message:
        """The reasoning that goes back: what is signed to who knows signatures, what is plain only with calls."""
        form = self._server.reasoning_back
        if form == "none":
            return {}
        if form == "reasoning_details" and (details := self._details(turn)):
            return {"reasoning_details": details}
        if not called or (form in ("by_model", "reasoning_details") and not self._echoes):
            return {}
        text = "".join(b.text for b in turn.content if isinstance(b, Thinking))
        if form == "reasoning" or form == "reasoning_details":
            return {"reasoning": text} if text else {}
        return {"reasoning_content": text}

    def _details(self, turn: Turn) -> list[Message]:
        """Signed reasoning of the model's own maker; anybody else's would be refused."""
        maker = formats.format_of("", self._model)
        details: list[Message] = []
        for block in turn.content:
            match block:
                case Thinking(text=text, signature=str(signature), origin=origin) if signature:
                    said: Message = {"type": "reasoning.text", "text": text, "signature": signature}
                case RedactedThinking(data=data, origin=origin):
                    said = {"type": "reasoning.encrypted", "data": data}
                case _:
                    continue
            if formats.format_of(origin.family if origin else "", self._model) == maker:
                details.append({**said, "format": maker, "index": len(details)})
        return details

    def _made_media(self, turn: Turn, called: bool) -> list[Message]:
        """Media that a model made can't stand in its own message; the model sees it in the user's."""
        parts: list[Any] = []
        for block in turn.content:
            if isinstance(block, Opaque):
                self._part(block)
            elif isinstance(block, Image | File | Audio | Video):
                parts += [{"type": "text", "text": "[assistant media]"}, self._part(block)]
        if parts and called:
            # Nothing may stand between calls and their results.
            self._losses.add("messages")
            return []
        return [{"role": "user", "content": parts}] if parts else []


def wire_id(call_id: str, longest: int = _LONGEST_ID) -> str:
    """A call's id as OpenAI takes it: one over the longest length is hashed, the same way for its result."""
    if len(call_id) <= longest:
        return call_id
    return "call_" + hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def nine_alnum(call_id: str) -> str:
    """A call's id as Mistral takes it; any other is hashed, the same way for its result."""
    if _NINE.fullmatch(call_id):
        return call_id
    return hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[:9]


def text_of_file(source: Inline, filename: str | None) -> str:
    """A text document as prompt text: OpenAI reads PDFs, and a text is best sent as what it is."""
    text = base64.b64decode(source.data).decode("utf-8", "replace")
    return f"[{filename}]\n{text}" if filename else text


def name_of_file(source: Inline, filename: str | None) -> str:
    """The name of a document, which OpenAI wants and clients of other dialects need not give."""
    return filename or f"document.{source.media_type.rpartition('/')[2]}"


def breakpoint_after(cache: CacheMark) -> dict[str, Any]:
    """The member of a part that marks the end of what should be cached."""
    ttl = {"1h": "12h", "5m": "30m"}.get(cache.ttl or "")
    return {"prompt_cache_breakpoint": {"mode": "explicit", **({"ttl": ttl} if ttl else {})}}


def _is_text(block: Block) -> bool:
    """Whether a file is one of text, which goes as what it is."""
    source = block.source if isinstance(block, File) else None
    return isinstance(source, Inline) and source.media_type.startswith("text/")


def _call(call: ToolCall, id_: str) -> dict[str, Any]:
    if call.custom:
        return {"id": id_, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    return {"id": id_, "type": "function", "function": function}


def result_text(result: ToolResult) -> str:
    """The text of a result; a failure is told in it, because OpenAI's results have no flag for that."""
    text = "\n".join(b.text for b in result.content if isinstance(b, Text))
    if result.error and not _is_json_error(text):
        return f"Error: {text}"
    return text


def _is_json_error(text: str) -> bool:
    try:
        return "error" in msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return False


def _url(source: Inline | Remote) -> str:
    return data_url.to_url(source) if isinstance(source, Inline) else source.url


def _joined_answers(turns: Sequence[Turn]) -> list[Turn]:
    """An answer with calls takes in the answers right behind it, because nothing may part calls from their results."""
    runs: list[list[Turn]] = []
    for turn in turns:
        last = runs[-1] if runs else None
        if last and turn.role == last[0].role == "assistant" and (len(last) > 1 or _has_calls(last[0])):
            last.append(turn)
        else:
            runs.append([turn])
    return [run[0] if len(run) == 1 else _joined(run) for run in runs]


def _joined(answers: Sequence[Turn]) -> Turn:
    blocks: list[Block] = []
    spoken = False
    for answer in answers:
        speaks = any(isinstance(b, Text) and b.text for b in answer.content)
        if speaks and spoken:
            # Texts of one answer are joined as they are, but these are texts of two.
            blocks.append(Text("\n\n"))
        blocks += answer.content
        spoken = spoken or speaks
    return msgspec.structs.replace(answers[0], content=tuple(blocks))


def _has_calls(turn: Turn) -> bool:
    return any(isinstance(b, ToolCall) for b in turn.content)
