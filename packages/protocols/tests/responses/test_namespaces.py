"""Tools in namespaces under flat names, and back."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from llmgw_protocols.responses.namespaces import flat, places


@pytest.mark.parametrize(
    ("namespace", "name", "expected"),
    [
        (None, "any name", "any name"),
        ("", "f", "f"),
        ("git", "log", "git__log"),
        ("mcp__git__", "log", "mcp__git__log"),
        ("my tools", "a.b", "my_tools__a_b"),
    ],
)
def test_flat_names(namespace: str | None, name: str, expected: str) -> None:
    """Both names, joined, in letters that every provider takes; a tool without namespace keeps its name."""
    assert expected == flat(namespace, name)


@given(st.text(min_size=1), st.text())
def test_every_flat_name_is_legal(namespace: str, name: str) -> None:
    """At most 64 letters, digits, `_` and `-`."""
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", flat(namespace, name))


def test_long_names_stay_apart() -> None:
    """What is cut off is told by a digest."""
    assert flat("n" * 60, "name_a") != flat("n" * 60, "name_b")


def test_the_request_tells_the_way_back() -> None:
    """Tools of the request and those offered in its input."""
    group = {"type": "namespace", "name": "git", "tools": [{"type": "function", "name": "log"}]}
    later = {"type": "namespace", "name": "box", "tools": [{"type": "custom", "name": "patch"}]}
    fields = {
        "tools": [group, {"type": "custom", "name": "raw"}, {"type": "web_search"}],
        "input": [{"role": "user", "content": "Hi"}, {"type": "additional_tools", "tools": [later]}],
    }
    raw = {name: Raw(msgspec.json.encode(value)) for name, value in fields.items()}
    assert {"git__log": ("git", "log"), "box__patch": ("box", "patch")} == places(raw)


@pytest.mark.parametrize("fields", [{}, {"tools": b"null"}, {"tools": b"[1]"}, {"input": b'["additional_tools"]'}])
def test_what_cant_be_read_offers_nothing(fields: dict[str, bytes]) -> None:
    """An answer is written whatever the request was."""
    assert {} == places({name: Raw(value) for name, value in fields.items()})
