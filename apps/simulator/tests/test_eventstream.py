import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from llmgw_simulator.eventstream import event, exception, frame

NAMES = st.text(st.characters(codec="ascii", exclude_categories=("C",)), min_size=1, max_size=40)


def parsed(data):
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return list(buffer)


@given(st.dictionaries(NAMES, st.text(max_size=60), max_size=4), st.binary(max_size=300))
def test_botocore_reads_every_frame(headers, payload):
    """Lengths, headers and both checksums are right."""
    (message,) = parsed(frame(headers, payload))
    assert (headers, payload) == (message.headers, message.payload)


def test_a_stream_of_frames_can_be_cut_anywhere():
    """They carry their length, so a parser needs no other mark."""
    stream = event("messageStart", {"role": "assistant", "p": "ab"}) + exception(
        "throttlingException", {"message": "no"}
    )
    for at in range(len(stream)):
        buffer = EventStreamBuffer()
        found = []
        for piece in (stream[:at], stream[at:]):
            buffer.add_data(piece)
            found += list(buffer)
        assert [b'{"p":"ab","role":"assistant"}', b'{"message":"no"}'] == [message.payload for message in found]
    kinds = [message.headers[":message-type"] for message in parsed(stream)]
    assert ["event", "exception"] == kinds


def test_a_changed_byte_is_noticed():
    """The second checksum covers the payload."""
    spoilt = bytearray(event("messageStop", {"stopReason": "end_turn"}))
    spoilt[-6] ^= 1
    with pytest.raises(ChecksumMismatch):
        parsed(bytes(spoilt))
