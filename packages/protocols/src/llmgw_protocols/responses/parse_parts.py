"""Content parts of a client's messages and tool outputs, read into blocks."""

from __future__ import annotations

from collections.abc import Sequence

from llmgw_domain.chat import (
    Audio,
    Block,
    CacheMark,
    File,
    Image,
    Refusal,
    Source,
    Stored,
    Text,
)
from llmgw_domain.errors import InvalidField
from llmgw_protocols import data_url
from llmgw_protocols.responses._request import Breakpoint, InputAudio, Part

_TEXTS = ("input_text", "output_text", "text", "summary_text")


def content(value: str | Sequence[Part] | None, at: str) -> list[Block]:
    """The blocks of a message's or output's content; `at` is its path. Raises `InvalidField`."""
    if value is None:
        return []
    if isinstance(value, str):
        return [Text(value)] if value else []
    return [block(part, f"{at}[{i}]") for i, part in enumerate(value)]


def block(part: Part, at: str) -> Block:
    """The block of a part. Raises `InvalidField` for an unknown type or a missing member."""
    match part:
        case Part(type=kind, text=str(text)) if kind in _TEXTS:
            return Text(text, _mark(part.prompt_cache_breakpoint))
        case Part(type="refusal", refusal=str(text)):
            return Refusal(text)
        case Part(type="input_image"):
            return _image(part, at)
        case Part(type="input_file"):
            return File(_file(part, at), part.filename, _mark(part.prompt_cache_breakpoint))
        case Part(type="input_audio", input_audio=InputAudio(data=data, format=kind)):
            return Audio(data_url.of_base64(data, f"audio/{kind}", f"{at}.input_audio.data"))
    raise _refused(part, at)


def _mark(breakpoint: Breakpoint | None) -> CacheMark | None:
    if breakpoint is None:
        return None
    return CacheMark({"12h": "1h", "30m": "5m"}.get(breakpoint.ttl or ""))  # type: ignore[arg-type]


def _image(part: Part, at: str) -> Block:
    mark = _mark(part.prompt_cache_breakpoint)
    if part.image_url is None and part.file_id:
        return Image(Stored(part.file_id), part.detail, mark)
    if part.image_url is None:
        raise InvalidField(f"Invalid value for {at!r}: send 'image_url' or 'file_id'.", param=f"{at}.image_url")
    source = data_url.source(part.image_url, f"{at}.image_url")
    return Image(source, part.detail, mark) if data_url.is_picture(source) else File(source, part.filename, mark)


def _file(part: Part, at: str) -> Source:
    if part.file_data is not None:
        if data_url.is_data_url(part.file_data):
            return data_url.parse(part.file_data, f"{at}.file_data")
        return data_url.of_base64(part.file_data, data_url.type_of_name(part.filename), f"{at}.file_data")
    if part.file_url is not None:
        return data_url.source(part.file_url, f"{at}.file_url")
    if part.file_id:
        return Stored(part.file_id)
    raise InvalidField(f"Invalid value for {at!r}: send 'file_data', 'file_url' or 'file_id'.", param=at)


def _refused(part: Part, at: str) -> InvalidField:
    known = {"refusal": "refusal", "input_audio": "input_audio", **dict.fromkeys(_TEXTS, "text")}
    if member := known.get(part.type):
        return InvalidField(f"Invalid value for {at!r}: the part has no {member!r}.", param=f"{at}.{member}")
    where = f"{at}.type"
    return InvalidField(
        f"Invalid value for {where!r}: {part.type[:100]!r} is no known part; "
        "send input_text, input_image, input_file, output_text or refusal.",
        param=where,
    )
