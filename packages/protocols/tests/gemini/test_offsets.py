"""Tests of byte and character offsets."""

from hypothesis import given
from hypothesis import strategies as st

from llmgw_protocols.gemini import offsets
from llmgw_protocols.gemini.offsets import Offsets

TEXTS = st.lists(st.text(alphabet="aé漢🙂 ", max_size=8), max_size=6)


@given(TEXTS)
def test_offsets_are_those_of_the_encoded_text(pieces: list[str]) -> None:
    """Whatever the pieces, a character's offset in bytes is the length of what stands before it."""
    both = Offsets()
    for piece in pieces:
        both.add(piece)
    text = "".join(pieces)
    for char in range(len(text) + 1):
        byte = len(text[:char].encode())
        assert (byte, char) == (both.byte_at(char), both.char_at(byte))


def test_outside_of_the_text() -> None:
    """An offset behind the text has no counterpart."""
    both = Offsets()
    both.add("é")
    assert (both.char_at(3), both.char_at(-1), both.byte_at(2)) == (None, None, None)


def test_memory_is_bounded() -> None:
    """Past the bound on runs, offsets are given up."""
    both = Offsets()
    both.add("aé" * (offsets.MAX_RUNS // 2 + 1))
    assert both.char_at(0) is None
