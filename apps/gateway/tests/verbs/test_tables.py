from __future__ import annotations

import pytest

from llmgw_admin.api.resources import RESOURCES
from llmgw_gateway.verbs import tables


def test_columns_are_as_wide_as_their_widest_value() -> None:
    """Aligned, without trailing space, with a dash for what is empty."""
    rows = [{"id": "a", "max_concurrency": 12}, {"id": "longer", "max_concurrency": None}]
    assert "ID      MAX CONCURRENCY\na       12\nlonger  -" == tables.table(rows, ("id", "max_concurrency"))


def test_a_record_has_a_line_for_each_field() -> None:
    """What is empty is left out; false and 0 are not empty."""
    fields = {"id": "a", "ca": None, "models": [], "enabled": False, "weight": 0}
    assert "id       a\nenabled  no\nweight   0" == tables.record(fields)
    assert "" == tables.record({})


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"enabled": True, "drain": False, "quarantined": []}, "ready"),
        ({"enabled": None, "drain": None}, "ready"),
        ({"enabled": True, "drain": True}, "draining"),
        ({"enabled": False, "drain": True}, "disabled"),
        ({"enabled": False, "disabled_reason": "credit spent"}, "disabled: credit spent"),
        ({"enabled": True, "disabled_reason": "of before"}, "ready"),
        ({"enabled": False, "quarantined": [{"path": "", "message": "x"}]}, "quarantined"),
    ],
)
def test_the_state_of_a_record(row: dict[str, object], expected: str) -> None:
    """What keeps it from serving most thoroughly comes first."""
    assert expected == tables.shown("state", row)


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        (
            "targets",
            [{"pool": "p", "model": "m", "priority": 1}, {"pool": "q", "model": "n", "priority": 2}],
            "p/m, q/n (priority 2)",
        ),
        ("quarantined", [{"path": "pool", "message": "missing"}, {"path": "", "message": "odd"}], "pool: missing, odd"),
        ("prices", {"output": 2, "cache_read": None}, "output=2"),
        ("fallbacks", [{"model": "b", "on": ["refused", "overloaded"]}], "b (refused, overloaded)"),
        ("models", ["a", "b"], "a, b"),
        ("models", [], "-"),
        ("deadlines", {"gap_seconds": None}, "-"),
        ("name", "two\nlines\x1b[31m", "two\\x0alines\\x1b[31m"),
    ],
)
def test_values_are_one_line_that_no_terminal_obeys(column: str, value: object, expected: str) -> None:
    """Lists and tables in words; what is not printable is spelt out."""
    assert expected == tables.shown(column, {column: value})


def test_every_kind_has_its_columns() -> None:
    """And each of them is a field of the record, or what the gateway says of it."""
    said = {"id", "state", "origin"}
    assert {resource.kind for resource in RESOURCES} == set(tables.COLUMNS)
    for resource in RESOURCES:
        fields = {*resource.record.__struct_fields__, *said}
        assert [] == [column for column in tables.COLUMNS[resource.kind] if column not in fields]


def test_json_is_indented() -> None:
    """For programs, and readable."""
    assert '{\n  "a": 1\n}' == tables.as_json({"a": 1})
