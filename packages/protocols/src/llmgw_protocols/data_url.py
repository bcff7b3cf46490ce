"""Media inside a request: `data:` URLs and bare base64, read into `Inline` and written back.

Clients are loose where providers are strict: base64 comes with line breaks, in the URL-safe alphabet, without padding,
percent-encoded, or without a media type. What leaves here is the standard alphabet with padding and a media type, which
every provider takes. Content is not decoded but for its first bytes, from which a missing type is told.
"""

from __future__ import annotations

import base64
import re
from urllib.parse import unquote, unquote_to_bytes

from llmgw_domain.chat import Inline, Remote
from llmgw_domain.errors import InvalidField

_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_URLSAFE = str.maketrans("-_", "+/")
_UNKNOWN = "application/octet-stream"
_PDF = re.compile(r"^[^?#]*\.pdf(?:[?#]|$)", re.IGNORECASE)
_BY_SUFFIX = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
}

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"ID3", "audio/mp3"),
    (b"\xff\xfb", "audio/mp3"),
    (b"\xff\xf3", "audio/mp3"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_FTYP = {b"heic": "image/heic", b"heix": "image/heic", b"mif1": "image/heif", b"avif": "image/avif"}


def source(url: str, param: str) -> Inline | Remote:
    """The media that a URL of either kind names; of an address, only a PDF tells its type. Raises `InvalidField`."""
    if is_data_url(url):
        return parse(url, param)
    if "://" not in url:
        raise InvalidField(f"Invalid value for {param!r}: send an http(s) or a data URL.", param=param)
    return Remote(url, "application/pdf" if _PDF.search(url) else None)


def is_picture(found: Inline | Remote) -> bool:
    """Whether it may stand as an image. Clients put PDFs there where OpenAI has no place for documents; every other
    dialect takes these as documents.
    """
    return found.media_type is None or found.media_type.startswith("image/")


def type_of_name(filename: str | None) -> str | None:
    """The media type that a file's name tells, or None."""
    return _BY_SUFFIX.get((filename or "").rpartition(".")[2].lower())


def is_data_url(url: str) -> bool:
    """Whether the text is a `data:` URL; schemes have no case (RFC 3986, 3.1)."""
    return url[:5].lower() == "data:"


def parse(url: str, param: str | None = None) -> Inline:
    """The media of `data:[TYPE][;PARAMETER]*[;base64],CONTENT` (RFC 2397).

    A missing or generic type is told from the content's first bytes. Raises `InvalidField` on `param`.
    """
    head, comma, content = url.partition(",")
    if not comma or not is_data_url(head):
        raise InvalidField("Not a data URL: send 'data:MEDIA/TYPE;base64,DATA'.", param=param)
    media_type, *parameters = (part.strip() for part in head[5:].split(";"))
    if not any(p.lower() == "base64" for p in parameters):
        return _of_text(media_type, content)
    return of_base64(unquote(content) if "%" in content else content, media_type, param)


def of_base64(content: str, media_type: str | None = None, param: str | None = None) -> Inline:
    """Media from bare base64. Raises `InvalidField` on `param` where that is no base64."""
    data = normalise(content, param)
    named = (media_type or "").strip().lower()
    if not named or named == _UNKNOWN:
        named = sniff(data) or _UNKNOWN
    return Inline(named, data)


def normalise(content: str, param: str | None = None) -> str:
    """Base64 in the standard alphabet, with padding, without white space. Raises `InvalidField` on `param`."""
    data = "".join(content.split()).translate(_URLSAFE)
    bare = data.rstrip("=")
    if not _BASE64.fullmatch(data) or len(bare) % 4 == 1:
        raise InvalidField("The data is not valid base64.", param=param)
    return bare + "=" * (-len(bare) % 4)


def sniff(data: str) -> str | None:
    """The media type that the first bytes of standard base64 tell, or None."""
    first = base64.b64decode(data[:32])
    if first[:4] == b"RIFF":
        return _RIFF.get(first[8:12])
    if first[4:8] == b"ftyp":
        return _FTYP.get(first[8:12], "video/mp4")
    return next((kind for magic, kind in _MAGIC if first.startswith(magic)), None)


def to_url(inline: Inline) -> str:
    """The `data:` URL of media."""
    return f"data:{inline.media_type};base64,{inline.data}"


def _of_text(media_type: str, content: str) -> Inline:
    # RFC 2397: without a type it is text/plain, and without `;base64` the content is percent-encoded.
    data = base64.b64encode(unquote_to_bytes(content)).decode("ascii")
    return Inline(media_type.lower() or "text/plain", data)
