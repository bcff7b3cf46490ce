import msgspec
import pytest

from llmgw_domain import Provider
from llmgw_domain.errors import InvalidField, UpstreamMalformed
from llmgw_protocols import TargetFacts, WireRequest
from llmgw_protocols.counting import GEMINI_COUNT, MESSAGES_COUNT, RESPONSES_COUNT, count_of
from llmgw_protocols.enquiry import Estimate

MESSAGES = {"model": "x", "messages": [{"role": "user", "content": "Hello there"}], "system": "Be brief", "odd": 1}
CONTENTS = [{"role": "user", "parts": [{"text": "Hello there"}]}]


def ask(enquiry, body, provider, model="claude-sonnet-4-5", path_model=None, **headers):
    wire = WireRequest(body=msgspec.json.encode(body), path_model=path_model, headers=headers)
    return enquiry.ask(enquiry.envelope(wire), TargetFacts(provider=Provider(provider), model=model))


def sent(question):
    (rendered,) = question.requests
    return rendered.path, msgspec.json.decode(rendered.body)


def test_anthropic_counts_its_own_dialect():
    """With the client's version and betas, without what counting does not take."""
    question = ask(MESSAGES_COUNT, MESSAGES, "anthropic", **{"anthropic-beta": "b"})
    path, body = sent(question)
    assert "/v1/messages/count_tokens" == path
    assert {"model", "messages", "system"} == body.keys()
    assert ("anthropic-beta", "b") in question.requests[0].headers
    assert b'{"input_tokens":9}' == question.read([b'{"input_tokens":9}']).body


def test_google_counts_a_whole_request_one_level_lower():
    """AI Studio refuses anything beside the contents at the top."""
    path, body = sent(ask(MESSAGES_COUNT, MESSAGES, "google", "gemini-2.5-flash"))
    assert "/v1beta/models/gemini-2.5-flash:countTokens" == path
    inner = body["generateContentRequest"]
    assert "models/gemini-2.5-flash" == inner["model"]
    assert {"model", "contents", "systemInstruction"} <= inner.keys()


@pytest.mark.parametrize(
    "body",
    [
        {"contents": CONTENTS, "systemInstruction": {"parts": [{"text": "Be brief"}]}},
        {
            "generateContentRequest": {
                "model": "models/x",
                "contents": CONTENTS,
                "systemInstruction": {"parts": [{"text": "Be brief"}]},
            }
        },
    ],
)
def test_both_of_gemini_s_forms_are_read(body):
    """Those of AI Studio and of Vertex come to the same question."""
    _, asked = sent(ask(GEMINI_COUNT, body, "anthropic", path_model="x"))
    assert ("Be brief", "Hello there") == (asked["system"][0]["text"], asked["messages"][0]["content"][0]["text"])
    question = ask(GEMINI_COUNT, body, "google", "gemini-2.5-flash", "x")
    assert {"model", "contents", "systemInstruction"} == sent(question)[1]["generateContentRequest"].keys()
    assert b'{"totalTokens":5}' == question.read([b'{"totalTokens":5}']).body


def test_what_can_t_count_is_estimated():
    """In the client's own words, and marked."""
    estimate = ask(MESSAGES_COUNT, MESSAGES, "openai-compatible", "llama")
    assert isinstance(estimate, Estimate)
    told = estimate.work()
    assert told.estimated
    assert 5 <= msgspec.json.decode(told.body)["input_tokens"] <= 30


def test_a_refused_question_falls_back_to_an_estimate():
    """Some models of a provider can't be counted."""
    assert ask(MESSAGES_COUNT, MESSAGES, "anthropic").otherwise.work().estimated


@pytest.mark.parametrize(
    ("body", "count"), [({"input_tokens": 1}, 1), ({"totalTokens": 2}, 2), ({"inputTokens": 3}, 3)]
)
def test_the_number_is_found_under_every_provider_s_name(body, count):
    """Anthropic's and OpenAI's, Google's, Amazon's."""
    assert count == count_of(msgspec.json.encode(body))


@pytest.mark.parametrize("body", [b"{}", b"[]", b"no", b'{"input_tokens":"x"}'])
def test_an_answer_without_a_number_is_the_provider_s_fault(body):
    """Nothing is made up."""
    with pytest.raises(UpstreamMalformed):
        count_of(body)


def test_a_request_that_makes_no_sense_is_refused():
    """As a chat would be."""
    with pytest.raises(InvalidField, match="messages"):
        ask(MESSAGES_COUNT, {"model": "x"}, "anthropic")
    with pytest.raises(InvalidField, match="contents"):
        ask(GEMINI_COUNT, {"contents": CONTENTS, "generateContentRequest": {}}, "google", path_model="x")


def test_openai_counts_for_responses():
    """Whoever asks; a client of that dialect may ask a compatible server too."""
    path, body = sent(ask(MESSAGES_COUNT, MESSAGES, "openai", "gpt-4.1"))
    assert ("/responses/input_tokens", "gpt-4.1") == (path, body["model"])
    assert {"model", "input"} <= body.keys()
    assert "store" not in body
    question = ask(RESPONSES_COUNT, {"model": "x", "input": "Hello", "store": True}, "openai-compatible", "llama")
    assert {"model": "llama", "input": "Hello"} == sent(question)[1]
    assert b'{"object":"response.input_tokens","input_tokens":5}' == question.read([b'{"input_tokens":5}']).body


def test_bedrock_counts_what_converse_would_say():
    """One level lower, without what only bounds the answer."""
    path, body = sent(ask(MESSAGES_COUNT, MESSAGES, "bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"))
    assert "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens" == path
    assert {"messages", "system"} == body["input"]["converse"].keys()
