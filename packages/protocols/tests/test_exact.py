import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_protocols.exact import read, write


@pytest.mark.parametrize(
    "text", ["1.0", "-0.0", "9007199254740993", "0.1000000000000000055511151231257827", "-1" + "0" * 40, "[1.50,2]"]
)
def test_numbers_keep_their_digits(text: str) -> None:
    """What is read is written the same."""
    assert text == bytes(write(read(text.encode()))).decode()


@pytest.mark.parametrize(("text", "expected"), [("1e400", "1E+400"), ("1e-7", "1E-7")])
def test_exponents_keep_their_value(text: str, expected: str) -> None:
    """Also where no float can hold it."""
    assert expected == bytes(write(read(text.encode()))).decode()


@given(
    st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(exclude_categories=["Cs"]))
)
def test_values_are_equal_there_and_back(value: object) -> None:
    """As any other reader sees them."""
    assert value == msgspec.json.decode(write(read(msgspec.json.encode(value))))


@pytest.mark.parametrize("text", ["1e99999999999999999999", "{", "NaN", "[" * 100_000])
def test_what_can_t_be_read(text: str) -> None:
    """The errors are those of every other reader."""
    with pytest.raises((msgspec.DecodeError, RecursionError)):
        read(text.encode())
