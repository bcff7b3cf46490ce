from hypothesis import given
from hypothesis import strategies as st

from llmgw_simulator.tokens import bursts, count, pieces


@given(st.text())
def test_pieces_joined_are_the_text_again(text):
    """Nothing is lost or added by cutting, and no piece is empty."""
    cut = pieces(text)
    assert text == "".join(cut)
    assert all(cut)


def test_bursts_are_the_same_pieces_in_fewer_events():
    """With the number of tokens in each; one token each is what pieces are."""
    assert [("You said: so", 3), (" be it", 2)] == list(bursts("You said: so be it", 3))
    assert [(piece, 1) for piece in pieces("You said: so")] == list(bursts("You said: so", 1))
    assert [] == list(bursts("", 3))


def test_pieces_keep_the_space_before_a_word():
    """A word's first piece carries its space, so that streams look like real ones."""
    assert ["You", " said:", " long", " words", "tick"] == pieces("You said: long wordstick")


def test_input_is_counted_at_four_characters_a_token():
    """A started token counts."""
    assert [0, 1, 1, 2] == [count(""), count("a"), count("abcd"), count("abcde")]
