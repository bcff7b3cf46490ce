"""Content parts read into blocks."""

from typing import Any

import msgspec
import pytest

from llmgw_domain.chat import Audio, Block, CacheMark, File, Image, Inline, Refusal, Remote, Stored, Text
from llmgw_domain.errors import InvalidField
from llmgw_protocols.responses._request import Part
from llmgw_protocols.responses.parse_parts import block, content

PNG = "data:image/png;base64,aW1n"


def part(**members: Any) -> Part:
    return msgspec.convert(members, Part)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": "input_text", "text": "a"}, Text("a")),
        ({"type": "output_text", "text": "a", "annotations": []}, Text("a")),
        ({"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"ttl": "12h"}}, Text("a", CacheMark("1h"))),
        ({"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "x"}}, Text("a", CacheMark())),
        ({"type": "refusal", "refusal": "No"}, Refusal("No")),
        ({"type": "input_image", "image_url": PNG, "detail": "low"}, Image(Inline("image/png", "aW1n"), "low")),
        ({"type": "input_image", "image_url": "https://a/b.png"}, Image(Remote("https://a/b.png"))),
        ({"type": "input_image", "image_url": None, "file_id": "file_1"}, Image(Stored("file_1"))),
        (
            {"type": "input_image", "image_url": "data:application/pdf;base64,aW1n"},
            File(Inline("application/pdf", "aW1n")),
        ),
        ({"type": "input_image", "image_url": "https://a/b.pdf"}, File(Remote("https://a/b.pdf", "application/pdf"))),
        ({"type": "input_file", "file_id": "file_1", "filename": "a"}, File(Stored("file_1"), "a")),
        ({"type": "input_file", "file_url": "https://a/b"}, File(Remote("https://a/b"))),
        ({"type": "input_file", "file_url": "https://a/b.PDF"}, File(Remote("https://a/b.PDF", "application/pdf"))),
        (
            {"type": "input_file", "file_data": "YQ==", "filename": "a.md"},
            File(Inline("text/markdown", "YQ=="), "a.md"),
        ),
        (
            {"type": "input_file", "file_data": "data:text/csv;base64,YQ==", "filename": "a"},
            File(Inline("text/csv", "YQ=="), "a"),
        ),
        ({"type": "input_audio", "input_audio": {"data": "YQ==", "format": "mp3"}}, Audio(Inline("audio/mp3", "YQ=="))),
    ],
)
def test_parts(given: dict[str, Any], expected: Block) -> None:
    """Each type is its block; PDFs are files wherever clients put them."""
    assert expected == block(part(**given), "x")


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"type": "input_text"}, "x.text"),
        ({"type": "refusal"}, "x.refusal"),
        ({"type": "input_image"}, "x.image_url"),
        ({"type": "input_image", "image_url": "nowhere"}, "x.image_url"),
        ({"type": "input_file"}, "x"),
        ({"type": "input_file", "file_data": "?"}, "x.file_data"),
        ({"type": "hologram"}, "x.type"),
    ],
)
def test_a_wrong_part_is_refused_by_its_path(given: dict[str, Any], param: str) -> None:
    """With what to send instead."""
    with pytest.raises(InvalidField) as refusal:
        block(part(**given), "x")
    assert param == refusal.value.param


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a", [Text("a")]), ("", []), (None, []), ([part(text="a"), part(text="b")], [Text("a"), Text("b")])],
)
def test_content_is_text_or_parts(value: Any, expected: list[Block]) -> None:
    """An empty text is nothing."""
    assert expected == content(value, "x")
