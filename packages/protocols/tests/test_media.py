"""Media at addresses: who fetches what, and what is put in an address's place."""

import base64
from typing import Any

import pytest

from llmgw_domain import Provider
from llmgw_domain.chat import Audio, ChatRequest, File, Image, Inline, Remote, Text, ToolResult, Turn, Video
from llmgw_domain.errors import InvalidField, UnsupportedField
from llmgw_protocols import media
from llmgw_protocols.media import Reach

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 16
PDF = b"%PDF-1.7 ..."
WEB = "https://images.example.com/a.png?sig=1"


def asking(*blocks: Any, family: str = "openai") -> ChatRequest:
    return ChatRequest(model="m", turns=(Turn("user", tuple(blocks)),), family=family)


def first(request: ChatRequest) -> Any:
    return request.turns[0].content[0]


def inline(kind: str, data: bytes) -> Inline:
    return Inline(kind, base64.b64encode(data).decode())


@pytest.mark.parametrize(
    ("medium", "dialect", "provider", "expected"),
    [
        (Image(Remote(WEB)), "chat", Provider.OPENAI, Reach.OWN),
        (File(Remote(WEB)), "chat", Provider.OPENAI, Reach.NONE),
        (File(Remote(WEB)), "chat", Provider.OPENAI_COMPATIBLE, Reach.OWN),
        (Audio(Remote(WEB)), "chat", Provider.OPENAI_COMPATIBLE, Reach.NONE),
        (File(Remote(WEB)), "responses", Provider.OPENAI, Reach.OWN),
        (Image(Remote(WEB)), "messages", Provider.ANTHROPIC, Reach.OWN),
        (File(Remote(WEB)), "messages", Provider.ANTHROPIC, Reach.OWN),
        (Image(Remote(WEB)), "messages", Provider.VERTEX, Reach.NONE),
        (Image(Remote(WEB)), "converse", Provider.BEDROCK, Reach.NONE),
        (Image(Remote("s3://b/a.png")), "converse", Provider.BEDROCK, Reach.OWN),
        (Image(Remote(WEB)), "gemini", Provider.GOOGLE, Reach.MAYBE),
        (Image(Remote("HTTPS://images.example.com/a")), "gemini", Provider.VERTEX, Reach.MAYBE),
        (File(Remote("gs://b/o")), "gemini", Provider.VERTEX, Reach.OWN),
        (Video(Remote("https://www.youtube.com/watch?v=1")), "gemini", Provider.GOOGLE, Reach.OWN),
        (Video(Remote("https://youtu.be/1")), "gemini", Provider.VERTEX, Reach.OWN),
        (
            File(Remote("https://generativelanguage.googleapis.com/v1beta/files/1")),
            "gemini",
            Provider.GOOGLE,
            Reach.OWN,
        ),
        (Video(Remote("https://youtu.be.example.com/1")), "gemini", Provider.GOOGLE, Reach.MAYBE),
        (Image(Remote("https://[::1/a")), "gemini", Provider.GOOGLE, Reach.MAYBE),
    ],
)
def test_who_fetches_what(medium: Any, dialect: str, provider: Provider, expected: Reach) -> None:
    """A provider's own form of reaching a medium decides, by the dialect that it is asked in."""
    assert expected is media.reach(medium, dialect, provider)


def test_addresses_are_distinct_and_in_order() -> None:
    """Each address is named once, wherever it stands; inline media and what the provider fetches are not."""
    result = ToolResult("c", (Text("t"), Image(Remote("https://x/2"))))
    request = asking(
        Image(Remote("https://x/1")), result, Image(Remote("https://x/1")), Image(inline("image/png", PNG))
    )
    assert ["https://x/1", "https://x/2"] == list(media.addresses(request, "converse", Provider.BEDROCK))
    assert {} == media.addresses(request, "messages", Provider.ANTHROPIC)


def test_a_fetched_medium_takes_its_addresss_place() -> None:
    """Also inside a tool's result; everything else of the block stays."""
    fetched = {WEB: PNG}
    request = asking(Image(Remote(WEB), "high"), ToolResult("c", (Text("t"), Image(Remote(WEB)))))
    expected = inline("image/png", PNG)
    for dialect, provider in (("converse", Provider.BEDROCK), ("gemini", Provider.GOOGLE)):
        image, result = media.inlined(request, fetched, dialect, provider).turns[0].content
        assert Image(expected, "high") == image
        assert ToolResult("c", (Text("t"), Image(expected))) == result


