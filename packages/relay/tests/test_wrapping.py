import msgspec
import pytest

from llmgw_relay.testing import MemorySealer, put_of
from llmgw_relay.wrapping import MAX_BODY, Wrapping

PLACE = ("k", "t", "x")


class Note(msgspec.Struct):
    text: str
    more: int = 0


def wrapping(key: bytes = b"key") -> Wrapping[Note]:
    return Wrapping(Note, MemorySealer(key))


@pytest.mark.parametrize("size", [0, 1000, 5000, 600_000])
def test_a_record_is_read_as_it_was_written(size):
    """Small, deflated, and too large to be deflated on a worker's loop."""
    note = Note("x" * size)
    assert note == wrapping().unwrap(put_of("x", 1, wrapping().wrap(PLACE, note)))


def test_what_repeats_is_deflated():
    """Once sealed it could not be any more."""
    assert len(wrapping().wrap(PLACE, Note("a long conversation " * 1000))) < 1000


@pytest.mark.parametrize("moved", [{"id": "y"}, {"tenant": "u"}, {"kind": "l"}])
def test_a_body_opens_in_its_own_place_alone(moved):
    """Elsewhere it is as if it were not there, and counted."""
    reader = wrapping()
    put = msgspec.structs.replace(put_of("x", 1, reader.wrap(PLACE, Note("hm"))), **moved)
    assert (None, 1) == (reader.unwrap(put), reader.unreadable)


def test_a_place_is_told_from_its_parts():
    """No tenant's name runs into an id."""
    reader = wrapping()
    put = put_of("b", 1, reader.wrap(("k", "t", "a\0b"), Note("hm")), tenant="t\0a")
    assert reader.unwrap(put) is None


@pytest.mark.parametrize("body", [b"", b"\x01", b"\x02no", b"\x03later", b"\x01\x81\xa4text\x01"])
def test_what_can_t_be_read_is_not_there(body):
    """Another key's, a later release's, a damaged one."""
    reader = wrapping()
    sealed = MemorySealer().seal(body, b"llmgw kept\0" + msgspec.msgpack.encode(PLACE))
    assert (None, 1) == (reader.unwrap(put_of("x", 1, sealed)), reader.unreadable)
    assert wrapping(b"other").unwrap(put_of("x", 1, reader.wrap(PLACE, Note("hm")))) is None


@pytest.mark.parametrize("text", ["x" * MAX_BODY, "\ud800"])
def test_what_can_t_be_written_fails_no_call(text):
    """It is too large for every process, or no text that could be written; it is counted."""
    writer = wrapping()
    assert (None, 1) == (writer.wrap(PLACE, Note(text)), writer.unwritable)


def test_a_later_release_may_add_fields():
    """This one reads what it knows."""

    class Later(msgspec.Struct):
        text: str
        more: int = 0
        most: int = 9

    body = Wrapping(Later, MemorySealer()).wrap(PLACE, Later("hm"))
    assert Note("hm") == wrapping().unwrap(put_of("x", 1, body))
