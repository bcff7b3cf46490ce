import pytest

from llmgw_simulator.sealed import examine, seal

SEALED = seal("key-1", "gpt-5.5", "thoughts")


def test_it_is_good_for_whom_it_was_made():
    """And looks like the provider's."""
    assert SEALED.startswith("gAAAAA")
    assert "good" == examine(SEALED, "key-1", "gpt-5.5")
    assert SEALED == seal("key-1", "gpt-5.5", "thoughts")
    assert SEALED != seal("key-1", "gpt-5.5", "other thoughts")


def test_it_is_good_for_nobody_else():
    """Another credential is told apart from another model."""
    assert "foreign" == examine(SEALED, "key-2", "gpt-5.5")
    assert "unreadable" == examine(SEALED, "key-1", "gpt-5.4")


@pytest.mark.parametrize("at", range(0, len(SEALED), 7))
def test_a_change_anywhere_makes_it_unreadable(at):
    """So does a part of it, and what is no base64."""
    other = "B" if SEALED[at] == "A" else "A"
    assert "unreadable" == examine(SEALED[:at] + other + SEALED[at + 1 :], "key-1", "gpt-5.5")
    assert "unreadable" == examine(SEALED[:at], "key-1", "gpt-5.5")
    assert "unreadable" == examine("ä!", "key-1", "gpt-5.5")
