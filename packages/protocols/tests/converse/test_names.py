"""Tool names and their aliases."""

import re

from hypothesis import given
from hypothesis import strategies as st

from llmgw_protocols.converse.names import Names

LEGAL = re.compile(r"[A-Za-z0-9_-]{1,64}")


def test_a_legal_name_stays() -> None:
    """What Bedrock takes goes as it is, and there is nothing to map back."""
    names = Names()
    assert "get-weather_2" == names.legal("get-weather_2")
    assert {} == names.aliases


def test_an_alias_tells_what_it_stands_for() -> None:
    """An alias is readable, and known with the client's name."""
    names = Names()
    alias = names.legal("weather.get")
    assert alias.startswith("weather_get_")
    assert {alias: "weather.get"} == names.aliases


def test_names_that_look_alike_stay_apart() -> None:
    """Names that differ only in what is illegal get different aliases."""
    names = Names()
    assert 3 == len({names.legal(name) for name in ("a.b", "a b", "a/b")})


@given(st.text(max_size=200))
def test_every_name_becomes_legal_and_the_same_again(name: str) -> None:
    """Any text has a legal name, which is the same in every request of a conversation."""
    legal = Names().legal(name)
    assert LEGAL.fullmatch(legal)
    assert legal == Names().legal(name)
