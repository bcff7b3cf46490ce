"""Output items as events, piece by piece and whole."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from llmgw_domain.stream import (
    Cited,
    MediaMade,
    MessageOpened,
    OpaqueMade,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    TokenScore,
    TokensScored,
    ToolDelta,
    ToolOpened,
)
from llmgw_protocols.responses.decode_items import Output
from llmgw_protocols.responses.decode_wire import Event


def raw(**item: Any) -> Raw:
    return Raw(msgspec.json.encode(item))


def said(text: str, *annotations: dict[str, Any], id: str = "msg_1") -> Raw:
    part = {"type": "output_text", "text": text, "annotations": list(annotations)}
    return raw(type="message", id=id, role="assistant", content=[part])


def call(**more: Any) -> Raw:
    return raw(type="function_call", id="fc_1", call_id="call_1", name="f", **more)


def thought(*summary: str, **more: Any) -> Raw:
    return raw(type="reasoning", id="rs_1", summary=[{"type": "summary_text", "text": t} for t in summary], **more)


OPENED = ToolOpened(0, "call_1", "f")


# --- messages ---------------------------------------------------------------------------------------------------------


def test_text_comes_once() -> None:
    """What the deltas said is not said again by the full values behind them."""
    output = Output()
    assert output.added(Event(output_index=0, item=said(""))) == []
    assert output.text(Event(output_index=0, delta="he")) == [TextDelta("he")]
    assert output.text(Event(output_index=0, delta="y")) == [TextDelta("y")]
    assert output.text_done(Event(output_index=0, text="hey")) == []
    assert output.done(Event(output_index=0, item=said("hey"))) == []
    assert output.rest([said("hey")]) == []


def test_text_in_a_done_event_alone() -> None:
    """A server may send no deltas."""
    output = Output()
    assert output.text_done(Event(output_index=0, text="hey")) == [TextDelta("hey")]
    assert output.done(Event(output_index=0, item=said("hey"))) == []


def test_text_in_the_item_or_in_the_end_alone() -> None:
    """A server may send finished items only, or the final response only."""
    assert Output().done(Event(output_index=0, item=said("hey"))) == [TextDelta("hey")]
    assert Output().rest([said("hey")]) == [TextDelta("hey")]


def test_messages_are_parted_by_a_blank_line() -> None:
    """Commentary and answer are two messages, and one text elsewhere."""
    output = Output()
    output.text(Event(output_index=0, delta="first"))
    assert output.text(Event(output_index=2, delta="second")) == [
        TextDelta("\n\n"),
        MessageOpened(),
        TextDelta("second"),
    ]
    assert output.text(Event(output_index=2, delta=".")) == [TextDelta(".")]


def test_a_phase_is_told_before_its_text() -> None:
    """In a stream and in a body alike, once for each message."""
    first, second = (raw(type="message", phase=p, content=[{"text": p}]) for p in ("commentary", "final_answer"))
    expected = [
        MessageOpened("commentary"),
        TextDelta("commentary"),
        TextDelta("\n\n"),
        MessageOpened("final_answer"),
        TextDelta("final_answer"),
    ]
    assert expected == Output().rest([first, second])
    output = Output()
    streamed: list[StreamEvent] = []
    for index, item in enumerate((first, second)):
        phase = msgspec.json.decode(item)["phase"]
        streamed += output.added(Event(output_index=index, item=raw(type="message", phase=phase, content=[])))
        streamed += output.text(Event(output_index=index, delta=phase))
        streamed += output.done(Event(output_index=index, item=item))
    assert expected == streamed


def test_indexes_of_parts_need_not_agree() -> None:
    """Events of one server count a message's first part as the second."""
    output = Output()
    output.text(Event(output_index=1, content_index=1, delta="hey"))
    assert output.done(Event(output_index=1, item=said("hey"))) == []


def test_refusals() -> None:
    """A refusal is told by deltas, by its done event or by the item."""
    item = raw(type="message", content=[{"type": "refusal", "refusal": "no"}])
    output = Output()
    assert output.refusal(Event(output_index=0, delta="no")) == [RefusalDelta("no")]
    assert output.refusal_done(Event(output_index=0, refusal="no")) == []
    assert output.done(Event(output_index=0, item=item)) == []
    assert Output().refusal_done(Event(output_index=0, refusal="no")) == [RefusalDelta("no")]
    assert Output().done(Event(output_index=0, item=item)) == [RefusalDelta("no")]


def test_citations_count_from_the_start_of_the_whole_text() -> None:
    """A provider counts within the part, clients within the answer."""
    note = {"type": "url_citation", "url": "u", "title": "t", "start_index": 1, "end_index": 3}
    output = Output()
    output.text(Event(output_index=0, delta="first"))
    expected = [TextDelta("\n\n"), MessageOpened(), TextDelta("second"), Cited("u", "t", 8, 10)]
    assert output.done(Event(output_index=1, item=said("second", note))) == expected


