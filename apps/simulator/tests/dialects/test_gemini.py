import msgspec
import pytest
from google import genai
from google.genai import errors, types

from llmgw_simulator import Simulator
from llmgw_simulator.dialects.gemini import Gemini
from llmgw_simulator.dialects.gemini_request import parse_gemini
from llmgw_simulator.engine import decide
from llmgw_simulator.opaque import is_signature
from llmgw_simulator.testing import incoming_of, request_of
from llmgw_simulator.wire import Refusal

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"functionDeclarations": [{"name": name, "parametersJsonSchema": SCHEMA} for name in ("weather", "news")]}]
THINK = {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}
GEMINI = Gemini()


def both(model="sim/gemini", text="Hello", **more):
    """The whole answer, and the chunks of the stream, as SSE and as an array, which hold the same."""
    body = request_of("gemini", text, **more)[1]
    sse, array = (parse_gemini(body, model, stream=True, array=array) for array in (False, True))
    answers = decide(sse.ask, 0)
    frames = [frame.data for frame in GEMINI.frames(sse, answers)]
    assert all(frame.startswith(b"data: ") and frame.endswith(b"\r\n\r\n") for frame in frames)
    chunks = [msgspec.json.decode(frame[6:]) for frame in frames]
    assert chunks == msgspec.json.decode(b"".join(frame.data for frame in GEMINI.frames(array, answers)))
    return msgspec.json.decode(GEMINI.whole(sse, answers)), chunks


def parts_of(answer, index=0):
    return [p for c in answer["candidates"] if c["index"] == index for p in c["content"]["parts"]]


def folded(parts):
    """Thoughts, text and calls, each together."""
    thoughts = "".join(part["text"] for part in parts if part.get("thought"))
    text = "".join(part.get("text", "") for part in parts if not part.get("thought"))
    return thoughts, text, [part for part in parts if "functionCall" in part]


@pytest.mark.parametrize(
    ("model", "more"),
    [
        ("sim/gemini", {}),
        ("sim/gemini", {"tools": TOOLS}),
        ("gemini-3-pro", {"tools": TOOLS, "text": "parallel"}),
        ("sim/gemini", THINK),
        ("sim/gemini", {"generationConfig": {"thinkingConfig": {"thinkingBudget": 100}}}),
        ("sim/gemini", {"generationConfig": {"candidateCount": 2}}),
        ("sim/gemini", {"generationConfig": {"maxOutputTokens": 3}}),
    ],
)
def test_answers_are_what_the_sdk_expects(model, more):
    """Whole and streamed, with the same parts, finish and usage in both."""
    whole, chunks = both(model, **more)
    for answer in (whole, *chunks):
        types.GenerateContentResponse.model_validate(answer)
    for candidate in whole["candidates"]:
        streamed = [p for chunk in chunks for p in parts_of(chunk, candidate["index"])]
        assert folded(candidate["content"]["parts"]) == folded(streamed)
    assert (whole["usageMetadata"], whole["responseId"]) == (chunks[-1]["usageMetadata"], chunks[-1]["responseId"])
    finishes = [c["finishReason"] for chunk in chunks for c in chunk["candidates"] if "finishReason" in c]
    assert [c["finishReason"] for c in whole["candidates"]] == finishes


def test_the_usage_of_a_stream_grows_and_adds_up():
    """It is cumulative, and the total is the sum."""
    chunks = both(**THINK)[1]
    totals = [chunk["usageMetadata"]["totalTokenCount"] for chunk in chunks]
    assert totals == sorted(totals)
    usage = chunks[-1]["usageMetadata"]
    names = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")
    assert usage["totalTokenCount"] == sum(usage[name] for name in names)


def test_thoughts_are_shown_only_if_included():
    """They are counted and take their time all the same."""
    assert [True, None] == [part.get("thought") for part in parts_of(both(**THINK)[0])]
    body = request_of("gemini", "Hello", generationConfig={"thinkingConfig": {"thinkingBudget": 100}})[1]
    parsed = parse_gemini(body, "m", stream=True, array=False)
    answers = decide(parsed.ask, 0)
    frames = list(GEMINI.frames(parsed, answers))
    assert answers.tokens == sum(frame.tokens for frame in frames)
    assert not any(b'"thought":true' in frame.data for frame in frames)


