"""What providers really send, and other gateways' tests do not mention."""

from __future__ import annotations

import msgspec
import pytest

from llmgw_domain import Provider
from llmgw_domain.errors import RateLimited, UnsupportedField
from llmgw_protocols import dialect_named

DONE = b"data: [DONE]\n\n"
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}


@pytest.fixture(params=["messages", "gemini"])
def compatible(crossing, request):
    """Clients of the other dialects in front of a server that is compatible with OpenAI."""
    return crossing(request.param, Provider.OPENAI_COMPATIBLE, "some-model")


def text(words):
    return {"type": "text", "text": words}


def chunk(delta=None, finish=None, **more):
    return {"id": "c", "choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}], **more}


def said(frames):
    """The text of a stream for clients of Messages or Gemini."""
    found = []
    for frame in frames:
        found.append(frame.get("delta", {}).get("text", ""))
        for candidate in frame.get("candidates", []):
            found += [part.get("text", "") for part in candidate["content"]["parts"]]
    return "".join(found)


def is_error(frame):
    return "error" in frame


@pytest.mark.parametrize(
    ("provider", "model"), [(Provider.ANTHROPIC, "claude-sonnet-5"), (Provider.GOOGLE, "gemini-3")]
)
def test_g01_several_answers(crossing, provider, model):
    """Google gives them; where a provider gives one, the wish for more is refused rather than half fulfilled."""
    asked = crossing("chat", provider, model)
    if provider is Provider.GOOGLE:
        assert 3 == asked.sent(n=3)["generationConfig"]["candidateCount"]
    else:
        assert isinstance(asked.refused(n=3), UnsupportedField)
    assert () == asked.lost(n=1)


def test_g02_logprobs_where_there_are_none(crossing):
    """The answer lacks them, so the client is told by name."""
    anthropic = crossing("chat", Provider.ANTHROPIC, "claude-sonnet-5")
    assert ("logprobs", "top_logprobs") == anthropic.lost(logprobs=True, top_logprobs=3)


def test_g03_server_tools_in_an_answer(crossing):
    """Their blocks are no calls and no text for clients of other dialects."""
    usage = {"input_tokens": 1, "output_tokens": 1}
    content = [SEARCH, FOUND, text("It rains.")]
    answer = {"type": "message", "content": content, "stop_reason": "end_turn", "usage": usage}
    choice = crossing("chat", Provider.ANTHROPIC, "claude-sonnet-5").answered(answer)["choices"][0]
    assert ("stop", "It rains.", False) == (
        choice["finish_reason"],
        choice["message"]["content"],
        "tool_calls" in choice["message"],
    )


def test_g03_server_tools_in_a_history(crossing):
    """Their maker gets them back as they came; elsewhere they are refused by name, since they hold what was said."""
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [SEARCH, FOUND, text("It rains.")]},
        {"role": "user", "content": "Sure?"},
    ]
    own = crossing("messages", Provider.ANTHROPIC, "claude-sonnet-5").sent(messages=messages)
    assert [SEARCH, FOUND] == own["messages"][1]["content"][:2]
    error = crossing("messages", Provider.OPENAI, "gpt-4.1").refused(messages=messages)
    assert "server_tool_use" in error.message


def test_g04_comments(compatible):
    """They keep a connection awake and say nothing."""
    events = (chunk({"content": "Hi"}), chunk(finish="stop"), DONE)
    quiet = b": OPENROUTER PROCESSING\n\n"
    assert compatible.streamed(*events) == compatible.streamed(quiet, events[0], quiet, quiet, *events[1:])


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"message": "down", "type": "server_error", "code": 502}},
        {"id": "c", "choices": [], "error": {"code": 502, "message": "down"}},
        {"id": "c", "object": "error", "message": "down"},
        chunk({"content": ""}, "error", error={"code": 502, "message": "down"}),
        {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": None, "error": {"message": "down"}}]},
    ],
)
def test_g05_errors_within_an_answer(compatible, error):
    """Whatever shape a server gives them, the client's stream ends in an error, and nothing follows it."""
    frames = compatible.streamed(chunk({"content": "Hi"}), error, chunk(finish="stop"), DONE)
    assert (True, False) == (is_error(frames[-1]), any(is_error(f) for f in frames[:-1]))


def test_g06_a_stream_without_an_end_mark(compatible):
    """A finish reason is evidence enough; without one the answer was cut."""
    assert not is_error(compatible.streamed(chunk({"content": "Hi"}), chunk(finish="stop"))[-1])
    assert is_error(compatible.streamed(chunk({"content": "Hi"}))[-1])


