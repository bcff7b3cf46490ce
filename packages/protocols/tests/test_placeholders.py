"""Texts that stand in for what has no place."""

import pytest

from llmgw_protocols import placeholders


@pytest.mark.parametrize(("text", "expected"), [("r", "[tool x] r"), ("", "[tool x]")])
def test_an_orphan_names_its_call(text: str, expected: str) -> None:
    """The model can still tell which call a lost result was of."""
    assert expected == placeholders.orphan("x", text)


def test_a_system_note_is_marked() -> None:
    """System text among the user's is told apart by its tags."""
    assert placeholders.system_note("Be brief.") == "<system>Be brief.</system>"


def test_media_of_a_result_names_the_tool() -> None:
    """The model can tell which tool gave a picture that stands outside of its result."""
    assert "[media of the result of camera]" == placeholders.result_media("camera")
