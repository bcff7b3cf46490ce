import msgspec
import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from llmgw_simulator import Simulator
from llmgw_simulator.dialects.chat import Chat
from llmgw_simulator.dialects.chat_request import parse_chat
from llmgw_simulator.engine import decide
from llmgw_simulator.testing import incoming_of, request_of
from llmgw_simulator.wire import Refusal

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in ("weather", "news")]
CHAT = Chat()


def both(**more):
    """The whole answer, and the chunks of the stream."""
    body = request_of("chat", more.pop("text", "Hello"), **more)[1]
    parsed = parse_chat(body | {"stream": True, "stream_options": {"include_usage": True}})
    answers = decide(parsed.ask, 0)
    frames = [frame.data for frame in CHAT.frames(parsed, answers)]
    assert b"data: [DONE]\n\n" == frames.pop()
    chunks = [msgspec.json.decode(frame.removeprefix(b"data: ")) for frame in frames]
    return msgspec.json.decode(CHAT.whole(parsed, answers)), chunks


def valid(whole, chunks):
    """Both satisfy the SDK's types, which are lenient about missing fields, so that ids are compared too."""
    ChatCompletion.model_validate(whole, strict=True)
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk, strict=True)
    assert {whole["id"]} == {chunk["id"] for chunk in chunks}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"tools": TOOLS},
        {"tools": TOOLS, "text": "parallel"},
        {"n": 2},
        {"max_tokens": 3},
        {"reasoning_effort": "high"},
        {"model": "deepseek-x", "reasoning_effort": "high"},
        {"functions": [TOOLS[0]["function"]]},
    ],
)
def test_answers_are_what_the_sdk_expects(more):
    """Whole and streamed, with the same id, text, calls and finish in both."""
    whole, chunks = both(**more)
    valid(whole, chunks)
    for index, choice in enumerate(whole["choices"]):
        parts = [c for chunk in chunks for c in chunk["choices"] if c["index"] == index]
        message = choice["message"]
        assert (message["content"] or "") == "".join(part["delta"].get("content") or "" for part in parts)
        assert [choice["finish_reason"]] == [part["finish_reason"] for part in parts if part["finish_reason"]]
        arguments = "".join(
            call["function"]["arguments"] for part in parts for call in part["delta"].get("tool_calls", [])
        )
        assert "".join(call["function"]["arguments"] for call in message.get("tool_calls", [])) == arguments
    assert (whole["usage"], []) == (chunks[-1]["usage"], chunks[-1]["choices"])
    assert {None} == {chunk["usage"] for chunk in chunks[:-1]}


def test_the_usage_chunk_comes_only_if_asked_for():
    """And then the field is in every chunk."""
    parsed = parse_chat(request_of("chat", "Hello", stream=True)[1])
    frames = list(CHAT.frames(parsed, decide(parsed.ask, 0)))
    assert not any(b"usage" in frame.data for frame in frames)


