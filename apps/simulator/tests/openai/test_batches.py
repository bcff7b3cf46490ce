import msgspec
import openai
import pytest

from llmgw_simulator import Simulator


@pytest.fixture
async def client():
    async with (
        Simulator().serve() as running,
        openai.AsyncOpenAI(api_key="key-1", base_url=f"{running.base_url}/v1", max_retries=0) as client,
    ):
        yield client


def line(name, endpoint="/v1/chat/completions", **body):
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": f"I am {name}"}], **body}
    return msgspec.json.encode({"custom_id": name, "method": "POST", "url": endpoint, "body": body})


async def begun(client, *lines, endpoint="/v1/chat/completions", **more):
    file = await client.files.create(file=("in.jsonl", b"\n".join(lines)), purpose="batch")
    return await client.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h", **more)


async def outcomes(client, file_id):
    content = (await client.files.content(file_id)).content
    return [msgspec.json.decode(one) for one in content.splitlines()]


async def test_a_batch_is_carried_out(client):
    """What succeeds is in one file, what is refused in another."""
    made = await begun(client, line("a"), line("b", nonsense=1), line("c"))
    assert "validating" == made.status
    done = await client.batches.retrieve(made.id)
    assert ("completed", 3, 2, 1) == (
        done.status,
        done.request_counts.total,
        done.request_counts.completed,
        done.request_counts.failed,
    )
    good = await outcomes(client, done.output_file_id)
    assert ["a", "c"] == [one["custom_id"] for one in good]
    assert "I am a" in good[0]["response"]["body"]["choices"][0]["message"]["content"]
    (bad,) = await outcomes(client, done.error_file_id)
    assert ("b", 400) == (bad["custom_id"], bad["response"]["status_code"])
    assert done.usage.total_tokens == done.usage.input_tokens + done.usage.output_tokens > 0
    assert done == await client.batches.retrieve(made.id)


@pytest.mark.parametrize("endpoint", ["/v1/responses", "/v1/embeddings"])
async def test_other_endpoints(client, endpoint):
    """Generated or not."""
    body = {"custom_id": "a", "method": "POST", "url": endpoint, "body": {"model": "m", "input": "x"}}
    made = await begun(client, msgspec.json.encode(body), endpoint=endpoint)
    done = await client.batches.retrieve(made.id)
    assert 1 == done.request_counts.completed


async def test_metadata_can_make_it_last(client):
    """For some looks, and to another end."""
    made = await begun(client, line("a"), metadata={"simulate": "polls=2"})
    states = [(await client.batches.retrieve(made.id)).status for _ in range(3)]
    assert ["in_progress", "in_progress", "completed"] == states
    made = await begun(client, line("a"), metadata={"simulate": "status=expired"})
    assert "expired" == (await client.batches.retrieve(made.id)).status


async def test_one_that_has_not_ended_can_be_cancelled(client):
    """And one that has cannot."""
    made = await begun(client, line("a"), metadata={"simulate": "polls=9"})
    assert "cancelling" == (await client.batches.cancel(made.id)).status
    assert "cancelled" == (await client.batches.retrieve(made.id)).status
    with pytest.raises(openai.ConflictError, match="Cannot cancel a batch with status 'cancelled'"):
        await client.batches.cancel(made.id)


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([b"{"], "invalid_json_line"),
        ([b'{"custom_id": "a"}'], "missing_required_parameter"),
        ([line("a", "/v1/embeddings")], "mismatched_url"),
        ([line("a"), line("a")], "duplicate_custom_id"),
        ([b"\n"], "empty_file"),
    ],
)
async def test_a_bad_file_fails_at_once(client, lines, code):
    """With what is wrong in which line."""
    made = await begun(client, *lines)
    done = await client.batches.retrieve(made.id)
    assert ("failed", code) == (done.status, done.errors.data[0].code)


async def test_nobody_else_sees_it(client):
    """Nor may anyone use another's file."""
    made = await begun(client, line("a"))
    other = client.with_options(api_key="key-2")
    with pytest.raises(openai.NotFoundError, match=f"No batch found with id '{made.id}'."):
        await other.batches.retrieve(made.id)
    with pytest.raises(openai.NotFoundError, match="No such File object"):
        await other.batches.create(input_file_id=made.input_file_id, endpoint="/v1/responses", completion_window="24h")
    assert ([made.id], []) == (
        [one.id async for one in client.batches.list()],
        [one.id async for one in other.batches.list()],
    )


async def test_what_the_provider_refuses(client):
    """Unknown endpoints and windows."""
    for more in (
        {"endpoint": "/v1/x", "completion_window": "24h"},
        {"endpoint": "/v1/responses", "completion_window": "1h"},
    ):
        with pytest.raises(openai.BadRequestError, match="Supported values are"):
            await client.batches.create(input_file_id="file-x", **more)
