"""Media at addresses: which of them a target fetches itself, and how the gateway's own copy is put in their place.

An address is passed on to a provider that fetches it. Where the provider does not, the gateway may have fetched it
(`addresses` says what is worth that, before an account is chosen); what then is still an address is refused, since an
answer about something that was never shown is worse than none. What a fetched medium is, its bytes say: the header
that it came with is not believed, and the address's ending only where bytes can't tell.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from enum import Enum
from urllib.parse import urlsplit

import msgspec

from llmgw_domain import Provider
from llmgw_domain.chat import Audio, Block, ChatRequest, File, Image, Inline, Remote, ToolResult, Turn, Video
from llmgw_domain.errors import InvalidField
from llmgw_protocols import data_url
from llmgw_protocols.losses import Losses

Medium = Image | Audio | Video | File

NOT_FETCHED = (
    "The model's provider takes media inline only. Send it as a data URL, or have its host named in "
    "fetch.allowed_hosts with fetch.enabled set: the gateway then fetches it, from an https address."
)


class Reach(Enum):
    """Whether a target's provider fetches a medium: it does; it may, but an inline copy is safer; it never does."""

    OWN = "own"
    MAYBE = "maybe"
    NONE = "none"


_GOOGLE = ("www.youtube.com", "youtube.com", "m.youtube.com", "youtu.be", "generativelanguage.googleapis.com")
"""Addresses that are more than their content: Google reads a video's page or a file of its own store."""

_ZIPPED = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
_COMPOUND = {"doc": "application/msword", "xls": "application/vnd.ms-excel", "ppt": "application/vnd.ms-powerpoint"}
_TEXTS = {
    "csv": "text/csv",
    "json": "application/json",
    "md": "text/markdown",
    "markdown": "text/markdown",
    "xml": "text/xml",
}
_KINDS: dict[type[Medium], tuple[str, ...]] = {
    Image: ("image/", "application/pdf"),
    Audio: ("audio/",),
    Video: ("video/",),
    File: ("",),
}
"""What the bytes of each kind of medium may turn out to be; PDFs are sent where images are asked for."""


def reach(medium: Medium, dialect: str, provider: Provider) -> Reach:
    """Whether a provider that is asked in a dialect fetches a remote medium (the providers' own pages on inputs)."""
    assert isinstance(medium.source, Remote)
    url = medium.source.url
    match dialect:
        case "converse":
            return Reach.OWN if url.startswith("s3://") else Reach.NONE
        case "messages" if provider is Provider.VERTEX:
            return Reach.NONE
        case "gemini":
            return Reach.MAYBE if _is_web(url) and _host(url) not in _GOOGLE else Reach.OWN
        case "chat" if isinstance(medium, Audio):
            return Reach.NONE
        case "chat" if isinstance(medium, File):
            return Reach.NONE if provider is Provider.OPENAI else Reach.OWN
    return Reach.OWN


def addresses(request: ChatRequest, dialect: str, provider: Provider) -> dict[str, None]:
    """The distinct addresses that are better fetched for such a target, in order."""
    return {
        medium.source.url: None
        for medium in remote(request)
        if isinstance(medium.source, Remote) and reach(medium, dialect, provider) is not Reach.OWN
    }


def remote(request: ChatRequest) -> Iterator[Medium]:
    """The media of a request that are addresses."""
    for turn in request.turns:
        for block in turn.content:
            inner = block.content if isinstance(block, ToolResult) else (block,)
            for each in inner:
                if isinstance(each, Medium) and isinstance(each.source, Remote):
                    yield each


def inlined(request: ChatRequest, fetched: Mapping[str, bytes], dialect: str, provider: Provider) -> ChatRequest:
    """The request with fetched media in place of the addresses that the target's provider does not fetch.

    Raises `UnsupportedField` for an address that neither side fetches, `InvalidField` for bytes of another kind.
    """
    if next(remote(request), None) is None:
        return request
    place = _Placing(fetched, dialect, provider, request.dialect or request.family)
    return msgspec.structs.replace(request, turns=tuple(place.turn(turn) for turn in request.turns))


class _Placing:
    """Puts fetched media where their addresses are, for one target."""

    def __init__(self, fetched: Mapping[str, bytes], dialect: str, provider: Provider, client: str) -> None:
        self._fetched = fetched
        self._dialect = dialect
        self._provider = provider
        self._losses = Losses(client)

    def turn(self, turn: Turn) -> Turn:
        return msgspec.structs.replace(turn, content=tuple(self._block(block) for block in turn.content))

    def _block(self, block: Block) -> Block:
        match block:
            case ToolResult(content=content):
                return msgspec.structs.replace(block, content=tuple(self._block(inner) for inner in content))
            case Image(source=Remote()) | Audio(source=Remote()) | Video(source=Remote()) | File(source=Remote()):
                return self._medium(block)
        return block

    def _medium(self, medium: Medium) -> Medium:
        assert isinstance(medium.source, Remote)
        able = reach(medium, self._dialect, self._provider)
        data = self._fetched.get(medium.source.url)
        if able is not Reach.OWN and data is not None:
            return _filled(medium, medium.source.url, data, self._losses.name("messages"))
        if able is Reach.NONE:
            raise self._losses.unsupported("messages", NOT_FETCHED)
        return medium


def _filled(medium: Medium, url: str, data: bytes, param: str) -> Medium:
    kind = type_of(data, url)
    if isinstance(medium, Audio) and kind in ("video/mp4", "video/webm"):
        # The container says nothing of what is in it.
        kind = "audio/" + kind.partition("/")[2]
    if not kind or not kind.startswith(_KINDS[type(medium)]):
        wanted = type(medium).__name__.lower()
        told = f"holds {kind}, not a usable {wanted}" if kind else f"holds no known type of {wanted}"
        raise InvalidField(f"{param}: the address {shown(url)} {told}.", param=param)
    source = Inline(kind, base64.b64encode(data).decode("ascii"))
    if isinstance(medium, Image) and kind == "application/pdf":
        return File(source, cache=medium.cache)
    return msgspec.structs.replace(medium, source=source)


def type_of(data: bytes, url: str) -> str | None:
    """The media type of bytes. The address's ending only says which of the types that look alike it is."""
    suffix = url.partition("?")[0].partition("#")[0].rpartition(".")[2].lower()
    if data.startswith(b"PK\x03\x04"):
        return _ZIPPED.get(suffix, "application/zip")
    if data.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _COMPOUND.get(suffix)
    found = data_url.sniff(base64.b64encode(data[:24]).decode("ascii"))
    return found or _text_type(data, suffix)


def shown(url: str) -> str:
    """An address as it may stand in messages and logs: without its query, which is where signatures are."""
    return url.partition("?")[0].partition("#")[0][:200]


def _text_type(data: bytes, suffix: str) -> str | None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    if not text or "\x00" in text:
        return None
    head = text[:512].lstrip("\ufeff \t\r\n").lower()
    if head.startswith(("<!doctype html", "<html")):
        return "text/html"
    if "<svg" in head and head.startswith("<"):
        return "image/svg+xml"
    return _TEXTS.get(suffix, "text/plain")


def _is_web(url: str) -> bool:
    return url[:8].lower().startswith(("http://", "https://"))


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
