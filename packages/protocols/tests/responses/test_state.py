"""Conversations continued by the id of a response."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from llmgw_domain.errors import InvalidField
from llmgw_domain.stream import Answer, Finished, FinishReason, StreamEvent, TextDelta, ToolDelta, ToolOpened
from llmgw_protocols.dialect import EncodeContext, Envelope, WireRequest
from llmgw_protocols.responses import state
from llmgw_protocols.responses.encode import ResponsesEncoder
from llmgw_protocols.responses.envelope import envelope
from llmgw_protocols.responses.parse import parse


def request(**fields: Any) -> Envelope:
    return envelope(WireRequest(body=msgspec.json.encode({"model": "m", **fields})))


def values(items: list[Raw]) -> list[Any]:
    return [msgspec.json.decode(item) for item in items]


HI = {"type": "message", "role": "user", "content": "Hi"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [({"input": "Hi"}, [HI]), ({"input": [HI, HI]}, [HI, HI]), ({"previous_response_id": "resp_1"}, [])],
)
def test_the_input_is_kept_as_items(fields: Any, expected: list[Any]) -> None:
    """A text is a message of the user's."""
    assert expected == values(state.stored_items(request(**fields)))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b'{"id":"resp_1","output":[{"a":1}]}', [{"a": 1}]),
        (b'{"type":"response.completed","response":{"output":[{"a":1}]}}', [{"a": 1}]),
        (b'{"type":"response.completed","response":{}}', []),
        (b"[DONE]", []),
        (b"", []),
    ],
)
def test_the_output_is_read_from_a_body_or_the_last_event(answer: bytes, expected: list[Any]) -> None:
    """What holds none gives none."""
    assert expected == values(state.output_items(answer))


def test_a_conversation_goes_on() -> None:
    """The next request parses as if the client had sent everything."""
    first = request(input="Hi", instructions="Be brief.")
    events: list[StreamEvent] = [
        TextDelta("Hello"),
        ToolOpened(0, "c", "f"),
        ToolDelta(0, "{}"),
        Finished(FinishReason.TOOL_CALLS),
    ]
    body = ResponsesEncoder(EncodeContext(model="m", request_id="r", created=1)).body(Answer.fold(events))
    history = state.stored_items(first) + state.output_items(body)
    result = {"type": "function_call_output", "call_id": "c", "output": "ok"}
    second = request(input=[result], previous_response_id="resp_r", store=False)
    whole = state.expand(second, history)
    items = [HI, *msgspec.json.decode(body)["output"], result]
    assert {"model": "m", "input": items, "store": False} == msgspec.json.decode(whole.wire.body)
    assert items == values(state.stored_items(whole))
    assert ["user", "assistant", "user"] == [turn.role for turn in parse(whole).turns]


def test_a_request_without_input_continues_too() -> None:
    """The history is all there is to say."""
    whole = state.expand(request(previous_response_id="resp_1"), [Raw(msgspec.json.encode(HI))])
    assert [HI] == values(state.stored_items(whole))


@pytest.mark.parametrize(
    ("fields", "expected"), [({"previous_response_id": "resp_1"}, "resp_1"), ({"previous_response_id": None}, None)]
)
def test_the_previous_response_is_told(fields: Any, expected: str | None) -> None:
    """Null is as good as absent."""
    assert expected == state.previous_response_id(request(input="Hi", **fields))


def test_a_conversation_has_one_past() -> None:
    """OpenAI refuses both ways at once."""
    with pytest.raises(InvalidField, match="not both"):
        state.previous_response_id(request(previous_response_id="resp_1", conversation="c"))


@pytest.mark.parametrize(("fields", "expected"), [({}, True), ({"store": True}, True), ({"store": False}, False)])
def test_responses_are_kept_unless_the_client_says_no(fields: Any, expected: bool) -> None:
    """As OpenAI does it."""
    assert expected == state.wants_storage(request(input="Hi", **fields))


# --- references -------------------------------------------------------------------------------------------------------

MADE = {"type": "message", "id": "msg_r1_0", "role": "assistant", "content": []}


def test_references_are_found_and_resolved() -> None:
    """Each by the item of its id; one that is not stored stays, to be refused."""
    asked = request(
        input=[HI, {"type": "item_reference", "id": "msg_r1_0"}, {"type": "item_reference", "id": "rs_x_1"}]
    )
    assert ("msg_r1_0", "rs_x_1") == state.references(asked)
    whole = state.resolve(asked, [Raw(msgspec.json.encode(MADE))])
    assert [HI, MADE, {"type": "item_reference", "id": "rs_x_1"}] == values(state.stored_items(whole))
    assert ("rs_x_1",) == state.references(whole)


@pytest.mark.parametrize(
    "item", ['{"id": "rs_1"}', '{"\\u0069d":"rs_1"}', '{"type":"item\\u005freference","id":"rs_1"}']
)
def test_a_reference_is_one_however_it_is_written(item: str) -> None:
    """With the id alone, and with escapes where nobody needs them."""
    asked = envelope(WireRequest(body=f'{{"model":"m","input":[{item}]}}'.encode()))
    assert ("rs_1",) == state.references(asked)


@pytest.mark.parametrize("form", [b"%b", b'event: response.completed\ndata: {"response":%b}\n\n'])
def test_the_items_of_an_answer_are_known_by_their_ids(form: bytes) -> None:
    """Of a body, and of the frame that ends a stream."""
    output = [{"type": "reasoning", "id": "rs_1", "summary": []}, {"type": "message", "id": "msg_1"}, {"type": "odd"}]
    assert ("rs_1", "msg_1") == state.item_ids(form % msgspec.json.encode({"output": output}))
    assert () == state.item_ids(b"event: x\ndata: [1]\n\n")


def test_a_request_without_references_has_none() -> None:
    """Nearly all."""
    assert () == state.references(request(input=[HI]))


@pytest.mark.parametrize(
    ("item_id", "expected"),
    [("msg_12ab_0", "resp_12ab"), ("ctc_x_12", "resp_x"), ("msg_0123456789", None), ("ws_a_1", None)],
)
def test_an_items_id_tells_its_response(item_id: str, expected: str | None) -> None:
    """If it was given here."""
    assert expected == state.response_of(item_id)
