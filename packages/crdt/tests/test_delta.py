import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_crdt import Delta

stamps = st.tuples(st.integers(1, 2**62), st.text(max_size=5))
names = st.text(min_size=1, max_size=5)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(stamps, names, names, stamps, st.dictionaries(names, json_values), st.dictionaries(names, stamps), st.booleans())
def test_a_delta_survives_the_log(stamp, kind, id, born, fields, previous, deleted):
    """An event's node, hlc, subject and JSON body give the same delta again, slashes in its id included."""
    hlc, node = stamp
    kind, born = kind.replace("/", "-"), min(born, stamp)
    delta = Delta(node, hlc, hlc - 1, kind, id + "/x", born, {} if deleted else fields, previous, deleted)
    body = msgspec.json.decode(msgspec.json.encode(delta.body()))
    assert delta == Delta.parse(node, hlc, delta.subject, deleted, body)


def body(**changes):
    return {"after": 1, "incarnation": [2, "a"], "fields": {"x": 1}, "previous": {}} | changes


@pytest.mark.parametrize(
    ("subject", "wrong", "reason"),
    [
        ("account", body(), "a delta's subject is KIND/ID, not 'account'"),
        ("account/", body(), "a delta's subject is KIND/ID, not 'account/'"),
        ("account/a", {}, "the body of the delta of account/a lacks 'after'"),
        ("account/a", {"after": 1, "incarnation": [2, "a"]}, "the body of the delta of account/a lacks 'fields'"),
        ("account/a", body(fields=[1]), "the body of the delta of account/a: an object was expected, not [1]"),
        (
            "account/a",
            body(incarnation=[True, "a"]),
            "the body of the delta of account/a: a stamp is [hlc, node], not [True, 'a']",
        ),
        ("account/a", body(after=7), "the delta of account/a at 7 follows 7, which is not before it"),
        ("account/a", body(after="x"), "the delta of account/a at 7 follows 'x', which is not before it"),
        (
            "account/a",
            body(incarnation=[8, "a"]),
            "the delta of account/a at 7 is for an incarnation that begins later: (8, 'a')",
        ),
    ],
)
def test_what_is_no_delta_is_refused_with_the_reason(subject, wrong, reason):
    """A body that another release or a broken disk made says what is wrong with it."""
    with pytest.raises(ValueError) as refused:
        Delta.parse("n", 7, subject, False, wrong)
    assert reason == str(refused.value)


def test_a_delta_shows_no_values():
    """Its repr names fields only, since values may be credentials."""
    delta = Delta.parse("n", 7, "account/a", False, body(fields={"credential": "canary"}))
    assert "<Delta n@7 after 1: account/a#(2, 'a') sets credential>" == repr(delta)
    assert "<Delta n@7 after 1: account/a#(2, 'a') deleted>" == repr(Delta.parse("n", 7, "account/a", True, body()))
