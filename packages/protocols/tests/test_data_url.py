"""Data URLs are read loosely and written strictly."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_domain.chat import Inline
from llmgw_domain.errors import InvalidField
from llmgw_protocols import data_url

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"rest of it").decode()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"data:image/png;base64,{PNG}", Inline("image/png", PNG)),
        (f"DATA:Image/PNG;charset=utf-8;BASE64,{PNG}", Inline("image/png", PNG)),
        (f"data:;base64,{PNG}", Inline("image/png", PNG)),
        (f"data:application/octet-stream;base64,{PNG}", Inline("image/png", PNG)),
        (f"data:image/png;base64,\n{PNG[:8]}\r\n {PNG[8:]}\n", Inline("image/png", PNG)),
        ("data:a/b;base64,-_-_", Inline("a/b", "+/+/")),
        ("data:a/b;base64,-_8", Inline("a/b", "+/8=")),
        ("data:a/b;base64,%2B%2F8%3D", Inline("a/b", "+/8=")),
        ("data:a/b;base64,", Inline("a/b", "")),
        ("data:,hi%20you", Inline("text/plain", base64.b64encode(b"hi you").decode())),
        ("data:text/html,<p>", Inline("text/html", base64.b64encode(b"<p>").decode())),
    ],
)
def test_parse(url: str, expected: Inline) -> None:
    """Loose forms become the standard alphabet with padding and a media type."""
    assert expected == data_url.parse(url)


@pytest.mark.parametrize(
    "url", ["", "data:", "data:image/png;base64", "http://x/,y", "data:a/b;base64,A", "data:a/b;base64,é!"]
)
def test_invalid_urls_name_the_field(url: str) -> None:
    """What is no data URL or no base64 is refused with the field's path."""
    with pytest.raises(InvalidField) as caught:
        data_url.parse(url, "messages[0].content[1].image_url.url")
    assert caught.value.param == "messages[0].content[1].image_url.url"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
        (b"RIFF\0\0\0\0XXXX", None),
        (b"%PDF-1.7", "application/pdf"),
        (b"\0\0\0\x18ftypheic", "image/heic"),
        (b"\0\0\0\x18ftypisom", "video/mp4"),
        (b"", None),
        (b"plain", None),
    ],
)
def test_sniff(content: bytes, expected: str | None) -> None:
    """The first bytes tell the usual media types; unknown ones give None."""
    assert expected == data_url.sniff(base64.b64encode(content).decode())


@given(st.binary(max_size=64))
def test_round_trip(content: bytes) -> None:
    """What is written is read back, whichever alphabet or padding a client chose."""
    standard = base64.b64encode(content).decode()
    urlsafe = base64.urlsafe_b64encode(content).decode().rstrip("=")
    inline = Inline("x/y", standard)
    assert inline == data_url.parse(data_url.to_url(inline))
    assert inline == data_url.parse(f"data:x/y;base64,{urlsafe}")


@pytest.mark.parametrize(
    ("url", "media_type", "picture"),
    [
        ("https://a.test/x.png", None, True),
        ("https://a.test/x.PDF?v=1", "application/pdf", False),
        ("https://a.test/x?name=y.pdf", None, True),
        ("data:image/png;base64,iVBORw0KGgo=", "image/png", True),
        ("data:application/pdf;base64,JVBERi0=", "application/pdf", False),
    ],
)
def test_a_url_of_either_kind(url, media_type, picture):
    """A PDF is told from pictures by its type or its path, not by a query."""
    found = data_url.source(url, "at")
    assert (media_type, picture) == (found.media_type, data_url.is_picture(found))


def test_what_is_no_url():
    """The error names the place and what to send."""
    with pytest.raises(InvalidField, match=r"'at': send an http\(s\) or a data URL"):
        data_url.source("x.png", "at")


@pytest.mark.parametrize(("name", "kind"), [("a.B.Md", "text/markdown"), ("a.xyz", None), ("", None), (None, None)])
def test_the_type_of_a_name(name, kind):
    """Only of suffixes that models are given as documents."""
    assert kind == data_url.type_of_name(name)
