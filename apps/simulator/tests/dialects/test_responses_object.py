import msgspec
import pytest
from openai.types.responses import Response

from llmgw_simulator.ask import Part
from llmgw_simulator.dialects.responses_object import (
    begun,
    call_text,
    content_of,
    identify,
    item_of,
    logprobs,
    output_items,
    response_object,
    status_of,
    summaries,
    usage_of,
)
from llmgw_simulator.dialects.responses_request import parse_responses
from llmgw_simulator.engine import decide
from llmgw_simulator.kept import Kept
from llmgw_simulator.sealed import examine

PATCH = {"type": "custom", "name": "patch"}
SPACE = {"type": "namespace", "name": "mcp", "description": "d", "tools": [{"type": "function", "name": "look"}]}


def made(**more):
    ask, draft = parse_responses({"model": "gpt-5.5", "input": "Hello", **more}, "key-1", Kept())
    return draft, decide(ask, 0)


def test_ids_have_a_prefix_and_repeat():
    """Another index, another id."""
    assert identify("rs", "x").startswith("rs_")
    assert identify("rs", "x") == identify("rs", "x") != identify("rs", "x", 1)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"model": "gpt-4o", "temperature": 0.5, "instructions": "x", "metadata": {"a": "b"}},
        {"tools": [PATCH, SPACE], "tool_choice": "required"},
        {"input": "REFUSE"},
        {"max_output_tokens": 16},
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}}},
        {"include": ["message.output_text.logprobs"], "reasoning": {"effort": "none"}, "top_logprobs": 2},
    ],
)
def test_the_sdk_takes_the_object(more):
    """Strictly, in every state."""
    draft, answers = made(**more)
    for status in ("queued", "in_progress", status_of(answers.choices[0])):
        response = response_object(draft, answers, status, output_items(draft, answers))
        Response.model_validate(msgspec.json.decode(msgspec.json.encode(response)), strict=True)


def test_the_request_is_repeated():
    """With the defaults of what was left out."""
    draft, answers = made(instructions="x", user="u")
    found = response_object(draft, answers, "completed", [])
    expected = {"instructions": "x", "user": "u", "store": True, "tool_choice": "auto", "truncation": "disabled"}
    assert expected == {name: found[name] for name in expected}
    assert {"effort": "medium", "summary": None} == found["reasoning"]


def test_the_limit_makes_it_incomplete():
    """Reasoning counts."""
    draft, answers = made(max_output_tokens=16)
    found = response_object(draft, answers, status_of(answers.choices[0]), output_items(draft, answers))
    assert ("incomplete", {"reason": "max_output_tokens"}) == (found["status"], found["incomplete_details"])
    assert (16, 16) == (found["usage"]["output_tokens"], usage_of(answers)["output_tokens_details"]["reasoning_tokens"])


def test_calls_say_what_they_are_of():
    """A custom tool gets text, one of a namespace its name."""
    draft, _ = made(tools=[PATCH, SPACE])
    custom = item_of(draft, "x", 0, Part("call", '{"input":"*** a"}', "patch", "1"))
    assert ("custom_tool_call", "*** a", "ctc_") == (custom["type"], custom["input"], custom["id"][:4])
    look = item_of(draft, "x", 1, Part("call", "{}", "look", "2"))
    assert ("function_call", "{}", "mcp", "look") == tuple(look[k] for k in ("type", "arguments", "namespace", "name"))
    assert '{"inp' == call_text(draft, Part("call", '{"inp', "patch", "1", True))


def test_an_item_begins_empty():
    """Without content; what is encrypted is not yet what is good to send back."""
    draft, answers = made()
    reasoning, message = output_items(draft, answers)
    opened = begun(reasoning)
    assert set(reasoning) == set(opened)
    seals = [examine(item["encrypted_content"], "key-1", "gpt-5.5") for item in (opened, reasoning)]
    assert ["unreadable", "good"] == seals
    assert ("in_progress", []) == (begun(message)["status"], begun(message)["content"])


def test_a_summary_is_shown_if_asked_for():
    """In one part, or one for each sentence."""
    part = Part("reasoning", "One. Two. Three.")
    assert [] == summaries(made()[0], part)
    assert ["One. Two. Three."] == summaries(made(reasoning={"summary": "auto"})[0], part)
    assert ["One.", "Two.", "Three."] == summaries(made(reasoning={"summary": "detailed"})[0], part)


def test_refusals_and_likelihoods():
    """A refusal is a part of its own kind; likelihoods come if asked for."""
    assert {"type": "refusal", "refusal": "No"} == content_of(made(input="REFUSE")[0], Part("text", "No"))
    asked = made(include=["message.output_text.logprobs"])[0]
    assert ["a", " b"] == [one["token"] for one in logprobs(asked, "a b")]
    assert [] == logprobs(made()[0], "a b")
