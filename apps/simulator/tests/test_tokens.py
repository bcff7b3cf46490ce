from hypothesis import given
from hypothesis import strategies as st

from llmgw_simulator.tokens import count, pieces


@given(st.text())
def test_pieces_joined_are_the_text_again(text):
    """Nothing is lost or added by cutting, and no piece is empty."""
    cut = pieces(text)
    assert text == "".join(cut)
    assert all(cut)


def test_pieces_keep_the_space_before_a_word():
    """A word's first piece carries its space, so that streams look like real ones."""
    assert ["You", " said:", " long", " words", "tick"] == pieces("You said: long wordstick")


def test_input_is_counted_at_four_characters_a_token():
    """A started token counts."""
    assert [0, 1, 1, 2] == [count(""), count("a"), count("abcd"), count("abcde")]
