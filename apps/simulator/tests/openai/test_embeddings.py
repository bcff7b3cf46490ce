import base64
import math
import struct

import msgspec
import openai
import pytest

from llmgw_simulator import Simulator
from llmgw_simulator.openai.embeddings import embed, vector
from llmgw_simulator.testing import incoming_of
from llmgw_simulator.wire import Refusal


def answer(**more):
    body = {"model": "text-embedding-3-small", "input": "Hi", **more}
    return msgspec.json.decode(embed(incoming_of("/v1/embeddings", body)).body)


def test_vectors_have_length_one_and_repeat():
    """Other texts and other models have others."""
    found = struct.unpack("<8f", vector("m", "text", 8))
    assert math.isclose(1.0, math.hypot(*found), rel_tol=1e-6)
    assert vector("m", "text", 8) == vector("m", "text", 8)
    assert 3 == len({vector("m", "text", 8), vector("n", "text", 8), vector("m", "other", 8)})


def test_base64_holds_the_same_as_numbers():
    """Little-endian float32."""
    numbers = answer(dimensions=6)["data"][0]["embedding"]
    packed = base64.b64decode(answer(dimensions=6, encoding_format="base64")["data"][0]["embedding"])
    assert tuple(numbers) == struct.unpack("<6f", packed)


@pytest.mark.parametrize(
    ("given", "number", "tokens"), [("four", 1, 1), (["a", "bbbbb"], 2, 3), ([1, 2, 3], 1, 3), ([[1], [2, 3]], 2, 3)]
)
def test_inputs(given, number, tokens):
    """Texts and tokens, one and many."""
    found = answer(input=given)
    assert (number, {"prompt_tokens": tokens, "total_tokens": tokens}) == (len(found["data"]), found["usage"])


def test_dimensions():
    """Those of the model, unless fewer are asked for."""
    assert (1536, 3072, 7) == (
        len(answer()["data"][0]["embedding"]),
        len(answer(model="text-embedding-3-large")["data"][0]["embedding"]),
        len(answer(dimensions=7)["data"][0]["embedding"]),
    )


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"model": None}, "you must provide a model parameter"),
        ({"x": 1, "y": 2}, "Unrecognized request arguments supplied: x, y"),
        ({"model": "missing-model"}, "The model `missing-model` does not exist or you do not have access to it."),
        ({"encoding_format": "hex"}, "'hex' is not one of ['float', 'base64'] - 'encoding_format'"),
        ({"dimensions": -1}, "-1 is less than the minimum of 1 - 'dimensions'"),
        ({"dimensions": "3"}, "'3' is not of type 'integer' - 'dimensions'"),
        ({"dimensions": 4000}, "Invalid value for 'dimensions' = 4000. Must be less than or equal to 1536."),
        ({"dimensions": 8, "model": "text-embedding-ada-002"}, "This model does not support specifying dimensions."),
        ({"input": ""}, "'$.input' is invalid."),
        ({"input": []}, "'$.input' is invalid."),
        ({"input": ["a", 1]}, "'$.input' is invalid."),
        ({"input": [-1]}, "Invalid token in input: -1."),
        ({"input": "x" * 40_000}, "This model's maximum context length is 8192 tokens, however you requested 10000"),
    ],
)
def test_what_the_provider_refuses(more, expected):
    """In its own words."""
    with pytest.raises(Refusal) as found:
        answer(**more)
    assert found.value.message.startswith(expected)


async def test_the_sdk_reads_it():
    """Which asks for base64 unless told otherwise."""
    async with (
        Simulator().serve() as running,
        openai.AsyncOpenAI(api_key="key-1", base_url=f"{running.base_url}/v1", max_retries=0) as client,
    ):
        found = await client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
        plain = await client.embeddings.create(
            model="text-embedding-3-small", input=["a", "b"], encoding_format="float"
        )
        assert [one.embedding for one in plain.data] == [one.embedding for one in found.data]
