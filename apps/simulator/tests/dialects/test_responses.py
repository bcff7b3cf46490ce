import msgspec
import openai
import pytest
from openai.types.responses import Response

from llmgw_simulator import Simulator
from llmgw_simulator.dialects.responses import Responses
from llmgw_simulator.engine import decide
from llmgw_simulator.kept import Kept
from llmgw_simulator.testing import incoming_of
from llmgw_simulator.wire import Refusal

KEY = {"authorization": "Bearer key-1"}
FUNCTION = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
def dialect():
    return Responses(Kept())


def parsed(dialect, **more):
    body = {"model": "gpt-5.5", "input": "Hello", **more}
    incoming = msgspec.structs.replace(incoming_of("/v1/responses", body, KEY), owner="key-1")
    return dialect.parse(incoming)


def whole(dialect, **more):
    found = parsed(dialect, **more)
    return msgspec.json.decode(dialect.whole(found, decide(found.ask, 0)))


def streamed(dialect, **more):
    found = parsed(dialect, stream=True, **more)
    frames = [frame.data for frame in dialect.frames(found, decide(found.ask, 0))]
    return [msgspec.json.decode(frame.split(b"\ndata: ")[1]) for frame in frames]


def test_an_answer_goes_on_where_another_ended(dialect):
    """The history counts as input, and reaches over several answers."""
    first = whole(dialect)
    second = whole(dialect, previous_response_id=first["id"], input="More")
    third = whole(dialect, previous_response_id=second["id"], input="Even more")
    assert first["usage"]["input_tokens"] < second["usage"]["input_tokens"] < third["usage"]["input_tokens"]
    assert "You said: Even more" in third["output"][-1]["content"][0]["text"]


def test_an_answer_that_is_not_kept_is_not_found(dialect):
    """`store` is true unless it is false; and another credential finds nothing."""
    first = whole(dialect, store=False)
    with pytest.raises(Refusal, match="Previous response with id"):
        parsed(dialect, previous_response_id=first["id"])


def test_a_stream_is_kept_when_it_is_through(dialect):
    """Not before its last event."""
    found = parsed(dialect, stream=True)
    frames = dialect.frames(found, decide(found.ask, 0))
    first = msgspec.json.decode(next(frames).data.split(b"\ndata: ")[1])["response"]["id"]
    with pytest.raises(Refusal):
        parsed(dialect, previous_response_id=first)
    list(frames)
    parsed(dialect, previous_response_id=first)


def test_calls_of_an_earlier_answer_want_their_outputs(dialect):
    """And the outputs find their calls there."""
    first = whole(dialect, tools=[FUNCTION])
    call = first["output"][-1]
    with pytest.raises(Refusal, match=f"No tool output found for function call {call['call_id']}"):
        parsed(dialect, previous_response_id=first["id"])
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "Sunny"}
    second = whole(dialect, previous_response_id=first["id"], input=[output], tools=[FUNCTION])
    assert "The tools said: Sunny." in second["output"][-1]["content"][0]["text"]


def test_what_was_answered_can_be_sent_back(dialect):
    """Items as they came, with their reasoning."""
    first = whole(dialect, tools=[FUNCTION])
    output = {"type": "function_call_output", "call_id": first["output"][-1]["call_id"], "output": "Sunny"}
    whole(dialect, input=[{"role": "user", "content": "Hello"}, *first["output"], output])
    whole(dialect, input=[{"id": first["output"][0]["id"]}, *first["output"][1:], output])


def test_whole_and_streamed_say_the_same(dialect):
    """The last event has the object."""
    more = {"tools": [FUNCTION], "reasoning": {"summary": "auto"}}
    assert whole(dialect, **more) == streamed(dialect, **more)[-1]["response"]
    Response.model_validate(whole(dialect, **more), strict=True)


def test_one_in_the_background_is_queued(dialect):
    """And has nothing to show yet."""
    found = whole(dialect, background=True)
    assert ("queued", [], None, True) == tuple(found[name] for name in ("status", "output", "usage", "background"))
    assert ["response.created", "response.queued", "response.in_progress"] == [
        event["type"] for event in streamed(dialect, background=True)[:3]
    ]


def test_broken_frames_go_on_counting(dialect):
    """A failure repeats the response, or is a bare error if there is none yet."""
    found = parsed(dialect, stream=True)
    assert b'event: error\ndata: {"type":"error","sequence_number":0,' in dialect.broken_frame(found, "error")
    found = parsed(dialect, stream=True)
    frames = dialect.frames(found, decide(found.ask, 0))
    created = msgspec.json.decode(next(frames).data.split(b"\ndata: ")[1])
    assert b'"sequence_number":1,"delta":"\n\n' in dialect.broken_frame(found, "malformed")
    failed = msgspec.json.decode(dialect.broken_frame(found, "error").split(b"\ndata: ")[1])
    assert ("response.failed", 1, "failed") == (failed["type"], failed["sequence_number"], failed["response"]["status"])
    assert (created["response"]["id"], "server_error") == (
        failed["response"]["id"],
        failed["response"]["error"]["code"],
    )


async def test_the_sdk_does_a_task_with_tools():
    """Over a socket: a call, its output, the answer; streamed, with reasoning sent back."""
    async with (
        Simulator().serve() as running,
        openai.AsyncOpenAI(api_key="key-1", base_url=f"{running.base_url}/v1", max_retries=0) as client,
    ):
        items = [{"role": "user", "content": 'Please weather {"city": "Oslo"}'}]
        settings = {"model": "gpt-5.5", "tools": [FUNCTION], "store": False, "include": ["reasoning.encrypted_content"]}
        async with client.responses.stream(input=items, **settings) as stream:
            numbers = [event.sequence_number async for event in stream]
            first = await stream.get_final_response()
        assert list(range(len(numbers))) == numbers
        reasoning, call = first.output
        assert ("reasoning", '{"city":"Oslo"}') == (reasoning.type, call.arguments)
        items += [
            {"type": "reasoning", "summary": [], "encrypted_content": reasoning.encrypted_content},
            {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments},
            {"type": "function_call_output", "call_id": call.call_id, "output": "Snow"},
        ]
        second = await client.responses.create(input=items, **settings)
        assert "The tools said: Snow." in second.output_text
        with pytest.raises(openai.BadRequestError) as refused:
            await client.with_options(api_key="key-2").responses.create(input=items, **settings)
        assert "invalid_encrypted_content" == refused.value.code
