import base64
import struct
import zlib

import openai
import pytest

from llmgw_simulator import Simulator
from llmgw_simulator.openai.images import edit, generate, picture
from llmgw_simulator.testing import incoming_of
from llmgw_simulator.wire import Refusal


@pytest.fixture
async def client():
    async with (
        Simulator().serve() as running,
        openai.AsyncOpenAI(api_key="key-1", base_url=f"{running.base_url}/v1", max_retries=0) as client,
    ):
        yield client


def test_a_picture_is_a_png():
    """Another for another text."""
    data = picture("cat")
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    (length,) = struct.unpack(">I", data[33:37])
    assert (16 * 3 + 1) * 16 == len(zlib.decompress(data[41 : 41 + length]))
    assert picture("cat") == data != picture("dog")


async def test_pictures_are_made(client):
    """In JSON with usage; older models give addresses."""
    made = await client.images.generate(model="gpt-image-1", prompt="cat", n=2)
    first, second = (base64.b64decode(one.b64_json) for one in made.data)
    assert first != second
    assert made.usage.total_tokens == made.usage.input_tokens + made.usage.output_tokens
    old = await client.images.generate(model="dall-e-3", prompt="cat")
    assert (True, "cat") == (old.data[0].url.startswith("https://"), old.data[0].revised_prompt)
    assert (await client.images.generate(model="dall-e-2", prompt="cat", response_format="b64_json")).data[0].b64_json


async def test_pictures_are_streamed(client):
    """Some that are not ready, then the last with usage."""
    stream = await client.images.generate(model="gpt-image-1", prompt="cat", stream=True, partial_images=2)
    events = [event async for event in stream]
    assert ["image_generation.partial_image"] * 2 + ["image_generation.completed"] == [event.type for event in events]
    assert [0, 1] == [event.partial_image_index for event in events[:2]]
    assert events[-1].usage.output_tokens > 0


async def test_pictures_are_changed(client):
    """What comes out depends on what went in."""
    images = [("a.png", b"one", "image/png"), ("b.png", b"two", "image/png")]
    made = await client.images.edit(model="gpt-image-1", prompt="cat", image=images, n=1)
    other = await client.images.edit(model="gpt-image-1", prompt="cat", image=images[:1])
    assert made.data[0].b64_json != other.data[0].b64_json
    assert 2 * other.usage.input_tokens_details.image_tokens == made.usage.input_tokens_details.image_tokens
    stream = await client.images.edit(model="gpt-image-1", prompt="cat", image=images[0], stream=True)
    assert ["image_edit.completed"] == [event.type async for event in stream]
    with pytest.raises(openai.BadRequestError, match="unsupported mimetype"):
        await client.images.edit(model="gpt-image-1", prompt="cat", image=("a.txt", b"x", "text/plain"))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"model": "dall-e-2", "prompt": "x", "quality": "standard"}, "Unknown parameter: 'quality'."),
        ({"model": "gpt-image-1", "prompt": "x", "response_format": "url"}, "Unknown parameter: 'response_format'."),
        ({"model": "gpt-image-1"}, "Missing required parameter: 'prompt'."),
        ({"prompt": "x", "n": 11}, "Invalid 'n': integer above maximum value."),
        ({"model": "missing-model", "prompt": "x"}, "The model 'missing-model' does not exist."),
    ],
)
def test_what_the_provider_refuses(body, expected):
    """By model."""
    with pytest.raises(Refusal) as found:
        generate(incoming_of("/v1/images/generations", body))
    assert found.value.message.startswith(expected)


def test_a_change_needs_a_picture():
    """And a prompt, which comes first."""
    with pytest.raises(Refusal, match="Missing required parameter: 'prompt'"):
        edit(incoming_of("/v1/images/edits"))
