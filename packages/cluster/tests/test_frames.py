"""Messages on a byte stream."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_cluster.frames import Answer, Ask, BadFrame, Frames, Tell, encode

RAW = st.binary(max_size=40).map(lambda data: msgspec.Raw(msgspec.msgpack.encode(data)))
NUMBERS = st.integers(0, 2**40)
MESSAGES = (
    st.builds(Tell, st.text(max_size=8), RAW)
    | st.builds(Ask, NUMBERS, st.text(max_size=8), RAW)
    | st.builds(Answer, NUMBERS, RAW, st.none() | st.text(max_size=8))
)


@given(st.lists(MESSAGES, max_size=6), st.integers(1, 50))
def test_any_split_gives_the_same_messages(messages, size):
    """However the bytes are cut, what was sent comes out, in order."""
    data = b"".join(map(encode, messages))
    frames, got = Frames(), []
    for start in range(0, len(data), size):
        got += list(frames.feed(data[start : start + size]))
    assert got == messages


def test_a_length_over_the_limit_is_refused_at_once():
    """Something else that speaks on the socket is noticed by its first four bytes."""
    with pytest.raises(BadFrame, match="1195725856 bytes is announced"):
        list(Frames().feed(b"GET / HTTP/1.1\r\n"))


def test_a_document_that_is_no_message_is_refused():
    """A frame of the right length with anything else in it."""
    with pytest.raises(BadFrame, match="no valid document"):
        list(Frames().feed(b"\0\0\0\1\x01"))
