"""Content parts of a client's message, read into blocks: texts, images, audio, video, files."""

from __future__ import annotations

from llmgw_domain.chat import (
    Audio,
    Block,
    CacheMark,
    File,
    Image,
    Inline,
    Origin,
    RedactedThinking,
    Refusal,
    Source,
    Stored,
    Text,
    Thinking,
    Video,
)
from llmgw_domain.errors import InvalidField
from llmgw_protocols import data_url
from llmgw_protocols.chat import _wire


def block(part: _wire.Part, at: str) -> Block:
    """The block of a part; `at` is its path. Raises `InvalidField` for an unknown type or a missing member."""
    match part:
        case _wire.Part(type="text" | "input_text" | "output_text", text=str(text)):
            return Text(text, mark(part))
        case _wire.Part(type="refusal", refusal=str(text)):
            return Refusal(text)
        case _wire.Part(type="image_url", image_url=(str() | _wire.ImageUrl()) as image):
            return _image(image, part, f"{at}.image_url.url")
        case _wire.Part(type="video_url", video_url=(str() | _wire.ImageUrl()) as video):
            url = video if isinstance(video, str) else video.url
            return Video(data_url.source(url, f"{at}.video_url.url"))
        case _wire.Part(type="document_url", document_url=(str() | _wire.ImageUrl()) as document):
            url = document if isinstance(document, str) else document.url
            return File(data_url.source(url, f"{at}.document_url"), cache=mark(part))
        case _wire.Part(type="input_audio", input_audio=_wire.InputAudio() as audio):
            return Audio(_audio(audio, f"{at}.input_audio.data"))
        case _wire.Part(type="file", file=_wire.FilePart() as file):
            return File(_file(file, f"{at}.file"), file.filename, mark(part))
        case _wire.Part(type="thinking" | "redacted_thinking"):
            return thinking(part)
    raise _refused(part, at)


def thinking(part: _wire.Part) -> Thinking | RedactedThinking:
    """A thinking block as other gateways write them, or a thinking part of Mistral's."""
    if part.type == "redacted_thinking":
        # No other family has such blocks, so they need not say whose they are.
        return RedactedThinking(part.data or "", Origin("anthropic"))
    if isinstance(part.thinking, list):
        return Thinking("".join(p.text or "" for p in part.thinking))
    return Thinking(part.thinking or "", part.signature or None)


def mark(marked: _wire.Part | _wire.Message | _wire.Call | _wire.Tool | _wire.FunctionTool) -> CacheMark | None:
    """The cache mark of a part, message or tool, whichever way it is written; 12h and 1h are the long kind."""
    cache = marked.cache_control or getattr(marked, "prompt_cache_breakpoint", None)
    if cache is None:
        return None
    if cache.ttl in ("1h", "12h"):
        return CacheMark("1h")
    return CacheMark("5m" if cache.ttl in ("5m", "30m") else None)


def _image(image: str | _wire.ImageUrl, part: _wire.Part, at: str) -> Block:
    url, detail = (image, None) if isinstance(image, str) else (image.url, image.detail)
    source = data_url.source(url, at)
    return Image(source, detail, mark(part)) if data_url.is_picture(source) else File(source, cache=mark(part))


def _audio(audio: _wire.InputAudio, at: str) -> Inline:
    if data_url.is_data_url(audio.data):
        return data_url.parse(audio.data, at)
    return data_url.of_base64(audio.data, f"audio/{audio.format}", at)


def _file(file: _wire.FilePart, at: str) -> Source:
    if file.file_id:
        return Stored(file.file_id)
    if file.file_data is None:
        raise InvalidField(f"Invalid value for {at!r}: send 'file_data' or 'file_id'.", param=at)
    if data_url.is_data_url(file.file_data) or "://" in file.file_data:
        return data_url.source(file.file_data, f"{at}.file_data")
    kind = file.format or data_url.type_of_name(file.filename)
    return data_url.of_base64(file.file_data, kind, f"{at}.file_data")


def _refused(part: _wire.Part, at: str) -> InvalidField:
    member = {"input_text": "text", "output_text": "text"}.get(part.type, part.type)
    if member in _wire.Part.__struct_fields__ and member != "type":
        return InvalidField(f"Invalid value for {at!r}: the part has no {member!r}.", param=f"{at}.{member}")
    where = f"{at}.type"
    return InvalidField(
        f"Invalid value for {where!r}: {part.type[:100]!r} is no known part; "
        "send text, image_url, input_audio, file, video_url or refusal.",
        param=where,
    )
