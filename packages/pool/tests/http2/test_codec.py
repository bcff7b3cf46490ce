"""HTTP/2's frames, without a socket: what we send is read by h2's server side, and what it sends by us."""

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamReset
from h2.settings import SettingCodes, Settings
from hypothesis import given
from hypothesis import strategies as st

from llmgw_pool.http2 import codec as wire
from llmgw_pool.http2.codec import BadFrames, Codec, NoRoom

HEADERS = [(":method", "POST"), (":scheme", "https"), (":authority", "up"), (":path", "/v1/x")]


class Pair:
    """A codec and a server that are connected by two bytes objects."""

    def __init__(self, *, window: int = 1 << 18, max_streams: int = 64, settings=None) -> None:
        self.codec = Codec(window=window, max_streams=max_streams, max_headers=1 << 16)
        self.server = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.server.local_settings = Settings(client=False, initial_values=settings)
        self.server.initiate_connection()
        self.codec.start()
        self.seen = []
        self.heard = []
        self.exchange()

    def exchange(self) -> None:
        """Carries what is pending both ways until nothing is."""
        while True:
            out, back = self.codec.pending(), self.server.data_to_send()
            if not out and not back:
                return
            if out:
                self.seen += self.server.receive_data(out)
                out = self.server.data_to_send()
                back += out
            if back:
                self.heard += self.codec.feed(back)

    def opened(self, *, end: bool = True) -> int:
        stream = self.codec.open(HEADERS, end=end)
        self.exchange()
        return stream

    def answers(self, stream: int, body: bytes = b"hello", *, end: bool = True) -> None:
        self.server.send_headers(stream, [(":status", "200"), ("x-a", "1"), ("x-a", "2")])
        self.server.send_data(stream, body, end_stream=end)

    def told(self, kind: type) -> list:
        return [event for event in self.heard if type(event) is kind]


def test_a_request_and_its_answer():
    """Headers, data and the end come as events, in order."""
    pair = Pair()
    stream = pair.opened()
    pair.answers(stream)
    pair.exchange()
    (head,), (piece,), (end,) = (pair.told(k) for k in (wire.Head, wire.Piece, wire.End))
    assert (stream, 200, (("x-a", "1"), ("x-a", "2"))) == (head.stream, head.status, head.headers)
    assert (b"hello", 5, stream) == (piece.data, piece.size, end.stream)


@given(st.lists(st.integers(1, 60), max_size=8))
def test_any_cut_of_the_bytes_is_the_same(cuts):
    """Network reads end where they like."""
    pair = Pair()
    stream = pair.opened()
    pair.answers(stream, b"x" * 100)
    data, heard = pair.server.data_to_send(), []
    for cut in cuts:
        heard += pair.codec.feed(data[:cut])
        data = data[cut:]
    heard += pair.codec.feed(data)
    kinds = [type(event).__name__ for event in heard]
    assert ("Head", "End") == (kinds[0], kinds[-1])
    assert b"x" * 100 == b"".join(e.data for e in heard if isinstance(e, wire.Piece))


def test_goaway_leaves_open_streams_alone():
    """A server that is restarted says so and then serves what it has; `h2` alone would end it all."""
    pair = Pair()
    first, second = pair.opened(), pair.opened()
    from hyperframe.frame import GoAwayFrame

    frame = GoAwayFrame(0)
    frame.last_stream_id = first
    (away,) = pair.codec.feed(frame.serialize())
    assert (first, wire.NO_ERROR) == (away.last, away.code)
    pair.answers(first)
    pair.answers(second)
    pair.exchange()
    assert {first, second} == {end.stream for end in pair.told(wire.End)}
    pair.codec.ping(b"12345678")
    pair.exchange()
    assert 1 == len(pair.told(wire.Ponged))