def test_usage_adds_up():
    """Reasoning is a part of the completion."""
    usage = both(reasoning_effort="low")[0]["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert 0 < usage["completion_tokens_details"]["reasoning_tokens"] < usage["completion_tokens"]
    assert 0 == usage["prompt_tokens_details"]["cached_tokens"]


def test_reasoning_is_hidden_but_takes_its_time():
    """All tokens are on frames, so that a rate of tokens makes a silent phase."""
    parsed = parse_chat(request_of("chat", "Hello", stream=True, reasoning_effort="low")[1])
    answers = decide(parsed.ask, 0)
    frames = list(CHAT.frames(parsed, answers))
    assert answers.tokens == sum(frame.tokens for frame in frames)
    assert answers.reasoning_tokens < frames[1].tokens
    assert not any(b"reasoning" in frame.data for frame in frames)


def test_compatible_servers_show_their_reasoning():
    """In `reasoning_content`, in both forms."""
    whole, chunks = both(model="deepseek-x", reasoning_effort="low")
    shown = "".join(c["delta"].get("reasoning_content", "") for chunk in chunks for c in chunk["choices"])
    assert (shown, True) == (whole["choices"][0]["message"]["reasoning_content"], bool(shown))


def test_legacy_functions_are_answered_in_kind():
    """With `function_call`, and the finish of that name."""
    choice = both(functions=[TOOLS[0]["function"]])[0]["choices"][0]
    assert ("weather", "function_call") == (choice["message"]["function_call"]["name"], choice["finish_reason"])


@pytest.mark.parametrize(
    ("header", "code"), [({}, None), ({"authorization": "Bearer bad-key-0123"}, "invalid_api_key")]
)
def test_a_key_is_needed(header, code):
    """A missing one and an unknown one are 401, and an unknown one is not shown in full."""
    with pytest.raises(Refusal) as caught:
        CHAT.authenticate(incoming_of("/v1/chat/completions", {}, header))
    assert (401, code) == (caught.value.status, caught.value.code)
    assert "bad-key-0123" not in caught.value.message


def test_errors_have_the_envelope():
    """All four fields, and the rate limit headers with 429."""
    reply = CHAT.refuse(CHAT.canned(429), incoming_of("/"))
    assert ["message", "type", "param", "code"] == list(msgspec.json.decode(reply.body)["error"])
    expected = ("2", "2000", "0", "2s")
    names = ("retry-after", "retry-after-ms", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests")
    assert expected == tuple(reply.headers[name] for name in names)
    assert 418 == CHAT.canned(418).status


async def test_the_official_sdk_completes_a_tool_loop():
    """Calls, results, text; structured output; and errors as the SDK's own."""
    async with (
        Simulator().serve() as running,
        openai.AsyncOpenAI(api_key="k", base_url=f"{running.base_url}/v1", max_retries=0) as sdk,
    ):
        messages = [{"role": "user", "content": "parallel"}]
        first = await sdk.chat.completions.create(model="gpt-4o", messages=messages, tools=TOOLS)
        messages.append(first.choices[0].message)
        for call in first.choices[0].message.tool_calls:
            messages.append({"role": "tool", "tool_call_id": call.id, "content": f"{call.function.name} is fine"})
        second = await sdk.chat.completions.create(model="gpt-4o", messages=messages, tools=TOOLS)
        assert second.choices[0].message.content.startswith("The tools said: weather is fine; news is fine.")
        with pytest.raises(openai.NotFoundError, match="does not exist"):
            await sdk.chat.completions.create(model="missing-model", messages=messages[:1])
        with pytest.raises(openai.AuthenticationError):
            await sdk.with_options(api_key="bad").chat.completions.create(model="m", messages=messages[:1])
        headers = {"x-sim-fault": "error-events=2"}
        stream = await sdk.chat.completions.create(model="m", messages=messages[:1], stream=True, extra_headers=headers)
        with pytest.raises(openai.APIError, match="had an error"):
            await anext(chunk async for chunk in stream if not chunk.choices)


def test_custom_tools_take_text():
    """Whole and streamed, under the type of their own."""
    tools = [{"type": "custom", "custom": {"name": "patch"}}]
    whole, chunks = both(tools=tools, text='patch {"input": "*** a"}')
    ChatCompletion.model_validate(whole, strict=True)  # the SDK knows no chunks of them
    (call,) = whole["choices"][0]["message"]["tool_calls"]
    assert ("custom", {"name": "patch", "input": "*** a"}) == (call["type"], call["custom"])
    deltas = [c for chunk in chunks for one in chunk["choices"] for c in one["delta"].get("tool_calls", [])]
    assert ("custom", "patch") == (deltas[0]["type"], deltas[0]["custom"]["name"])
    assert "*** a" == "".join(delta["custom"]["input"] for delta in deltas)


def test_a_refusal_is_no_content():
    """Whole and streamed."""
    whole, chunks = both(text="REFUSE")
    valid(whole, chunks)
    message = whole["choices"][0]["message"]
    assert (None, True) == (message["content"], message["refusal"].startswith("I'm sorry"))
    deltas = [one["delta"] for chunk in chunks for one in chunk["choices"]]
    assert message["refusal"] == "".join(delta.get("refusal") or "" for delta in deltas)
    assert not any(delta.get("content") for delta in deltas)
