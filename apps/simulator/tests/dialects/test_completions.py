import msgspec
import openai
import pytest
from openai.types import Completion

from llmgw_simulator import Simulator
from llmgw_simulator.dialects.completions import Completions
from llmgw_simulator.engine import decide
from llmgw_simulator.testing import incoming_of
from llmgw_simulator.wire import Refusal

DIALECT = Completions(0)


def parsed(**more):
    return DIALECT.parse(incoming_of("/v1/completions", {"model": "gpt-3.5-turbo-instruct", "prompt": "Hi", **more}))


def whole(**more):
    found = parsed(**more)
    return msgspec.json.decode(DIALECT.whole(found, decide(found.ask, 0)))


def chunks(**more):
    found = parsed(stream=True, **more)
    frames = [frame.data for frame in DIALECT.frames(found, decide(found.ask, 0))]
    assert b"data: [DONE]\n\n" == frames.pop()
    return [msgspec.json.decode(frame.removeprefix(b"data: ")) for frame in frames]


@pytest.mark.parametrize(
    "more", [{}, {"prompt": ["a", "b"], "n": 2}, {"echo": True, "logprobs": 2}, {"max_tokens": 100, "stop": "."}]
)
def test_whole_and_streamed_say_the_same(more):
    """Each choice its text and finish."""
    answer, found = whole(**more), chunks(**more)
    Completion.model_validate(answer, strict=True)
    for choice in answer["choices"]:
        parts = [one for chunk in found for one in chunk["choices"] if one["index"] == choice["index"]]
        assert choice["text"] == "".join(part["text"] for part in parts)
        assert [choice["finish_reason"]] == [part["finish_reason"] for part in parts if part["finish_reason"]]
    assert {answer["id"]} == {chunk["id"] for chunk in found}


def test_every_prompt_has_its_choices():
    """Neighbours, numbered through; the usage is of all of them."""
    answer = whole(prompt=["one", "two"], n=2, max_tokens=50)
    assert [0, 1, 2, 3] == [choice["index"] for choice in answer["choices"]]
    assert ["one", "one", "two", "two"] == [choice["text"].split("\n")[0][10:] for choice in answer["choices"]]
    single = whole(prompt="one", n=2, max_tokens=50)["usage"]
    assert answer["usage"]["completion_tokens"] > single["completion_tokens"]
    assert (
        answer["usage"]
        == chunks(prompt=["one", "two"], n=2, max_tokens=50, stream_options={"include_usage": True})[-1]["usage"]
    )


def test_sixteen_tokens_are_enough_if_nothing_is_said():
    """The old default."""
    assert (16, "length") == (whole()["usage"]["completion_tokens"], whole()["choices"][0]["finish_reason"])


def test_prompts_of_tokens():
    """One list or several; echo shows them, and likelihoods say where each token is."""
    choice = whole(prompt=[[1, 2], [3]], echo=True, logprobs=1)["choices"][0]
    assert choice["text"].startswith("<|1|><|2|>")
    tokens = choice["logprobs"]
    assert choice["text"] == "".join(tokens["tokens"])
    assert tokens["tokens"][1] == choice["text"][tokens["text_offset"][1] :][: len(tokens["tokens"][1])]
    assert 1 == len(whole(prompt=[1, 2])["choices"])
    assert 1 == len(whole(prompt=None)["choices"])


@pytest.mark.parametrize(
    ("more", "status", "expected"),
    [
        ({"model": None}, 400, "you must provide a model parameter"),
        ({"messages": []}, 400, "Unrecognized request argument supplied: messages"),
        ({"model": "missing-model"}, 404, "The model `missing-model` does not exist or you do not have access to it."),
        ({"model": "gpt-4o"}, 404, "This is a chat model and not supported in the v1/completions endpoint."),
        ({"prompt": {}}, 400, "Invalid type for 'prompt': expected one of a string, array of strings,"),
        ({"prompt": []}, 400, "Invalid type for 'prompt': expected one of a string, array of strings,"),
        (
            {"prompt": [1, 123456]},
            400,
            "Invalid token in prompt: 123456. Minimum value is 0, maximum value is 100257 (inclusive).",
        ),
        ({"temperature": "x"}, 400, "Invalid type for 'temperature'"),
        ({"logprobs": 6}, 400, "Invalid value for 'logprobs'"),
        ({"stream_options": {"include_usage": True}}, 400, "The 'stream_options' parameter is only allowed when"),
    ],
)
def test_what_the_provider_refuses(more, status, expected):
    """In its own words."""
    with pytest.raises(Refusal) as found:
        parsed(**more)
    assert status == found.value.status
    assert found.value.message.startswith(expected)


async def test_the_sdk_reads_it():
    """Over a socket."""
    async with (
        Simulator().serve() as running,
        openai.AsyncOpenAI(api_key="key-1", base_url=f"{running.base_url}/v1", max_retries=0) as client,
    ):
        stream = await client.completions.create(model="davinci-002", prompt="Hi", stream=True)
        text = "".join([chunk.choices[0].text async for chunk in stream])
        assert text == (await client.completions.create(model="davinci-002", prompt="Hi")).choices[0].text
