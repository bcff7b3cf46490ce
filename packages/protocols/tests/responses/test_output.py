"""The items of an answer while they grow."""

import pytest
from msgspec import Raw

from llmgw_domain.stream import Cited, TokenScore
from llmgw_protocols.responses import sealed
from llmgw_protocols.responses.output import Call, Message, Picture, Reasoning, Texts, Whole


def test_an_item_is_written_at_any_moment() -> None:
    """With what was said so far and its status."""
    message = Message(0, "msg_1")
    part = message.begin("output_text", start=0)
    part.pieces += ["a", "b"]
    content = [{"type": "output_text", "text": "ab", "annotations": [], "logprobs": []}]
    written = {"type": "message", "id": "msg_1", "role": "assistant", "content": content}
    assert {**written, "status": "in_progress"} == message.write()
    message.status = "incomplete"
    assert {**written, "status": "incomplete"} == message.write()


def test_a_part_begins_empty() -> None:
    """The event that adds it comes before its text."""
    part = Message(0, "msg_1").begin("refusal", start=0)
    part.pieces.append("No")
    assert [{"type": "refusal", "refusal": ""}, {"type": "refusal", "refusal": "No"}] == [
        part.write(empty=True),
        part.write(),
    ]


def test_a_citation_counts_from_its_part() -> None:
    """Bounds before the part are its start."""
    part = Message(2, "msg_1").begin("output_text", start=5)
    cited = part.cite(Cited("https://a", "A", 3, 9))
    assert (0, 4) == (cited["start_index"], cited["end_index"])
    assert [cited] == part.annotations
    assert {"item_id": "msg_1", "output_index": 2, "content_index": 0} == part.place


def test_reasoning_without_text_has_no_summary() -> None:
    """Its opaque form is enough."""
    item = Reasoning(0, "rs_1")
    item.encrypted = "x"
    assert {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [],
        "status": "in_progress",
        "encrypted_content": "x",
    } == item.write()


@pytest.mark.parametrize(
    ("family", "expected"),
    [("openai", "s"), ("anthropic", sealed.write(sealed.Seal("anthropic", "signature", "s", sealed.digest("Hm."))))],
)
def test_reasoning_is_signed_as_its_maker_wants(family: str, expected: str) -> None:
    """OpenAI's own needs no note."""
    item = Reasoning(0, "rs_1")
    item.pieces.append("Hm.")
    item.sign("signature", "s", family)
    assert expected == item.write()["encrypted_content"]


def test_a_picture_has_its_result_when_it_is_done() -> None:
    """Not before."""
    picture = Picture(0, "ig_1", "aW1n")
    assert picture.write()["result"] is None
    picture.status = "completed"
    assert "aW1n" == picture.write()["result"]


def test_a_whole_item_stays_raw() -> None:
    """No number is read again."""
    assert Raw(b'{"a":1.0}') == Whole(0, Raw(b'{"a":1.0}')).write()


def test_calls_have_events_of_their_kind() -> None:
    """Functions have arguments, custom tools an input."""
    function = Call(0, "fc_1", "c", (None, "f"), custom=False)
    custom = Call(1, "ctc_1", "d", ("n", "g"), custom=True)
    custom.pieces.append("x")
    assert ["response.function_call_arguments.done", "response.custom_tool_call_input.delta"] == [
        function.event("done"),
        custom.event("delta"),
    ]
    assert ("n", "g", "x") == (custom.write()["namespace"], custom.write()["name"], custom.write()["input"])
    assert "<Call 1 in_progress>" == repr(custom)


def test_what_is_told_of_the_text_finds_its_part() -> None:
    """By its place in the whole; scores go from token to token, and wait for the first part."""
    texts, message = Texts(), Message(0, "msg_1")
    a, b = TokenScore("ab", -1.0), TokenScore("c", -1.0)
    assert (None, []) == (texts.about(None), texts.score([a]))
    first, second = message.begin("output_text", 0), message.begin("output_text", 2)
    texts.parts += [first, second]
    assert [first, first, second, second] == [texts.about(at) for at in (0, 1, 2, None)]
    assert [(first, ["ab"]), (second, ["c"])] == [(p, [s["token"] for s in told]) for p, told in texts.score([b])]
    assert ["ab"] == [score["token"] for score in first.scores]
