"""A Gemini client's request in the canonical form, for a provider of another dialect.

Google tells calls and results apart by position and name where they carry no ids; other dialects need ids, so each
call without one gets `call_TURN_INDEX`, and a result finds its call by id, else by name in order, among the calls of
the model's turns right before it.
"""

from __future__ import annotations

import msgspec

from llmgw_domain.chat import (
    Audio,
    Block,
    ChatRequest,
    File,
    Image,
    Opaque,
    Origin,
    Remote,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
    Video,
)
from llmgw_domain.errors import InvalidField, UnsupportedField
from llmgw_protocols import data_url
from llmgw_protocols.dialect import Envelope
from llmgw_protocols.gemini import media
from llmgw_protocols.gemini.arguments import result_of, text_of
from llmgw_protocols.gemini.fields import Fields
from llmgw_protocols.gemini.parse_config import settings_of, tools_of

GOOGLE = Origin("google")

_ROLES: dict[str, Role] = {"user": "user", "model": "assistant", "function": "user"}
_PART_MARKS = frozenset({"text", "thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata"})
_TOP = frozenset(
    # Safety settings, labels and the logging switch are between the client and Google: no answer changes without them.
    [
        "model",
        "contents",
        "systemInstruction",
        "tools",
        "toolConfig",
        "generationConfig",
        "cachedContent",
        "serviceTier",
        "safetySettings",
        "labels",
        "store",
    ]
)
_TIERS = {"STANDARD": "default", "FLEX": "flex", "PRIORITY": "priority"}


def parse_request(envelope: Envelope) -> ChatRequest:
    """The canonical request. Raises `InvalidField`, and `UnsupportedField` for what lives at Google only."""
    top = Fields(envelope.fields)
    if "cachedContent" in top:
        raise UnsupportedField.named("cachedContent", "A cache of Google's can be used by Google's models only.")
    settings, lost = settings_of(top)
    reader = _Contents()
    turns = [turn for content in top.objects("contents") for turn in reader.turns(content)]
    tier = top.word("serviceTier")
    return msgspec.structs.replace(
        settings,
        model=envelope.model,
        stream=envelope.stream,
        turns=(*_system(top), *turns),
        tools=tools_of(top),
        service_tier=_TIERS.get(str(tier)),
        extras={**lost, **top.rest(_TOP)},
    )


def _system(top: Fields) -> tuple[Turn, ...]:
    raw = top.raw("systemInstruction")
    if raw is None:
        return ()
    if bytes(raw)[:1] == b'"':
        texts = [top.text("systemInstruction") or ""]
    else:
        content = Fields.of(raw, "systemInstruction")
        texts = [content.text("text") or "", *(part.text("text") or "" for part in content.objects("parts"))]
    blocks = tuple(Text(text) for text in texts if text)
    return (Turn("system", blocks),) if blocks else ()