def test_citations_come_once() -> None:
    """Those that events told are skipped in the item; a file of the provider's store has no address to cite."""
    file, note = {"type": "file_citation", "file_id": "f"}, {"type": "url_citation", "url": "u"}
    output = Output()
    output.text(Event(output_index=0, delta="hey"))
    event = msgspec.json.decode(msgspec.json.encode({"output_index": 0, "annotation": file}), type=Event)
    assert output.cited(event) == []
    assert output.done(Event(output_index=0, item=said("hey", file, note))) == [Cited("u")]


# --- reasoning --------------------------------------------------------------------------------------------------------


def test_summaries_are_parted_by_a_blank_line() -> None:
    """The parts of a summary are one text, closed by the item's signature."""
    output = Output()
    events: list[StreamEvent] = []
    events += output.summary(Event(output_index=0, summary_index=0, delta="one"))
    events += output.summary_done(Event(output_index=0, summary_index=0, text="one"))
    events += output.summary(Event(output_index=0, summary_index=1, delta="two"))
    events += output.done(Event(output_index=0, item=thought("one", "two", encrypted_content="e")))
    signature = '{"id":"rs_1","encrypted_content":"e","summary":[3,3]}'
    expected = [ThinkingDelta("one"), ThinkingDelta("\n\ntwo"), ThinkingSigned(signature, family="openai")]
    assert events == expected


def test_reasoning_whole() -> None:
    """A finished item says the same as its pieces."""
    signature = '{"id":"rs_1","encrypted_content":"e","summary":[3,3]}'
    expected = [ThinkingDelta("one"), ThinkingDelta("\n\ntwo"), ThinkingSigned(signature, family="openai")]
    assert Output().rest([thought("one", "two", encrypted_content="e")]) == expected


def test_reasoning_that_is_hidden() -> None:
    """Without a summary there is encrypted content only."""
    expected = [ThinkingRedacted('{"id":"rs_1","encrypted_content":"e"}', family="openai")]
    assert Output().done(Event(output_index=0, item=thought(encrypted_content="e"))) == expected


def test_reasoning_without_proof() -> None:
    """A summary that nothing encrypted goes with is text alone; an empty item is nothing."""
    assert Output().rest([thought("one")]) == [ThinkingDelta("one")]
    assert Output().rest([thought()]) == []


def test_raw_reasoning() -> None:
    """Open models show their reasoning itself."""
    item = thought(content=[{"type": "reasoning_text", "text": "hm"}])
    output = Output()
    assert output.raw_done(Event(output_index=0, content_index=0, text="hm")) == [ThinkingDelta("hm")]
    assert output.done(Event(output_index=0, item=item)) == [
        ThinkingSigned('{"id":"rs_1","content":[2]}', family="openai")
    ]


def test_pieces_of_reasoning_are_parted_too() -> None:
    """Between the searches of a long answer the model thinks again."""
    output = Output()
    output.summary(Event(output_index=0, delta="one"))
    assert output.summary(Event(output_index=2, delta="two")) == [ThinkingDelta("\n\ntwo")]


# --- calls ------------------------------------------------------------------------------------------------------------


def test_arguments_come_once() -> None:
    """What the deltas said is not said again."""
    output = Output()
    assert output.added(Event(output_index=0, item=call(arguments=""))) == [OPENED]
    assert output.arguments(Event(output_index=0, delta='{"a"')) == [ToolDelta(0, '{"a"')]
    assert output.arguments(Event(output_index=0, delta=":1}")) == [ToolDelta(0, ":1}")]
    assert output.arguments_done(Event(output_index=0, arguments='{"a":1}')) == []
    assert output.done(Event(output_index=0, item=call(arguments='{"a":1}'))) == []
    assert output.calls == 1


@pytest.mark.parametrize("start", [True, False])
def test_arguments_in_full_values_alone(start: bool) -> None:
    """They are told by the done event, or by the item, or by the final response."""
    args = '{"a":1}'
    for tell in (
        lambda o: o.arguments_done(Event(output_index=0, arguments=args)) if start else [],
        lambda o: o.done(Event(output_index=0, item=call(arguments=args))),
        lambda o: o.rest([call(arguments=args)]),
    ):
        output = Output()
        events = output.added(Event(output_index=0, item=call())) if start else []
        events += tell(output)
        events += output.done(Event(output_index=0, item=call(arguments=args))) if not output._indexes else []
        assert events == [OPENED, ToolDelta(0, args)]


def test_a_call_without_arguments() -> None:
    """Nothing is made up where nothing was said."""
    assert Output().rest([call(arguments="")]) == [OPENED]


def test_a_custom_call() -> None:
    """Free text in place of JSON."""
    item = raw(type="custom_tool_call", call_id="c", name="sh", input="ls")
    assert Output().rest([item]) == [ToolOpened(0, "c", "sh", custom=True), ToolDelta(0, "ls")]


def test_a_call_whose_name_comes_late() -> None:
    """Pieces before the name wait for the full value."""
    output = Output()
    assert output.added(Event(output_index=0, item=raw(type="function_call", id="fc_1"))) == []
    assert output.arguments(Event(output_index=0, delta="{}")) == []
    assert output.done(Event(output_index=0, item=call(arguments="{}"))) == [OPENED, ToolDelta(0, "{}")]


