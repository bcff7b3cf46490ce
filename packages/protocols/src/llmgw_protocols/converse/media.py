"""Images, documents, videos and sound as Converse's blocks: told apart by the kind of media, named by its format.

Media has to be inline or in S3. What Bedrock has no form for is refused, since an answer about something that was never
shown is worse than none.
"""

from __future__ import annotations

from typing import Any

from llmgw_domain.chat import Audio, File, Image, Inline, Remote, Source, Stored, Video
from llmgw_protocols.converse.models import Traits
from llmgw_protocols.losses import Losses
from llmgw_protocols.media import NOT_FETCHED

Medium = Image | File | Video | Audio

_FORMATS: dict[str, dict[str, str]] = {
    "image": {"image/jpeg": "jpeg", "image/jpg": "jpeg", "image/png": "png", "image/gif": "gif", "image/webp": "webp"},
    "document": {
        "application/pdf": "pdf",
        "text/csv": "csv",
        "application/msword": "doc",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
        "application/vnd.ms-excel": "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
        "text/html": "html",
        "text/plain": "txt",
        "text/markdown": "md",
        "text/x-markdown": "md",
        "application/json": "txt",
        "application/xml": "txt",
        "application/yaml": "txt",
        "application/javascript": "txt",
    },
    "video": {
        "video/mp4": "mp4",
        "video/quicktime": "mov",
        "video/x-matroska": "mkv",
        "video/webm": "webm",
        "video/x-flv": "flv",
        "video/mpeg": "mpeg",
        "video/mpg": "mpg",
        "video/x-ms-wmv": "wmv",
        "video/3gpp": "three_gp",
    },
    "audio": {
        "audio/mp3": "mp3",
        "audio/mpeg": "mp3",
        "audio/wav": "wav",
        "audio/x-wav": "wav",
        "audio/wave": "wav",
        "audio/aac": "aac",
        "audio/flac": "flac",
        "audio/x-flac": "flac",
        "audio/ogg": "ogg",
        "audio/opus": "opus",
        "audio/mp4": "mp4",
        "audio/m4a": "m4a",
        "audio/x-m4a": "m4a",
        "audio/pcm": "pcm",
        "audio/webm": "webm",
    },
}
_SUFFIXES = {
    "image": {"jpg": "jpeg", "jpeg": "jpeg", "png": "png", "gif": "gif", "webp": "webp"},
    "document": {f: f for f in ("pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md")}
    | {"htm": "html", "markdown": "md"},
    "video": {f: f for f in ("mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv")} | {"3gp": "three_gp"},
    "audio": {f: f for f in ("mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "m4a", "pcm", "webm")},
}


class MediaWriter:
    """Writes the media of one request; documents are numbered through it, since each needs a name of its own."""

    def __init__(self, traits: Traits, losses: Losses) -> None:
        self._traits = traits
        self._losses = losses
        self._documents = 0

    def block(self, medium: Medium) -> dict[str, Any]:
        """One block. Raises `UnsupportedField` for media that the model or Bedrock does not take."""
        kind = kind_of(medium)
        if (kind == "video" and not self._traits.video) or (kind == "audio" and not self._traits.audio):
            raise self._refused(f"The model takes no {kind} input.")
        source = self._source(medium.source)
        written: dict[str, Any] = {"format": self._format(kind, medium), "source": source}
        if kind == "document":
            # A neutral name: the model reads it, so the client's own could be an instruction.
            self._documents += 1
            written["name"] = f"Document {self._documents}"
        return {kind: written}

    def _format(self, kind: str, medium: Medium) -> str:
        media_type = _type_of(medium.source)
        name = medium.filename if isinstance(medium, File) else None
        found = _FORMATS[kind].get(media_type) or _SUFFIXES[kind].get(_suffix(name or _address(medium.source)))
        if found is None and kind == "document" and media_type.startswith("text/"):
            return "txt"
        if found is None:
            known = ", ".join(dict.fromkeys(_FORMATS[kind].values()))
            raise self._refused(f"A medium of type {media_type!r} is not supported as {kind}; send one of {known}.")
        return found

    def _source(self, source: Source) -> dict[str, Any]:
        match source:
            case Inline(data=data):
                return {"bytes": data}
            case Remote(url=url) if url.startswith("s3://"):
                return {"s3Location": {"uri": url}}
            case Remote():
                raise self._refused(NOT_FETCHED)
            case Stored():
                raise self._refused("The model's provider does not have this file; send it inline.")

    def _refused(self, why: str) -> Exception:
        return self._losses.unsupported("messages", why)


def kind_of(medium: Medium) -> str:
    """What a medium is: clients send pictures as files and PDFs as pictures, so its type says more than its block."""
    media_type = _type_of(medium.source)
    match medium:
        case Video():
            return "video"
        case Audio():
            return "audio"
        case File() if media_type.startswith("image/"):
            return "image"
        case File() if media_type.startswith("video/"):
            return "video"
        case Image() if media_type == "application/pdf" or _suffix(_address(medium.source)) == "pdf":
            return "document"
    return "image" if isinstance(medium, Image) else "document"


def _type_of(source: Source) -> str:
    named = None if isinstance(source, Stored) else source.media_type
    return (named or "").partition(";")[0].strip().lower()


def _address(source: Source) -> str:
    return source.url.partition("?")[0] if isinstance(source, Remote) else ""


def _suffix(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[2].lower()
