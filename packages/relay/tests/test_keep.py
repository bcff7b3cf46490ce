import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_eventstore import Unreadable
from llmgw_eventstore import encode as event_frame
from llmgw_eventstore.testing import make_event
from llmgw_relay.keep import Found, Sought, decode, encode, is_change, latest, name_of
from llmgw_relay.testing import drop_of, put_of, touch_of

CHANGES = [put_of("x", 1, bytes(range(256))), put_of("", 1 << 62), drop_of("x", 2), touch_of("x", 1.0)]


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: type(c).__name__)
def test_a_change_survives_its_frame(change):
    """Byte for byte, and it is told from an event of the same spool."""
    assert change == decode(encode(change))
    assert is_change(encode(change))
    assert not is_change(event_frame(make_event(1)))
    assert not is_change(b"")


def test_frames_that_were_written_once_are_read_forever():
    """A spool may be older than the release that reads it."""
    frame = b"K\x01\x98\xa3put\xa1k\xa1t\xa1x\xcb@\x00\x00\x00\x00\x00\x00\x00\x07\xa1w\xc4\x02hi"
    put = decode(frame)
    assert ("k", "t", "x", 2.0, 7, "w", b"hi") == msgspec.structs.astuple(put)
    assert frame == encode(put)


@pytest.mark.parametrize(
    "frame", [b"", b"K", b"K\x02\x91", b'{"id": 1}', b"K\x01", b"K\x01\x91\xa4what", b"K\x01\x92\xa4drop"]
)
def test_what_is_no_change_is_refused(frame):
    """An event, a frame of a later release, a damaged one."""
    with pytest.raises(Unreadable):
        decode(frame)


def test_the_latest_change_of_each_place_wins():
    """By its stamp, then by its writer."""
    changes = [put_of("x", 1), drop_of("x", 2), put_of("y", 1, writer="b"), put_of("y", 1, writer="a")]
    expected = {changes[1].place: changes[1], changes[2].place: changes[2]}
    assert expected == latest(changes) == latest(reversed(changes))


def test_something_must_be_looked_for():
    """Nobody lists what all tenants have."""
    with pytest.raises(ValueError, match="look for ids"):
        Sought(kinds=("k",))


@given(st.text(), st.text())
def test_names_are_short_and_plain_and_apart(one, other):
    """Whatever a provider or a client calls an object."""
    name = name_of(one)
    assert len(name) < 256
    assert name.isascii()
    assert "\0" not in name
    assert (one == other) == (name == name_of(other))


def test_an_id_of_a_provider_is_its_name():
    """So that an operator finds it; one that looks like a digest is none."""
    assert "file-abc_1.2" == name_of("file-abc_1.2")
    assert name_of("sha256:00") != "sha256:00"


def test_questions_and_answers_travel():
    """A worker asks its control process over a link."""
    for one in (Sought(kinds=("k",), ids=("x", "y")), Found((put_of("x", 2), drop_of("y", 1)), complete=False)):
        assert one == msgspec.msgpack.decode(msgspec.msgpack.encode(one), type=type(one))