def test_a_call_without_an_id() -> None:
    """It gets the item's, or one of ours that differs from answer to answer."""
    item = raw(type="function_call", name="f", arguments="{}")
    one, other = Output(), Output()
    one.answer_id, other.answer_id = "resp_1", "resp_2"
    first, second = one.rest([item])[0], other.rest([item])[0]
    assert isinstance(first, ToolOpened)
    assert isinstance(second, ToolOpened)
    assert first.id.startswith("call_")
    assert first.id != second.id


def test_pieces_without_an_index() -> None:
    """They belong to the item of their id, else to the last one."""
    output = Output()
    output.added(Event(item=call()))
    assert output.arguments(Event(item_id="fc_1", delta="{")) == [ToolDelta(0, "{")]
    assert output.arguments(Event(delta="}")) == [ToolDelta(0, "}")]
    assert output.done(Event(item=call(arguments="{}"))) == []
    assert output.rest([call(arguments="{}")]) == []


# --- the others -------------------------------------------------------------------------------------------------------


def test_hosted_tools_are_opaque() -> None:
    """They are no calls for the client, and survive as they came."""
    item = raw(type="web_search_call", id="ws_1", status="completed", action={"query": "q"})
    output = Output()
    assert output.added(Event(output_index=0, item=item)) == []
    (made,) = output.done(Event(output_index=0, item=item))
    assert isinstance(made, OpaqueMade)
    assert (made.family, made.kind, bytes(made.json)) == ("openai", "web_search_call", bytes(item))
    assert output.calls == 0


def test_a_made_image() -> None:
    """An image is media; one that failed is nothing."""
    item = raw(type="image_generation_call", result="aGk=", output_format="webp")
    assert Output().rest([item]) == [MediaMade("image/webp", "aGk=")]
    assert Output().rest([raw(type="image_generation_call", result=None)]) == []


def test_an_id_that_several_items_share() -> None:
    """One server gives the same id to all reasoning of an answer."""
    items = [thought("one"), said("hey"), thought("two")]
    assert Output().rest(items) == [ThinkingDelta("one"), TextDelta("hey"), ThinkingDelta("\n\ntwo")]


def test_ids_that_change() -> None:
    """Another server gives an item a new id in each event."""
    output = Output()
    output.added(Event(output_index=0, item=said("", id="a")))
    output.text(Event(output_index=0, item_id="b", delta="hey"))
    assert output.done(Event(output_index=0, item=said("hey", id="c"))) == []
    assert output.rest([said("hey", id="d")]) == []


def test_items_that_the_end_leaves_out() -> None:
    """The final list may be shorter than the stream, so places in it do not count for known ids."""
    output = Output()
    output.done(Event(output_index=0, item=thought("one")))
    output.done(Event(output_index=1, item=said("hey")))
    assert output.rest([said("hey")]) == []


def test_a_shared_id_hides_nothing() -> None:
    """An id that was told once stands for one item of the final list."""
    output = Output()
    output.done(Event(output_index=0, item=thought("one")))
    assert output.rest([thought("one"), thought("two")]) == [ThinkingDelta("\n\ntwo")]


def test_a_citation_before_its_text() -> None:
    """It says nothing yet of what was told."""
    output = Output()
    event = msgspec.json.decode(b'{"output_index":0,"annotation":{"url":"u"}}', type=Event)
    assert output.cited(event) == [Cited("u")]
    assert output.text_done(Event(output_index=0, text="hey")) == [TextDelta("hey")]


# --- scores -----------------------------------------------------------------------------------------------------------


def likely(*tokens: str) -> list[dict[str, Any]]:
    return [
        {"token": t, "logprob": -0.5, "bytes": [1], "top_logprobs": [{"token": "x", "logprob": -2.0}]} for t in tokens
    ]


def event(**members: Any) -> Event:
    return msgspec.json.decode(msgspec.json.encode({"output_index": 0, **members}), type=Event)


def scored(*tokens: str) -> TokensScored:
    return TokensScored(tuple(TokenScore(t, -0.5, (("x", -2.0),)) for t in tokens))


def scored_item(*tokens: str) -> Raw:
    part = {"type": "output_text", "text": "".join(tokens), "logprobs": likely(*tokens)}
    return raw(type="message", id="msg_1", content=[part])


def test_scores_come_once() -> None:
    """With the deltas; what stands behind repeats them."""
    output = Output()
    assert [TextDelta("he"), scored("he")] == output.text(event(delta="he", logprobs=likely("he")))
    assert [TextDelta("y")] == output.text(event(delta="y", logprobs=[]))
    assert [scored("y")] == output.text_done(event(text="hey", logprobs=likely("he", "y")))
    assert [] == output.done(Event(output_index=0, item=scored_item("he", "y")))


def test_scores_in_a_full_value_alone() -> None:
    """A server may tell them at the part's end, or in the item."""
    done = Output().text_done(event(text="hey", logprobs=likely("he", "y")))
    assert [TextDelta("hey"), scored("he", "y")] == done
    assert [TextDelta("hey"), scored("he", "y")] == Output().rest([scored_item("he", "y")])
