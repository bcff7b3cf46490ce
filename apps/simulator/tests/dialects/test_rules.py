import pytest

from llmgw_simulator.dialects._rules import ANY, LIST, NEEDED_TEXT, Rule, check, json_body, listed, one_of
from llmgw_simulator.wire import Refusal

RULES = {
    "name": NEEDED_TEXT,
    "any": ANY,
    "list": LIST,
    "kind": one_of("a", "b", "c"),
    "n": Rule("integer", low=1, high=10),
    "heat": Rule("decimal", low=0, high=2),
}


def refused(body):
    with pytest.raises(Refusal) as found:
        check(body, RULES, "x.")
    return found.value.message, found.value.param, found.value.code


def test_what_the_rules_allow_passes():
    """Null counts as absent."""
    check({"name": "x", "any": 1, "list": [], "kind": "a", "n": 10, "heat": 2}, RULES)
    check({"name": "x", "n": None}, RULES)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"name": "x", "more": 1}, ("Unknown parameter: 'x.more'.", "x.more", "unknown_parameter")),
        ({"name": None}, ("Missing required parameter: 'x.name'.", "x.name", "missing_required_parameter")),
        (
            {"name": 1},
            ("Invalid type for 'x.name': expected a string, but got an integer instead.", "x.name", "invalid_type"),
        ),
        (
            {"name": "x", "list": {}},
            ("Invalid type for 'x.list': expected an array, but got an object instead.", "x.list", "invalid_type"),
        ),
        (
            {"name": "x", "n": True},
            ("Invalid type for 'x.n': expected an integer, but got a boolean instead.", "x.n", "invalid_type"),
        ),
        (
            {"name": "x", "kind": "d"},
            ("Invalid value: 'd'. Supported values are: 'a', 'b', and 'c'.", "x.kind", "invalid_value"),
        ),
        (
            {"name": "x", "n": 0},
            (
                "Invalid 'x.n': integer below minimum value. Expected a value >= 1, but got 0 instead.",
                "x.n",
                "integer_below_min_value",
            ),
        ),
        (
            {"name": "x", "heat": 2.5},
            (
                "Invalid 'x.heat': decimal above maximum value. Expected a value <= 2, but got 2.5 instead.",
                "x.heat",
                "decimal_above_max_value",
            ),
        ),
    ],
)
def test_what_they_do_not_allow_is_refused(body, expected):
    """In the provider's words, with parameter and code."""
    assert expected == refused(body)


def test_a_body_that_is_no_object_is_refused():
    """With the hint that OpenAI gives."""
    assert {"a": 1} == json_body(b'{"a": 1}')
    with pytest.raises(Refusal, match="could not parse the JSON body"):
        json_body(b"[]")


def test_lists_are_read_out():
    """As a sentence would."""
    assert ["'a'", "'a' and 'b'", "'a', 'b', and 'c'"] == [listed(("a", "b", "c")[:n]) for n in (1, 2, 3)]
