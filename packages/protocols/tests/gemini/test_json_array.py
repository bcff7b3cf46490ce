"""Tests of cutting a streamed JSON array."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_protocols.gemini.json_array import ArrayCutter, ArrayFrame
from llmgw_protocols.sse import FrameTooLarge

STREAM = b'[{"a": "x]\\"}{\\\\"}\n,\r\n{"b": [1, {"c": {}}]}\n,\r\n{}\n]\n'
OBJECTS = [b'{"a": "x]\\"}{\\\\"}', b'{"b": [1, {"c": {}}]}', b"{}"]


def cut(*pieces: bytes) -> list[ArrayFrame]:
    cutter = ArrayCutter()
    return [frame for piece in pieces for frame in cutter.feed(piece)] + cutter.finish()


def test_frames_hold_the_objects_and_all_bytes() -> None:
    """Each object is a frame with what stands before it, and all frames together are the stream."""
    frames = cut(STREAM)
    assert ([f.data for f in frames if f.data], b"".join(f.raw for f in frames)) == (OBJECTS, STREAM)


@pytest.mark.parametrize("at", range(len(STREAM)))
def test_any_split_gives_the_same_frames(at: int) -> None:
    """The frames do not depend on where a read ended."""
    assert cut(STREAM) == cut(STREAM[:at], STREAM[at:])


@given(st.lists(st.integers(0, len(STREAM)), max_size=6))
def test_any_splits_give_the_same_frames(cuts: list[int]) -> None:
    """Nor on how many reads there were."""
    edges = [0, *sorted(cuts), len(STREAM)]
    assert cut(STREAM) == cut(*(STREAM[a:b] for a, b in itertools.pairwise(edges)))


def test_the_closing_bracket_is_seen() -> None:
    """The array counts as closed with its last bracket, not before."""
    cutter = ArrayCutter()
    cutter.feed(STREAM[:-3])
    before = cutter.closed
    cutter.feed(STREAM[-3:])
    assert (before, cutter.closed) == (False, True)


def test_one_object_instead_of_an_array() -> None:
    """A body that is a single object is one frame."""
    assert [f.data for f in cut(b'{"error": {"code": 1}}\n') if f.data] == [b'{"error": {"code": 1}}']


def test_an_unfinished_object_is_no_frame() -> None:
    """What was cut off inside of an object is left out."""
    assert [f.data for f in cut(b'[{"a": 1},{"b": ')] == [b'{"a": 1}']


def test_a_frame_is_bounded() -> None:
    """A frame that grows over its bound is refused and ends the stream."""
    cutter = ArrayCutter(max_frame=10)
    with pytest.raises(FrameTooLarge):
        cutter.feed(b'[{"a": "xxxxxxxxxxxx')
    assert [] == [*cutter.feed(STREAM), *cutter.finish()]


@given(st.lists(st.binary(max_size=30), max_size=5))
def test_any_bytes_are_survived(pieces: list[bytes]) -> None:
    """No input makes the cutter fail."""
    assert isinstance(cut(*pieces), list)
