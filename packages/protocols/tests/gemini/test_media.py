"""Tests of media in parts."""

import base64

import pytest

from llmgw_domain.chat import Audio, Block, File, Image, Inline, Remote, Stored, Video
from llmgw_domain.errors import InvalidField, UnsupportedField
from llmgw_protocols.gemini.media import Media, block_of, part_of, text_of_document, type_of_url


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [("image/png", Image), ("audio/wav", Audio), ("video/mp4", Video), ("application/pdf", File)],
)
def test_block_of(media_type: str, expected: type[Block]) -> None:
    """The kind of a block follows its media type."""
    assert expected is type(block_of(Inline(media_type, "eA==")))


@pytest.mark.parametrize(
    ("media", "expected"),
    [
        (Image(Inline("image/png", "eA==")), {"inlineData": {"mimeType": "image/png", "data": "eA=="}}),
        (
            Image(Remote("https://x.test/a.PNG?b=1")),
            {"fileData": {"mimeType": "image/png", "fileUri": "https://x.test/a.PNG?b=1"}},
        ),
        (Image(Remote("https://x.test/a")), {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://x.test/a"}}),
        (File(Remote("gs://b/o")), {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://b/o"}}),
        (
            Video(Remote("https://x.test/v", "video/webm")),
            {"fileData": {"mimeType": "video/webm", "fileUri": "https://x.test/v"}},
        ),
        (Audio(Inline("audio/wav", "eA==")), {"inlineData": {"mimeType": "audio/wav", "data": "eA=="}}),
    ],
)
def test_part_of(media: Media, expected: object) -> None:
    """Inline media stays inline; an address goes on with the type that it tells."""
    assert expected == part_of(media, "messages", by_part=True)


@pytest.mark.parametrize(("by_part", "expected"), [(True, {"level": "MEDIA_RESOLUTION_HIGH"}), (False, None)])
def test_detail(by_part: bool, expected: object) -> None:
    """An image's wanted detail goes on its part, where the model takes it there."""
    part = part_of(Image(Inline("image/png", "eA=="), detail="high"), "messages", by_part=by_part)
    assert expected == part.get("mediaResolution")


def test_a_stored_file_is_refused() -> None:
    """A file of another provider's store can't be shown."""
    with pytest.raises(UnsupportedField):
        part_of(File(Stored("file-1")), "messages", by_part=True)


def test_text_of_document() -> None:
    """A text document is read with its title; another file has no text."""
    data = base64.b64encode("né".encode()).decode()
    plain = text_of_document(File(Inline("text/plain", data), filename="a.txt"))
    assert (plain, text_of_document(File(Inline("application/pdf", data)))) == ("a.txt\n\nné", None)


@pytest.mark.parametrize(
    ("url", "expected"), [("https://x.test/a.pdf#p", "application/pdf"), ("https://x.test/", None)]
)
def test_type_of_url(url: str, expected: str | None) -> None:
    """An address tells its type by the extension of its path."""
    assert expected == type_of_url(url, "messages")


def test_an_address_that_is_none_is_refused() -> None:
    """An address that can't be read is refused by the field's name."""
    with pytest.raises(InvalidField) as caught:
        part_of(Image(Remote("https://[::1/a.png")), "messages", by_part=True)
    assert caught.value.param == "messages"
