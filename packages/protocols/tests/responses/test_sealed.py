"""Other families' reasoning inside `encrypted_content`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_protocols.responses import sealed
from llmgw_protocols.responses.sealed import Seal


@given(st.builds(Seal, st.text(), st.sampled_from(["signature", "redacted", "call"]), st.text(), st.text()))
def test_what_was_sealed_comes_back(seal: Seal) -> None:
    """Whatever the value is."""
    assert seal == sealed.read(sealed.write(seal))


@pytest.mark.parametrize("text", ["gw1.", "gw1.!", "gw1.e30", "gw1.é", "gw1.YQ"])
def test_what_was_not_written_here_is_none(text: str) -> None:
    """A client may send anything."""
    assert sealed.read(text) is None


@pytest.mark.parametrize(("text", "expected"), [("gw1.x", True), ("gAAA", False), (None, False)])
def test_a_seal_is_told_by_its_beginning(text: str | None, expected: bool) -> None:
    """OpenAI's own never begin so."""
    assert expected == sealed.is_sealed(text)


def test_the_digest_stands_for_the_text() -> None:
    """Another text has another one; lone surrogates have one too."""
    assert sealed.digest("a") != sealed.digest("b")
    assert 16 == len(sealed.digest("\ud800"))
