import aiohttp
import msgspec
import openai
import pytest

from llmgw_simulator import Simulator
from llmgw_simulator.blobs import Blob
from llmgw_simulator.openai.files import Files
from llmgw_simulator.testing import incoming_of
from llmgw_simulator.wire import Form, Refusal, Upload


@pytest.fixture
async def running():
    async with Simulator().serve() as running:
        yield running


@pytest.fixture
async def client(running):
    async with openai.AsyncOpenAI(api_key="key-1", base_url=f"{running.base_url}/v1", max_retries=0) as client:
        yield client


async def test_a_file_comes_back_as_it_went(client, running):
    """With its description; the log has its size and not its bytes."""
    data = bytes(range(256)) * 20_000
    made = await client.files.create(file=("a.bin", data), purpose="evals")
    assert (len(data), "a.bin", "evals") == (made.bytes, made.filename, made.purpose)
    assert made == await client.files.retrieve(made.id)
    content = await client.files.content(made.id)
    assert data == content.content
    assert str(len(data)) == content.response.headers["content-length"]
    assert b'"size":5120000' in bytes(running.log.entries[0].body)


async def test_lists_have_pages(client):
    """Newest first, and by purpose."""
    ids = [(await client.files.create(file=("a.jsonl", b"{}"), purpose="batch")).id for _ in range(3)]
    await client.files.create(file=("b", b"x"), purpose="evals")
    assert ids[::-1] == [one.id async for one in client.files.list(purpose="batch", limit=1)]
    assert ids == [one.id async for one in client.files.list(purpose="batch", order="asc")]


async def test_nobody_else_sees_it(client):
    """Nor does anyone after it was deleted."""
    made = await client.files.create(file=("a", b"x"), purpose="evals")
    other = client.with_options(api_key="key-2")
    for call in (other.files.retrieve, other.files.content, other.files.delete):
        with pytest.raises(openai.NotFoundError, match=f"No such File object: {made.id}"):
            await call(made.id)
    assert [] == [one async for one in other.files.list()]
    assert (await client.files.delete(made.id)).deleted
    with pytest.raises(openai.NotFoundError) as refused:
        await client.files.retrieve(made.id)
    assert "id" == refused.value.param


async def test_some_files_are_not_given_back(client):
    """Those that a user gave for the model to read."""
    made = await client.files.create(
        file=("a", b"x"), purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert made.created_at + 3600 == made.expires_at
    with pytest.raises(openai.BadRequestError, match="Not allowed to download files of purpose: user_data"):
        await client.files.content(made.id)


async def test_a_download_can_be_cut(client, running):
    """By a fault, in the middle of its declared length."""
    made = await client.files.create(file=("a", b"x" * 1_000_000), purpose="evals")
    headers = {"authorization": "Bearer key-1", "x-sim-fault": "fin-bytes=200000"}
    url = f"{running.base_url}/v1/files/{made.id}/content"
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as response:
        assert 1_000_000 == response.content_length
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
    assert ("fin", 200_000) == (running.log.entries[-1].outcome, running.log.entries[-1].sent_bytes)


@pytest.mark.parametrize(
    ("fields", "name", "expected"),
    [
        ({"purpose": "batch"}, None, "Missing required parameter: 'file'."),
        ({}, "a.jsonl", "Missing required parameter: 'purpose'."),
        ({"purpose": "fun"}, "a.jsonl", "'fun' is not one of ['fine-tune', 'assistants', 'batch', "),
        ({"purpose": "batch"}, "a.csv", "Invalid file format for Batch API. Must be .jsonl"),
        ({"purpose": "batch", "x": "1"}, "a.jsonl", "Unknown parameter: 'x'."),
        ({"purpose": "batch", "expires_after[seconds]": "5"}, "a.jsonl", "Invalid 'expires_after.seconds':"),
    ],
)
def test_what_the_provider_refuses(fields, name, expected):
    """In its own words."""
    uploads = (Upload("file", name, "text/plain", Blob.of(b"x")),) if name else ()
    form = Form({name: [value] for name, value in fields.items()}, uploads)
    files = Files()
    with pytest.raises(Refusal) as found:
        files.upload(msgspec.structs.replace(incoming_of("/v1/files"), form=form))
    assert found.value.message.startswith(expected)
    assert "<Files 0 files>" == repr(files)