def test_the_first_call_is_signed():
    """And only that; a text's signature comes with the empty part at the end of the stream."""
    calls = parts_of(both("gemini-3-pro", "parallel", tools=TOOLS)[0])
    assert [True, False] == ["thoughtSignature" in part for part in calls]
    last = parts_of(both("gemini-3-pro")[1][-1])[-1]
    assert ("", True) == (last["text"], is_signature(last["thoughtSignature"]))


def test_older_models_give_calls_no_ids():
    """Results are matched by name and order then."""
    ids = [
        "id" in parts_of(both(m, tools=TOOLS)[0])[0]["functionCall"] for m in ("gemini-2.5-flash", "gemini-3-pro", "x")
    ]
    assert [False, True, True] == ids


def test_a_cut_call_is_left_out():
    """With MAX_TOKENS and no part."""
    whole, chunks = both(tools=TOOLS, generationConfig={"maxOutputTokens": 2})
    assert ([], "MAX_TOKENS") == (parts_of(whole), whole["candidates"][0]["finishReason"])
    assert "MAX_TOKENS" == chunks[-1]["candidates"][0]["finishReason"]


def test_a_key_is_needed():
    """By header or in the address; none is 403 and an unknown one 400, as with Google."""
    assert "k" == GEMINI.credential(incoming_of("/x?key=k"))
    for headers, status in (({}, 403), ({"x-goog-api-key": "bad"}, 400)):
        with pytest.raises(Refusal) as caught:
            GEMINI.authenticate(incoming_of("/x", None, headers))
        assert status == caught.value.status


def test_errors_have_the_envelope():
    """With the time to come back in the details."""
    error = msgspec.json.decode(GEMINI.refuse(GEMINI.canned(429), incoming_of("/")).body)["error"]
    assert (429, "RESOURCE_EXHAUSTED") == (error["code"], error["status"])
    assert "2s" == error["details"][-1]["retryDelay"]


@pytest.mark.parametrize("array", [False, True])
def test_broken_frames_fit_the_form_of_the_stream(array):
    """An error ends an array as JSON; a malformed frame never parses."""
    parsed = parse_gemini(request_of("gemini", "x")[1], "m", stream=True, array=array)
    error, malformed = (GEMINI.broken_frame(parsed, kind) for kind in ("error", "malformed"))
    found = msgspec.json.decode(b"[{}" + error)[1] if array else msgspec.json.decode(error[6:])
    assert "UNAVAILABLE" == found["error"]["status"]
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(b"[{}" + malformed if array else malformed[6:])


async def test_the_official_sdk_completes_a_tool_loop_with_signatures():
    """Calls, results, text; a stream; and errors as the SDK's own."""
    async with Simulator().serve() as running:
        options = types.HttpOptions(base_url=running.base_url)
        async with genai.Client(api_key="k", http_options=options).aio as sdk:
            config = types.GenerateContentConfig(
                tools=TOOLS, automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True)
            )
            contents = [types.Content(role="user", parts=[types.Part(text="parallel")])]
            first = await sdk.models.generate_content(model="gemini-3-pro", contents=contents, config=config)
            results = [
                types.Part(function_response=types.FunctionResponse(id=c.id, name=c.name, response={"output": c.name}))
                for c in first.function_calls
            ]
            contents += [first.candidates[0].content, types.Content(role="user", parts=results)]
            second = await sdk.models.generate_content(model="gemini-3-pro", contents=contents, config=config)
            assert second.text.startswith("The tools said: weather; news.")
            stream = await sdk.models.generate_content_stream(model="m", contents="Hello")
            assert "".join([chunk.text or "" async for chunk in stream]).startswith("You said: Hello")
            with pytest.raises(errors.ClientError, match="not found"):
                await sdk.models.generate_content(model="missing-model", contents="x")