def test_goaway_throws_nothing_away_that_is_to_be_sent():
    """What a read brought before it has its answers: settings are acknowledged, PINGs answered, windows opened."""
    pair = Pair()
    pair.opened()
    pair.server.ping(b"abcdefgh")
    pair.server.close_connection()
    pair.codec.feed(pair.server.data_to_send())
    assert b"abcdefgh" in pair.codec.pending()


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "a\rb", "a\0b"])
def test_a_value_that_breaks_its_line_is_not_sent(value):
    """h2 would send it, and a proxy that writes HTTP/1.1 of it would make two headers."""
    pair = Pair()
    with pytest.raises(ValueError, match="line break"):
        pair.codec.open([*HEADERS, ("x-a", value)], end=True)
    pair.opened()
    assert 1 == len([e for e in pair.seen if isinstance(e, RequestReceived)])


def test_credentials_stay_out_of_the_compression():
    """Two equal requests: the second one's credential is sent in full, everything else is an index."""
    pair = Pair()
    lines = [*HEADERS, ("authorization", "Bearer " + "s" * 60), ("x-long", "l" * 60)]
    pair.codec.open(lines, end=True)
    first = len(pair.codec.pending())
    pair.codec.open(lines, end=True)
    second = len(pair.codec.pending())
    assert 45 < second < first - 40


def test_the_windows_are_large_from_the_start():
    """A stream may get its whole window before anybody reads, and the connection all of them."""
    pair = Pair(window=1 << 18)
    stream = pair.opened()
    pair.server.send_headers(stream, [(":status", "200")])
    assert 1 << 18 == pair.server.local_flow_control_window(stream)
    assert pair.server.outbound_flow_control_window >= 65 * (1 << 18)


def test_a_window_comes_back_when_its_bytes_are_taken():
    """Only then: this is what holds a provider back for a client that does not read."""
    pair = Pair(window=65535)
    stream = pair.opened()
    pair.server.send_headers(stream, [(":status", "200")])
    for _ in range(4):
        pair.server.send_data(stream, b"x" * 16000)
    pair.exchange()
    assert pair.server.local_flow_control_window(stream) < 2000
    pair.codec.taken(stream, 64000)
    pair.exchange()
    assert pair.server.local_flow_control_window(stream) > 60000


def test_room_is_the_smaller_of_window_and_frame():
    """A body goes out in parts that the other side takes."""
    pair = Pair(settings={SettingCodes.INITIAL_WINDOW_SIZE: 100})
    stream = pair.opened(end=False)
    assert 100 == pair.codec.room(stream)
    pair.codec.send(stream, b"y" * 100, end=False)
    assert 0 == pair.codec.room(stream)
    pair.exchange()
    assert b"y" * 100 == b"".join(e.data for e in pair.seen if isinstance(e, DataReceived))
    pair.server.increment_flow_control_window(50, stream)
    pair.exchange()
    assert 50 == pair.codec.room(stream)
    assert stream in {event.stream for event in pair.told(wire.Opened)}


def test_more_streams_than_the_other_side_allows():
    """The smaller of both limits holds; one more is `NoRoom`, not a broken connection."""
    pair = Pair(settings={SettingCodes.MAX_CONCURRENT_STREAMS: 2})
    assert 2 == pair.codec.max_streams
    pair.opened(end=False)
    pair.opened(end=False)
    with pytest.raises(NoRoom):
        pair.opened(end=False)
    assert 3 == Pair(max_streams=3).codec.max_streams


def test_resets_both_ways():
    """Ours is seen by the server; the server's has its code; one of a stream that is over is nothing."""
    pair = Pair()
    first, second = pair.opened(end=False), pair.opened()
    pair.codec.reset(first, wire.CANCEL)
    pair.codec.reset(first, wire.CANCEL)
    pair.server.reset_stream(second, wire.REFUSED_STREAM)
    pair.exchange()
    assert [(first, 8)] == [(e.stream_id, int(e.error_code)) for e in pair.seen if isinstance(e, StreamReset)]
    assert [wire.Reset(second, 7)] == pair.told(wire.Reset)


@pytest.mark.parametrize(
    "junk", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 64, b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00"]
)
def test_nonsense_is_one_error(junk):
    """Whatever comes, it is `BadFrames` or nothing; no other exception gets out."""
    pair = Pair()
    with pytest.raises(BadFrames):
        pair.codec.feed(junk)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_else(data):
    """The decoder is total."""
    pair = Pair()
    pair.opened()
    try:
        pair.codec.feed(data)
    except BadFrames:
        pass
