from llmgw_simulator.dialects.responses_events import Progress, events, failure, last_event
from llmgw_simulator.dialects.responses_object import output_items
from llmgw_simulator.dialects.responses_request import parse_responses
from llmgw_simulator.engine import decide
from llmgw_simulator.kept import Kept

FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object"}}
PATCH = {"type": "custom", "name": "patch"}


def made(**more):
    ask, draft = parse_responses({"model": "gpt-5.5", "input": "Hello", **more}, "key-1", Kept())
    answers = decide(ask, 0)
    return list(events(draft, answers)), draft, answers


def shape(found):
    """Types in order, with repeats folded and the common prefix off."""
    types = [event["type"].removeprefix("response.") for event, _ in found]
    return [one for index, one in enumerate(types) if index == 0 or types[index - 1] != one]


def test_the_grammar_of_a_text():
    """Without a summary, reasoning is an item that opens and closes."""
    expected = [
        "created",
        "in_progress",
        "output_item.added",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
    ]
    assert expected == shape(made()[0])


def test_the_grammar_of_summaries_and_calls():
    """Each part of a summary opens and closes; calls have no parts."""
    found = shape(made(tools=[FUNCTION, PATCH], input="both", reasoning={"summary": "auto"})[0])
    assert [
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
    ] == found[3:]


def test_a_refusal_has_events_of_its_own():
    """In place of the text's."""
    assert {"refusal.delta", "refusal.done"} < set(shape(made(input="REFUSE")[0]))


def test_deltas_add_up_to_what_is_done():
    """And every token is charged once."""
    found, _, answers = made(reasoning={"summary": "detailed"}, include=["message.output_text.logprobs"])
    for kind in ("output_text", "reasoning_summary_text"):
        deltas = [event for event, _ in found if event["type"] == f"response.{kind}.delta"]
        done = [event["text"] for event, _ in found if event["type"] == f"response.{kind}.done"]
        assert "".join(done) == "".join(event["delta"] for event in deltas)
    assert answers.tokens == sum(tokens for _, tokens in found)
    assert answers.tokens == sum(tokens for _, tokens in made()[0])


def test_every_event_names_its_item():
    """By id and index, as the items come in the last event."""
    found, draft, answers = made(tools=[FUNCTION])
    output = last_event(draft, answers, output_items(draft, answers))["response"]["output"]
    for event, _ in found:
        if "item_id" in event:
            assert output[event["output_index"]]["id"] == event["item_id"]
    done = [event["item"] for event, _ in found if event["type"] == "response.output_item.done"]
    assert output == done


def test_deltas_are_padded_unless_forbidden():
    """As the provider does."""
    assert any("obfuscation" in event for event, _ in made()[0])
    found = made(stream=True, stream_options={"include_obfuscation": False})[0]
    assert not any("obfuscation" in event for event, _ in found)


def test_events_are_numbered():
    """From 0, and what fails repeats the response."""
    progress, (found, *_) = Progress(), made()
    assert "error" == failure(progress)["type"]
    frames = [progress.frame(event, tokens) for event, tokens in found]
    assert frames[0].data.startswith(b'event: response.created\ndata: {"type":"response.created","sequence_number":0,')
    assert len(found) == progress.sequence
    assert ("response.failed", "failed") == (failure(progress)["type"], failure(progress)["response"]["status"])
