"""Media in Gemini's parts, and the media types that addresses tell."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlsplit

from llmgw_domain.chat import Audio, Block, Detail, File, Image, Inline, Remote, Video
from llmgw_domain.errors import InvalidField, UnsupportedField

Media = Image | Audio | Video | File

_BY_EXTENSION = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "bmp": "image/bmp",
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "html": "text/html",
    "htm": "text/html",
    "csv": "text/csv",
    "json": "application/json",
    "xml": "text/xml",
    "mp3": "audio/mp3",
    "wav": "audio/wav",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "aac": "audio/aac",
    "aiff": "audio/aiff",
    "m4a": "audio/mp4",
    "mp4": "video/mp4",
    "mpeg": "video/mpeg",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "avi": "video/x-msvideo",
}
"""Kept here rather than taken from `mimetypes`, which reads files of the machine."""

_DEFAULTS: dict[type, str] = {Image: "image/jpeg", Audio: "audio/mp3", Video: "video/mp4", File: "application/pdf"}
_LEVELS: dict[Detail, str] = {
    "low": "MEDIA_RESOLUTION_LOW",
    "high": "MEDIA_RESOLUTION_HIGH",
    "original": "MEDIA_RESOLUTION_ULTRA_HIGH",
}


def type_of_url(url: str, field: str) -> str | None:
    """The media type that an address's extension tells. Raises `InvalidField` on `field` if it is no address."""
    try:
        path = urlsplit(url).path
    except ValueError:
        raise InvalidField(f"{field} holds an address that can't be read.", param=field) from None
    return _BY_EXTENSION.get(path.rpartition(".")[2].lower())


def block_of(source: Inline | Remote, filename: str | None = None) -> Block:
    """Media as the block of its kind; what has no type is taken for an image, as most such addresses are."""
    media_type = source.media_type or "image/"
    match media_type.partition("/")[0]:
        case "image":
            return Image(source)
        case "audio":
            return Audio(source)
        case "video":
            return Video(source)
    return File(source, filename=filename)


def text_of_document(file: File) -> str | None:
    """The text of an inline text document, below its title; None for any other file."""
    if not isinstance(file.source, Inline) or not file.source.media_type.startswith("text/"):
        return None
    text = base64.b64decode(file.source.data).decode("utf-8", "replace")
    return f"{file.filename}\n\n{text}" if file.filename else text


def part_of(media: Media, field: str, *, by_part: bool) -> dict[str, Any]:
    """Media as a part; `by_part` puts an image's wanted detail on it.

    Raises `UnsupportedField` on `field` for files of another provider's store, `InvalidField` for unreadable addresses.
    """
    part = _located(media, field)
    if by_part and isinstance(media, Image) and media.detail in _LEVELS:
        part["mediaResolution"] = {"level": _LEVELS[media.detail]}
    return part


def _located(media: Media, field: str) -> dict[str, Any]:
    match media.source:
        case Inline(media_type=media_type, data=data):
            return {"inlineData": {"mimeType": media_type, "data": data}}
        case Remote(url=url, media_type=media_type):
            # Google fetches the address itself, but wants to be told the type.
            told = type_of_url(url, field)
            return {"fileData": {"mimeType": media_type or told or _DEFAULTS[type(media)], "fileUri": url}}
    raise UnsupportedField.named(field, "This model's provider does not have the file; send its content inline.")