def test_a_provider_that_fetches_gets_the_address() -> None:
    """Also where another target of the call needed the content."""
    request = asking(Image(Remote(WEB)))
    assert request == media.inlined(request, {WEB: PNG}, "messages", Provider.ANTHROPIC)


def test_a_request_without_addresses_is_left_alone() -> None:
    """Nothing is built anew."""
    request = asking(Text("hi"), Image(inline("image/png", PNG)))
    assert media.inlined(request, {}, "converse", Provider.BEDROCK) is request


@pytest.mark.parametrize("family", ["openai", "google"])
def test_what_nobody_fetches_is_refused(family: str) -> None:
    """The refusal names the settings, under the client's name for the field."""
    with pytest.raises(UnsupportedField, match=r"fetch\.allowed_hosts with fetch\.enabled") as caught:
        media.inlined(asking(Image(Remote(WEB)), family=family), {}, "messages", Provider.VERTEX)
    assert {"openai": "messages", "google": "contents"}[family] == caught.value.param


def test_what_was_not_fetched_goes_on_to_a_provider_that_may_fetch_it() -> None:
    """Google reads most addresses by itself."""
    request = asking(Image(Remote(WEB)))
    assert request == media.inlined(request, {}, "gemini", Provider.GOOGLE)


@pytest.mark.parametrize(
    ("data", "url", "expected"),
    [
        (PNG, "https://x/a.jpg", "image/png"),
        (PDF, "https://x/a.png", "application/pdf"),
        (b"\xff\xd8\xff\xe0", "https://x/a", "image/jpeg"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "https://x/a", "image/webp"),
        (
            b"PK\x03\x04...",
            "https://x/a.docx?x=1",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        (b"PK\x03\x04...", "https://x/a", "application/zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "https://x/a.xls#1", "application/vnd.ms-excel"),
        (b"a,b\n1,2", "https://x/a.csv", "text/csv"),
        ("grüße".encode(), "https://x/a", "text/plain"),
        (b"\xef\xbb\xbf<!DOCTYPE html><html>", "https://x/a.png", "text/html"),
        (b'<?xml version="1.0"?><svg xmlns="">', "https://x/a.png", "image/svg+xml"),
        (b"a\x00b", "https://x/a.txt", None),
        (b"\xfe\xed\xfa\xce", "https://x/a.png", None),
        (b"", "https://x/a.png", None),
    ],
)
def test_the_bytes_say_what_a_medium_is(data: bytes, url: str, expected: str | None) -> None:
    """The address's ending is asked only which of the types that look alike it is."""
    assert expected == media.type_of(data, url)


@pytest.mark.parametrize(
    ("block", "data", "expected"),
    [
        (Image(Remote(WEB)), PDF, File(inline("application/pdf", PDF))),
        (File(Remote(WEB), "a.txt"), b"text", File(inline("text/plain", b"text"), "a.txt")),
        (
            Audio(Remote(WEB)),
            b"\x00\x00\x00 ftypM4A \x00\x00",
            Audio(inline("audio/mp4", b"\x00\x00\x00 ftypM4A \x00\x00")),
        ),
    ],
)
def test_a_medium_of_a_neighbouring_kind_is_taken(block: Any, data: bytes, expected: Any) -> None:
    """A PDF where an image is asked for, and sound in a container that is mostly for videos."""
    assert expected == first(media.inlined(asking(block), {WEB: data}, "converse", Provider.BEDROCK))


@pytest.mark.parametrize("data", [b"<html>Not found</html>", b"\x01\x02\xff", PNG[:3]])
def test_what_is_no_such_medium_is_refused(data: bytes) -> None:
    """A page where an image should be is told as such, without the address's query."""
    with pytest.raises(InvalidField, match=r"the address https://images\.example\.com/a\.png holds") as caught:
        media.inlined(asking(Image(Remote(WEB))), {WEB: data}, "converse", Provider.BEDROCK)
    assert "sig" not in caught.value.message


def test_addresses_are_shown_without_their_query() -> None:
    """Signatures stand there."""
    assert "https://x/a" == media.shown("https://x/a?sig=1#f")
