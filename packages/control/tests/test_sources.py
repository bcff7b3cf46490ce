from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_control import AccountRecord
from llmgw_control._report import Report
from llmgw_control.records import ID_FIELDS, STRUCTS, Record
from llmgw_control.sources import Changed, Source, read

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


def told(kind: str, fields: dict[str, Any]) -> dict[str, str]:
    report = Report()
    read(report, kind, "x", {"v": 1, **fields})
    return {reason.path: reason.message for reason in report.reasons}


@st.composite
def any_fields(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    kind = draw(st.sampled_from(sorted(STRUCTS)))
    names = st.sampled_from([*STRUCTS[kind].__struct_fields__, "other"])
    return kind, draw(st.dictionaries(names, JSON, max_size=6))


@given(any_fields())
def test_reading_is_total(given_fields: tuple[str, dict[str, Any]]) -> None:
    """Any JSON makes a record of its kind, or reasons why not."""
    kind, fields = given_fields
    report = Report()
    record = read(report, kind, "x", {"v": 1, **fields})
    assert (record is None) == bool(report.reasons)
    if record is not None:
        assert "x" == getattr(record, ID_FIELDS[kind])


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """Missing, unknown and mistyped fields, at their depth, and never with their values."""
    wrong = {"pool": 5, "deadlines": {"gap_seconds": "canary"}, "credential": ["canary"], "api_key": "canary"}
    found = told("account", wrong)
    assert {"provider", "pool", "deadlines.gap_seconds", "credential", "api_key"} == set(found)
    assert ("missing", "expected `str`, got `int`") == (found["provider"], found["pool"])
    assert "canary" not in str(found)
    assert {"targets[1].pool"} == set(
        told("model", {"targets": [{"pool": "p", "model": "x"}, {"pool": 1, "model": "x"}]})
    )


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("policy", {"stream_errors": "canary"}), ("token", {"role": "canary", "hash": "x"})],
)
def test_choices_are_listed(kind: str, fields: dict[str, Any]) -> None:
    """A value that is none of a few is answered with the few, not with itself."""
    ((_, message),) = told(kind, fields).items()
    assert message.startswith("must be one of '")
    assert "canary" not in message


def test_a_piece_of_a_record_is_no_record() -> None:
    """Only a creation writes `v`; without it the rest has not arrived, and a later version is not guessed at."""
    for fields in ({"models": []}, {"v": 2, "models": []}):
        assert None is Source("policy", "x", fields).record
    assert Source("policy", "x", {"v": 1}).record


def test_a_record_of_the_file_is_taken_as_checked() -> None:
    """Its fields are those of the record, but for the id."""
    record: Record = AccountRecord(id="a", provider="openai", pool="p")
    source = Source.of_file("account", "a", record, shadows=True)
    assert ((record, ()), "p", False) == (source.read(), source.fields["pool"], "id" in source.fields)
    assert "<Source account/a of the file>" == repr(source)


def test_changes_of_one_record_are_put_together() -> None:
    """From the first before to the last after, over several changes too."""
    one, two, three = (Source("key", "k", {"v": 1, "tenant": str(i)}, i) for i in range(3))
    changed, later = Changed(), Changed()
    changed.note(("key", "k"), one, two)
    later.note(("key", "k"), two, three)
    changed.add(later)
    ((_, change),) = changed.items()
    assert (one, three, 1) == (change.before, change.after, len(changed))
    assert ("<Changed key/k>", "<Changed nothing>") == (repr(changed), repr(Changed()))
    assert 3 == len({one.version, two.version, three.version})
