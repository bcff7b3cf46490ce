from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_gateway.bind import Bind, bind_problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8080", Bind("127.0.0.1", 8080)),
        ("localhost:0", Bind("localhost", 0)),
        ("[::1]:8081", Bind("::1", 8081)),
        (":8080", Bind("", 8080)),
        ("fd://3", Bind(fd=3)),
    ],
)
def test_the_three_forms(text: str, expected: Bind) -> None:
    """An address, an IPv6 address in brackets and an inherited socket are understood, and can be written again."""
    assert expected == Bind.parse(text)
    assert text == str(Bind.parse(text))


@pytest.mark.parametrize(
    "text", ["", "8080", "localhost", "localhost:", "localhost:99999", "::1:80", "[x]:80", "fd://"]
)
def test_anything_else_is_a_problem(text: str) -> None:
    """What is no address is refused with a reason."""
    assert bind_problem(text)


@given(st.text(max_size=30))
def test_every_text_gets_a_verdict(text: str) -> None:
    """The check gives a reason or none for any text, and never raises."""
    assert bind_problem(text) is None or bind_problem(text) != ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:1", True),
        ("127.9.9.9:1", True),
        ("localhost:1", True),
        ("[::1]:1", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        (":1", False),
        ("10.0.0.1:1", False),
        ("gateway.internal:1", False),
        ("fd://3", False),
    ],
)
def test_only_loopback_is_loopback(text: str, expected: bool) -> None:
    """What might be reached from elsewhere, or is not known, does not count as loopback."""
    assert expected == Bind.parse(text).is_loopback


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        (":8080", "http://127.0.0.1:8080"),
        ("[::]:8080", "http://[::1]:8080"),
    ],
)
def test_the_url_is_one_that_can_be_opened(text: str, expected: str) -> None:
    """An address that stands for all of them is shown as loopback, where a program on the machine finds it."""
    assert expected == Bind.parse(text).url()
