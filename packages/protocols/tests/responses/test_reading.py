"""Reading raw values with the path of what is wrong."""

import pytest
from msgspec import Raw

from llmgw_domain.errors import InvalidField, InvalidJson
from llmgw_protocols.responses.reading import read


def test_a_value_is_read() -> None:
    """As the kind that is asked for."""
    assert [1] == read(Raw(b"[1]"), list[int], "x")


@pytest.mark.parametrize(("at", "param"), [("x", "x[0]"), ("", "[0]")])
def test_a_wrong_type_names_its_path(at: str, param: str) -> None:
    """The path that was given and what lies below it."""
    with pytest.raises(InvalidField, match="expected `int`") as refusal:
        read(Raw(b'["a"]'), list[int], at)
    assert param == refusal.value.param


@pytest.mark.parametrize("raw", [b"{", b"[" * 100_000])
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    """Broken or too deep."""
    with pytest.raises(InvalidJson):
        read(raw, object, "x")
