import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_eventstore.spool._frames import (
    FRAME_BYTES,
    HEADER_BYTES,
    MARKER,
    claimed_end,
    find_frame,
    last_end,
    pack_frames,
    pack_header,
    packed_bytes,
    parse_frames,
    parse_header,
    settled_end,
    whole_frame,
)

PAYLOADS = st.lists(st.binary(max_size=40) | st.just(MARKER * 4), max_size=8)
NUMBERS = st.integers(1, 2**40)


def segment(payloads, number=3):
    return pack_header(number, 0) + pack_frames(payloads, number, HEADER_BYTES)


def parsed(data, number=3, base=HEADER_BYTES):
    payloads = []
    return payloads, parse_frames(data, number, base, payloads)


@given(PAYLOADS, NUMBERS, st.integers(0, 2**32))
def test_frames_are_read_as_they_were_written(payloads, number, offset):
    """At their own place frames give back their payloads, and say how long they are."""
    data = pack_frames(payloads, number, offset)
    assert (payloads, len(data)) == parsed(data, number, offset)
    assert packed_bytes(payloads) == len(data)


@given(PAYLOADS, st.integers(0, 500))
def test_a_cut_leaves_a_prefix(payloads, cut):
    """Cut anywhere, what is read is the whole frames before the cut."""
    data = pack_frames(payloads, 3, HEADER_BYTES)[:cut]
    found, taken = parsed(data)
    assert payloads[: len(found)] == found
    assert packed_bytes(found) == taken <= len(data)


@given(PAYLOADS.filter(bool), st.data())
def test_a_changed_byte_gives_no_payload_that_was_not_written(payloads, data):
    """Whatever byte is changed, reading stops at its frame, and the frames behind it are found again."""
    frames = bytearray(pack_frames(payloads, 3, HEADER_BYTES))
    position = data.draw(st.integers(0, len(frames) - 1))
    frames[position] ^= data.draw(st.integers(1, 255))
    found, taken = parsed(bytes(frames))
    assert payloads[: len(found)] == found
    assert packed_bytes(found) == taken <= position
    assert len(found) < len(payloads)
    rest = find_frame(bytes(frames), 3, HEADER_BYTES, taken)
    behind = parsed(bytes(frames[rest:]), base=HEADER_BYTES + rest)[0] if rest is not None else []
    assert payloads[len(found) + 1 :] == behind


@pytest.mark.parametrize(("number", "base"), [(4, HEADER_BYTES), (3, HEADER_BYTES + 1)])
def test_a_frame_is_valid_at_its_place_alone(number, base):
    """The same bytes in another segment or at another offset are nothing: old blocks are not taken for events."""
    data = pack_frames([b"payload"], 3, HEADER_BYTES)
    assert ([], 0) == parsed(data, number, base)
    assert whole_frame(data, 3, HEADER_BYTES, 0)
    assert not whole_frame(data, number, base, 0)


@given(NUMBERS, st.integers(0, 2**63))
def test_a_header_is_read_as_it_was_written(number, previous_end):
    """A header gives back its numbers; cut short it is none."""
    header = pack_header(number, previous_end)
    assert (b"llmgwsp1", number, previous_end) == parse_header(header + b"more")
    assert parse_header(header[:-1]) is None


@given(st.data())
def test_a_damaged_header_is_none(data):
    """Any changed byte is noticed."""
    header = bytearray(pack_header(7, 1000))
    header[data.draw(st.integers(0, HEADER_BYTES - 1))] ^= data.draw(st.integers(1, 255))
    assert parse_header(bytes(header)) is None


def test_what_a_frame_claims():
    """The end comes from its header alone; no marker, a cut header and an impossible length claim nothing."""
    frame = pack_frames([b"12345"], 1, 0)
    assert FRAME_BYTES + 5 == claimed_end(frame[:FRAME_BYTES], 0)
    assert claimed_end(frame[: FRAME_BYTES - 1], 0) is None
    assert claimed_end(b"\0" * 20, 0) is None
    assert claimed_end(MARKER + b"\xff" * 8, 0) is None


@given(PAYLOADS, st.integers(0, 500), st.integers(0, 50))
def test_what_a_crash_leaves_is_no_part_of_a_segment(payloads, cut, zeros):
    """A frame that was cut off, or zeros of a power failure, lie behind the settled end."""
    whole = segment(payloads)
    assert len(whole) == settled_end(whole, 3) == last_end(whole, 3)
    assert len(whole) == settled_end(whole + b"\0" * zeros, 3)
    torn = whole + pack_frames([b"x" * 500], 3, len(whole))[: cut % 500]
    assert len(whole) == settled_end(torn, 3)


def test_damage_is_a_part_of_a_segment():
    """A whole frame with a wrong checksum, and bytes that never were a frame, are inside: they must be noticed."""
    whole = segment([b"first", b"second"])
    changed = whole[:-1] + b"?"
    assert len(whole) == settled_end(changed, 3)
    assert HEADER_BYTES + FRAME_BYTES + 5 == last_end(changed, 3)
    assert len(whole) + 9 == settled_end(whole + b"\0garbage\0", 3)
    assert len(whole) + 40 == settled_end(whole + b"garbage " * 5, 3)
    middle = whole[: HEADER_BYTES + 2] + b"?" + whole[HEADER_BYTES + 3 :]
    assert len(whole) == settled_end(middle, 3) == last_end(middle, 3)


@pytest.mark.parametrize("length", range(HEADER_BYTES))
def test_a_segment_without_a_whole_header_ends_where_it_ends(length):
    """A file that a power failure left without its header has no frames, and is no error."""
    assert length == settled_end(segment([])[:length], 3)
