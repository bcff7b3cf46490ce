"""Streams are cut into the same frames wherever the network split them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_protocols.sse import FrameTooLarge, SseCutter, SseFrame, delimited, is_whole, write


def cut(*pieces: bytes) -> list[SseFrame]:
    cutter = SseCutter()
    return [frame for piece in pieces for frame in cutter.feed(piece)] + cutter.finish()


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\n\ndata: b\n\n", [(None, b"a"), (None, b"b")]),
        (b"data: a\r\n\r\ndata:b\r\rdata:  c\n\n", [(None, b"a"), (None, b"b"), (None, b" c")]),
        (
            b"data: a\n\r\ndata: b\r\n\ndata: c\n\rdata: d\r\n\rdata: e",
            [(None, v) for v in (b"a", b"b", b"c", b"d", b"e")],
        ),
        (b"event: ping\ndata: {}\n\n", [(b"ping", b"{}")]),
        (b"data: a\r\ndata: b\rdata:\n\n", [(None, b"a\nb\n")]),
        (b": comment\n\n:\n\n", [(None, None), (None, None)]),
        (b"\xef\xbb\xbfdata: a\n\n", [(None, b"a")]),
        (b"data: a", [(None, b"a")]),
        (b"id: 1\nretry: 5\ndata: a\n", [(None, b"a")]),
        (b"data: caf\xc3\xa9 \xff\n\n", [(None, b"caf\xc3\xa9 \xff")]),
        (b"", []),
        (b" \n", []),
    ],
)
def test_frames(stream: bytes, expected: list[tuple[bytes | None, bytes | None]]) -> None:
    """Line ends, comments, several data lines and a missing last blank line are read as WHATWG says."""
    assert expected == [(f.event, f.data) for f in cut(stream)]


LINES = st.sampled_from([b"data: a", b"data:b", b": c", b"event: e", b"", b"\xc3\xa9", b"data: "])
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
STREAMS = st.lists(st.tuples(LINES, ENDS), max_size=20).map(lambda lines: b"".join(a + b for a, b in lines))


@given(STREAMS, st.data())
def test_any_split_gives_the_same_frames(stream: bytes, data: st.DataObject) -> None:
    """Where the reads were split changes neither frames nor bytes, and no byte but white space at the end is lost."""
    at = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *at], [*at, len(stream)], strict=True)]
    whole = cut(stream)
    assert whole == cut(*pieces)
    assert whole == cut(*(stream[i : i + 1] for i in range(len(stream))))
    raw = b"".join(f.raw for f in whole)
    assert raw == stream[: len(raw)]
    assert stream[len(raw) :].strip() == b""


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_frame_has_a_bound(size: int) -> None:
    """A frame over the bound is refused, in one read or in many, and ends the stream; one at the bound is not."""
    fits = b"data: " + b"x" * 92 + b"\n\n"
    for stream, good in ((fits, True), (b"data: " + b"x" * 93 + b"\n\n", False), (b"data: " + b"x" * 500, False)):
        cutter = SseCutter(max_frame=100)
        pieces = [stream[i : i + size] for i in range(0, len(stream), size)]
        if good:
            assert [stream] == [f.raw for p in pieces for f in cutter.feed(p)]
            continue
        with pytest.raises(FrameTooLarge):
            [cutter.feed(piece) for piece in pieces]
        assert [] == [*cutter.feed(fits), *cutter.finish()]


def test_write() -> None:
    """What is written is cut again into the same name and data."""
    assert write(b"{}") == b"data: {}\n\n"
    assert [SseFrame(b"event: x\ndata: {}\n\n", b"x", b"{}")] == cut(write(b"{}", b"x"))


@pytest.mark.parametrize(
    ("last", "expected"),
    [(b'data: {"a":1}', True), (b"data: [DONE]", True), (b'{"a":1}', True), (b'data: {"a":', False), (b"da", False)],
)
def test_a_last_frame_is_whole_or_cut(last: bytes, expected: bool) -> None:
    """Behind the last blank line, JSON that ends tells a frame that only lacks its delimiter."""
    cutter = SseCutter()
    cutter.feed(last)
    (frame,) = cutter.finish()
    assert is_whole(frame) is expected
    assert delimited(frame).raw == last + b"\n\n"