def test_g07_content_as_a_list(compatible):
    """Mistral's parts are text and thinking."""
    pieces = [{"type": "thinking", "thinking": [text("Hm.")]}, text("Hi")]
    frames = compatible.streamed(
        chunk({"content": pieces}), chunk({"content": [text("!")]}), chunk(finish="stop"), DONE
    )
    assert "Hi!" == said(frames).removeprefix("Hm.")
    whole = {"choices": [{"index": 0, "message": {"content": pieces}, "finish_reason": "stop"}]}
    assert b"Hm." in msgspec.json.encode(compatible.answered(whole))


def test_g09_cumulative_usage(compatible):
    """Perplexity counts anew in each chunk: the last count is the count."""
    counts = [{"prompt_tokens": 5, "completion_tokens": n, "total_tokens": 5 + n} for n in (1, 2, 3)]
    events = [chunk({"content": "x"}, usage=c) for c in counts[:2]]
    last = compatible.streamed(*events, chunk(finish="stop", usage=counts[2]), DONE)
    found = msgspec.json.encode(last)
    assert b'"output_tokens":3' in found or b'"candidatesTokenCount":3' in found
    assert b'"output_tokens":6' not in found
    assert b'"candidatesTokenCount":6' not in found


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"retry-after": "7"}, 7), ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5), ({}, None)],
)
@pytest.mark.parametrize("dialect", ["chat", "messages", "gemini"])
def test_g10_when_to_come_back(dialect, headers, seconds):
    """The provider's own word is kept, in milliseconds where it says them."""
    error = dialect_named(dialect).fault(429, headers, b"")
    assert (RateLimited, seconds) == (type(error), error.retry_after)


def test_g10_google_says_it_in_the_body():
    """Its details hold the delay."""
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12.5s"}]
    body = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow", "details": details}}
    assert 12.5 == dialect_named("gemini").fault(429, {}, msgspec.json.encode(body)).retry_after


def test_g11_legacy_function_calls(crossing):
    """The deprecated form is a call and its result like any other, in requests and in answers."""
    claude = crossing("chat", Provider.ANTHROPIC, "claude-sonnet-5")
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"a":1}'}},
        {"role": "function", "name": "f", "content": "ok"},
    ]
    sent = claude.sent(messages=messages, functions=[{"name": "f"}], function_call={"name": "f"})
    use, made = sent["messages"][1]["content"][0], sent["messages"][2]["content"][0]
    assert ({"a": 1}, use["id"], "ok") == (use["input"], made["tool_use_id"], made["content"])
    assert (["f"], {"type": "tool", "name": "f"}) == ([t["name"] for t in sent["tools"]], sent["tool_choice"])


def test_g11_legacy_function_calls_of_servers(compatible):
    """Pieces of one call become one call."""
    pieces = [{"function_call": {"name": "f", "arguments": '{"a"'}}, {"function_call": {"arguments": ":1}"}}]
    frames = compatible.streamed(*(chunk(p) for p in pieces), chunk(finish="function_call"), DONE)
    made = msgspec.json.encode(frames)
    assert 1 == made.count(b'"name":"f"')
    assert b'"args":{"a":1}' in made or b'"tool_use","id"' in made


def test_g12_refusals(compatible):
    """Content null and a refusal are text, with the reason that clients know."""
    message = {"role": "assistant", "content": None, "refusal": "I can't."}
    got = compatible.answered({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    assert b"I can't." in msgspec.json.encode(got)
    frames = compatible.streamed(chunk({"refusal": "I can't."}), chunk(finish="stop"), DONE)
    assert "I can't." in said(frames)
    if compatible.client.name == "messages":
        assert "refusal" == got["stop_reason"]


def test_g12_refusals_for_chat(crossing):
    """Anthropic's explanation is the refusal."""
    details = {"type": "refusal", "category": "cyber", "explanation": "Not that."}
    usage = {"input_tokens": 1, "output_tokens": 1}
    answer = {"type": "message", "content": [], "stop_reason": "refusal", "stop_details": details, "usage": usage}
    choice = crossing("chat", Provider.ANTHROPIC, "claude-sonnet-5").answered(answer)["choices"][0]
    assert ("content_filter", None, "Not that.") == (
        choice["finish_reason"],
        choice["message"]["content"],
        choice["message"]["refusal"],
    )
