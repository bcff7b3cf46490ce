"""Content parts of a client, read into blocks."""

from typing import Any

import msgspec
import pytest

from llmgw_domain.chat import Audio, File, Image, Inline, Remote, Stored, Text, Video
from llmgw_domain.errors import InvalidField
from llmgw_protocols.chat import _wire, media

PNG = "data:image/png;base64,AAAA"


def part(**members: Any) -> _wire.Part:
    return msgspec.convert(members, _wire.Part)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"type": "text", "text": "a"}, Text("a")),
        ({"type": "input_text", "text": "a"}, Text("a")),
        (
            {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
            Image(Inline("image/png", "AAAA"), "low"),
        ),
        ({"type": "image_url", "image_url": PNG}, Image(Inline("image/png", "AAAA"))),
        ({"type": "image_url", "image_url": {"url": "https://x/y.png"}}, Image(Remote("https://x/y.png"))),
        (
            {"type": "image_url", "image_url": {"url": "https://x/y.PDF?a"}},
            File(Remote("https://x/y.PDF?a", "application/pdf")),
        ),
        (
            {"type": "image_url", "image_url": {"url": "data:application/pdf;base64,AAAA"}},
            File(Inline("application/pdf", "AAAA")),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
            Audio(Inline("audio/mp3", "AAAA")),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "data:audio/wav;base64,AAAA"}},
            Audio(Inline("audio/wav", "AAAA")),
        ),
        ({"type": "video_url", "video_url": {"url": "https://x/v"}}, Video(Remote("https://x/v"))),
        ({"type": "document_url", "document_url": "https://x/d"}, File(Remote("https://x/d"))),
        ({"type": "file", "file": {"file_id": "f1"}}, File(Stored("f1"))),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
            File(Inline("application/pdf", "AAAA"), "a.pdf"),
        ),
        (
            {"type": "file", "file": {"file_data": "AAAA", "filename": "a.txt"}},
            File(Inline("text/plain", "AAAA"), "a.txt"),
        ),
        ({"type": "file", "file": {"file_data": "JVBERi0x"}}, File(Inline("application/pdf", "JVBERi0x"))),
    ],
)
def test_blocks(members: dict[str, Any], expected: Any) -> None:
    """Each part becomes its block; PDFs in an image's place are documents."""
    assert expected == media.block(part(**members), "p")


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"type": "image_url", "image_url": {"url": "nowhere"}}, "p.image_url.url"),
        ({"type": "image_url", "image_url": {"url": ""}}, "p.image_url.url"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,!"}}, "p.image_url.url"),
        ({"type": "image_url"}, "p.image_url"),
        ({"type": "input_audio", "input_audio": {"data": "!"}}, "p.input_audio.data"),
        ({"type": "file", "file": {}}, "p.file"),
        ({"type": "file", "file": {"file_data": "!"}}, "p.file.file_data"),
        ({"type": "type"}, "p.type"),
    ],
)
def test_wrong_parts_are_named(members: dict[str, Any], param: str) -> None:
    """A part that can't be read is refused with its path."""
    with pytest.raises(InvalidField) as caught:
        media.block(part(**members), "p")
    assert param == caught.value.param


def test_a_broken_url_is_the_providers_to_judge() -> None:
    """An address is passed on as text, however odd it is."""
    assert Image(Remote("https://[]/x")) == media.block(part(type="image_url", image_url="https://[]/x"), "p")
