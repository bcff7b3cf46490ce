import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_crdt.digest import canonical, record_number

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, json_values)
def test_equal_json_is_equal_text_and_nothing_else_is(one, other):
    """Text is equal exactly where the JSON with sorted names is."""

    def sorted_json(value):
        return msgspec.json.encode(value, order="sorted")

    assert (sorted_json(one) == sorted_json(other)) == (canonical(one) == canonical(other))
    assert canonical(one) == canonical(msgspec.json.decode(msgspec.json.encode(one)))


def test_the_order_of_names_does_not_matter():
    """A field's object and a record's fields count the same in any order; a list's order counts."""
    assert canonical({"a": 1, "b": {"c": 2, "d": 3}}) == canonical({"b": {"d": 3, "c": 2}, "a": 1})
    assert canonical([1, 2]) != canonical([2, 1])
    stamps = {"x": (1, "a"), "y": (2, "a")}
    one = record_number("k", "i", (1, "a"), {"x": 1, "y": 2}, stamps)
    assert one == record_number("k", "i", (1, "a"), {"y": 2, "x": 1}, stamps)


@pytest.mark.parametrize(
    "other",
    [
        ("ki", "", (1, "a"), {"x": 1}, {"x": (1, "a")}),
        ("k", "j", (1, "a"), {"x": 1}, {"x": (1, "a")}),
        ("k", "i", (2, "a"), {"x": 1}, {"x": (1, "a")}),
        ("k", "i", (1, "b"), {"x": 1}, {"x": (1, "a")}),
        ("k", "i", (1, "a"), {"y": 1}, {"y": (1, "a")}),
        ("k", "i", (1, "a"), {"x": True}, {"x": (1, "a")}),
        ("k", "i", (1, "a"), {"x": 1}, {"x": (1, "b")}),
        ("k", "i", (1, "a"), {}, {}),
    ],
)
def test_any_difference_of_a_record_counts(other):
    """Kind, id, incarnation, names, values and stamps are all in a record's number."""
    assert record_number("k", "i", (1, "a"), {"x": 1}, {"x": (1, "a")}) != record_number(*other)


def test_only_json_is_counted():
    """A value that JSON has no form for is refused by name."""
    with pytest.raises(TypeError, match="a field holds JSON values, not set"):
        canonical({1})
