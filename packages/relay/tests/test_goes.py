import msgspec
import pytest

from llmgw_domain.stream import Finished, TextDelta
from llmgw_protocols import EncodeContext, Rendered, dialect_named
from llmgw_protocols.continuation import MAX_GOES, continuation
from llmgw_protocols.sse import SseCutter
from llmgw_relay.goes import Goes, ending_later
from llmgw_relay.meter import Meter
from llmgw_relay.transform import Translation

GEMINI = dialect_named("gemini")
ASKED = Rendered(path="/p", body=b'{"contents":[]}', headers=(("a", "b"),))


def body(text: str, token: str | None = None) -> bytes:
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}
    if token is not None:
        candidate |= {"finishReason": "CONTINUATION", "continuationToken": token}
    return msgspec.json.encode({"candidates": [candidate]})


def following() -> Goes:
    return Goes(continuation("gemini", ASKED.body), GEMINI.decoder, ASKED)


def test_the_next_request_is_the_first_one_with_what_the_provider_wants():
    """Its path and headers too; the end that is none is not told."""
    goes = following()
    events, further = goes.read(body("a", "t1"))
    assert further == msgspec.structs.replace(ASKED, body=b'{"contents":[],"continuationToken":"t1"}')
    assert [TextDelta("a")] == [e for e in events if isinstance(e, TextDelta | Finished)]
    events, further = goes.read(body("b"))
    assert (["stop"], None) == ([e.reason for e in events if isinstance(e, Finished)], further)


def test_an_answer_is_continued_so_often_only():
    """Then the pause is its end, and the client hears of it as one."""
    goes = following()
    for go in range(MAX_GOES):
        assert goes.read(body("a", f"t{go}"))[1] is not None
    events, further = goes.read(body("a", "t"))
    assert (["length"], None) == ([e.reason for e in events if isinstance(e, Finished)], further)


def test_a_stream_is_followed_frame_by_frame():
    """Each go has a reader of its own."""
    goes = following()
    for token, expected in (("t1", True), (None, False)):
        reader = goes.decoder
        frames = [*reader.feed(b"data: " + body("a", token) + b"\n\n"), *reader.finish()]
        goes.see(frames)
        events = goes.join([event for frame in frames for event in frame.events])
        assert expected == (goes.further(events) is not None) == (goes.decoder is not reader)


@pytest.mark.parametrize("cut", range(1, 120, 7))
def test_a_stream_is_one_answer_wherever_it_was_cut(cut):
    """Neither the pause nor the parts of an event depend on how the network delivered them."""
    client = dialect_named("messages").encoder(EncodeContext(model="m", request_id="r", created=1))
    transform = Translation(following(), client, Meter())
    out = b""
    for text, token in (("one ", "t1"), ("two ", "t2"), ("three", None)):
        data = b"data: " + body(text, token) + b"\n\n"
        for piece in (data[:cut], data[cut:]):
            out += transform.feed(piece).out
        step = transform.eof()
        assert (token is not None, None) == (step.further is not None, step.error)
        out += step.out
    texts = [e["delta"].get("text") for e in events_of(out) if e["type"] == "content_block_delta"]
    assert ["one ", "two ", "three"] == texts
    assert ["message_start", "message_stop"] == [e["type"] for e in events_of(out) if e["type"] in ENDS]


ENDS = ("message_start", "message_stop")


def events_of(out: bytes) -> list[dict]:
    return [msgspec.json.decode(frame.data) for frame in SseCutter().feed(out) if frame.data]


def test_without_a_continuation_an_answer_is_what_it_is():
    """A pause that can't be followed ends it."""
    goes = Goes(None, GEMINI.decoder, ASKED)
    events, further = goes.read(body("a", "t1"))
    assert further is None
    assert events[:-1] == ending_later(events)