class _Contents:
    """Reads contents in order and remembers which calls wait for a result."""

    def __init__(self) -> None:
        self._turn = -1
        self._waiting: list[ToolCall] = []
        self._after_model = False
        self._beside: list[Block] = []
        """Media of results that a canonical result can't hold."""

    def turns(self, content: Fields) -> list[Turn]:
        """The turn of one content; none if nothing is in it."""
        self._turn += 1
        role = content.text("role") or "user"
        if role not in _ROLES:
            raise InvalidField("Please use a valid role: user, model.", param=content.path("role"))
        parts = content.objects("parts")
        if not parts:
            return []
        self._enter(from_model=role == "model")
        blocks: list[Block] = []
        for number, part in enumerate(parts):
            blocks += self._blocks(part, number, from_model=role == "model")
        blocks += self._beside
        return [Turn(_ROLES[role], tuple(blocks))] if blocks else []

    def _enter(self, *, from_model: bool) -> None:
        # What stayed unanswered before the model spoke again gets no answer any more: a result without an id that
        # came later would be taken for that of an old call with the same name.
        if from_model and not self._after_model:
            self._waiting = []
        self._after_model = from_model
        self._beside = []

    def _blocks(self, part: Fields, number: int, *, from_model: bool) -> list[Block]:
        call, response = part.object("functionCall"), part.object("functionResponse")
        if call is not None:
            if not from_model:
                raise InvalidField("A functionCall belongs into a turn of the model.", param=part.path("functionCall"))
            return [self._call(call, part, number)]
        if response is not None:
            if from_model:
                raise InvalidField(
                    "A functionResponse belongs into a turn of the user.", param=part.path("functionResponse")
                )
            return [self._result(response, number)]
        blocks = _content_blocks(part)
        signature = part.text("thoughtSignature")
        if signature and not any(isinstance(block, Thinking | Opaque) for block in blocks):
            # The signature of a text stands behind it, where a decoder of Google's answers puts it too.
            blocks.append(Thinking("", signature, GOOGLE))
        return blocks

    def _call(self, call: Fields, part: Fields, number: int) -> ToolCall:
        name = call.text("name")
        if not name:
            raise InvalidField(f"{call.path('name')} is missing.", param=call.path("name"))
        args = call.raw("args")
        if args is not None:
            call.object("args")
        made = ToolCall(
            id=call.text("id") or f"call_{self._turn}_{number}",
            name=name,
            arguments="{}" if args is None else text_of(args),
            signature=part.text("thoughtSignature"),
        )
        self._waiting.append(made)
        return made

    def _result(self, response: Fields, number: int) -> ToolResult:
        given, name = response.text("id"), response.text("name")
        call = self._match(given, name)
        name = name or (call.name if call is not None else None)
        raw = response.raw("response")
        if raw is not None:
            response.object("response")
        text, error = result_of(raw)
        shown = [block for part in response.objects("parts") for block in _content_blocks(part)]
        if apart := [block for block in shown if isinstance(block, Audio | Video)]:
            self._beside += [Text(f"[media of the result of {name or 'a tool'}]"), *apart]
        return ToolResult(
            call_id=call.id if call is not None else given or f"call_{self._turn}_{number}",
            content=(*((Text(text),) if text else ()), *(b for b in shown if isinstance(b, Text | Image | File))),
            error=error,
            name=name,
        )

    def _match(self, given: str | None, name: str | None) -> ToolCall | None:
        by_id = [call for call in self._waiting if given is not None and call.id == given]
        found = next(iter(by_id or [call for call in self._waiting if call.name == name]), None)
        if found is not None:
            self._waiting.remove(found)
        return found


def _content_blocks(part: Fields) -> list[Block]:
    if "inlineData" in part:
        return [_inline(part.object("inlineData") or part)]
    if "fileData" in part:
        return [_remote(part.object("fileData") or part)]
    text = part.text("text")
    if text and part.flag("thought"):
        return [Thinking(text, part.text("thoughtSignature"), GOOGLE)]
    if text:
        return [Text(text)]
    other = part.rest(_PART_MARKS)
    if not other:
        return []
    return [Opaque("google", next(iter(other)), msgspec.Raw(msgspec.json.encode({**other, **_signature(part)})))]


def _signature(part: Fields) -> dict[str, msgspec.Raw]:
    raw = part.raw("thoughtSignature")
    return {} if raw is None else {"thoughtSignature": raw}


def _inline(blob: Fields) -> Block:
    inline = data_url.of_base64(blob.text("data") or "", blob.text("mimeType"), blob.path("data"))
    return media.block_of(inline, blob.text("displayName"))


def _remote(file: Fields) -> Block:
    uri = file.text("fileUri") or ""
    # Files of Google's own store have web addresses too, which open with an account's key only.
    if not uri.startswith(("http://", "https://")) or "generativelanguage.googleapis.com/" in uri:
        raise UnsupportedField.named(
            file.path("fileUri"), "Only http(s) addresses can be fetched by this model's provider."
        )
    told = media.type_of_url(uri, file.path("fileUri"))
    return media.block_of(Remote(uri, file.text("mimeType") or told), file.text("displayName"))
