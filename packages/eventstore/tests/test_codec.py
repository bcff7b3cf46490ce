import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_domain import Event
from llmgw_eventstore import KINDS, Kind, Kinds, Unreadable, decode, encode
from llmgw_eventstore.testing import make_event, plain

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def rename(body):
    body["name"] = body.pop("title")
    return body


def count(body):
    return {**body, "count": 0}


LATER = Kinds([Kind(name="thing.made", log="fact", version=3, upcasters=(rename, count))])


def written(v, body):
    return encode(msgspec.structs.replace(make_event(1, kind="thing.made", body=body), v=v))


@given(JSON, st.text(), st.none() | st.text())
def test_an_event_is_read_as_it_was_written(body, subject, cause):
    """Any body and any text survive, and the body not a byte different."""
    event = msgspec.structs.replace(make_event(1, body=body), subject=subject, cause=cause)
    again = decode(encode(event))
    assert plain(event) == plain(again)
    assert bytes(event.body) == bytes(again.body)


def test_an_event_is_one_json_object():
    """The written form is the struct's fields, with the body inside as JSON."""
    assert {**plain(make_event(1)), "body": {"n": 1}} == msgspec.json.decode(encode(make_event(1)))


def test_an_old_body_is_lifted_step_by_step():
    """Version 1 goes through every upcaster, version 2 through the last, version 3 through none."""
    for v, body in ((1, {"title": "a"}), (2, {"name": "a"}), (3, {"name": "a", "count": 0})):
        event = decode(written(v, body), LATER)
        assert (3, {"name": "a", "count": 0}) == (event.v, msgspec.json.decode(event.body))


@pytest.mark.parametrize("v", [4, 99, 0, -1])
def test_what_is_not_known_is_left_alone(v):
    """A newer version, a version that never was, and an unknown kind are read and written again as they are."""
    data = written(v, {"shape": "of later"})
    assert data == encode(decode(data, LATER))
    assert data == encode(decode(data, Kinds([])))


def test_a_body_that_does_not_fit_its_version_is_said():
    """An upcaster that does not find what it needs makes the event unreadable, and the error names both."""
    with pytest.raises(Unreadable, match=r"event .*: its body is no thing.made of version 1: 'title'"):
        decode(written(1, {}), LATER)
    with pytest.raises(Unreadable, match="Expected `object`"):
        decode(written(1, [1]), LATER)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"id":"a"}', b"\xff", encode(make_event(1))[:-1]])
def test_what_is_no_event_is_said(data):
    """Bytes that are no event raise one error, whatever is wrong with them."""
    with pytest.raises(Unreadable, match="it begins with"):
        decode(data)


def test_the_registry_is_checked():
    """A kind needs an upcaster from each earlier version, and one registration."""
    with pytest.raises(ValueError, match=r"thing.made is at version 3 and has 1 upcasters: it needs 2"):
        Kind(name="thing.made", log="fact", version=3, upcasters=(rename,))
    with pytest.raises(ValueError, match="registered twice"):
        Kinds([Kind(name="a", log="fact"), Kind(name="a", log="state")])


def test_a_kind_says_its_log():
    """Registered kinds by the registry, kinds of later releases by their prefix."""
    assert ["state", "state", "fact", "fact"] == [
        KINDS.log_of(kind) for kind in ("state.written", "state.later", "request.settled", "later.thing")
    ]
    assert 1 == KINDS.version_of("request.opened")
    assert "<Kinds thing.made:3>" == repr(LATER)


def test_every_kind_lifts_what_it_says():
    """The kinds of this release are at the versions that their upcasters reach."""
    event = make_event(1)
    assert event is KINDS.current(event)
    assert isinstance(event, Event)
