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


async def test_what_was_answered_is_there(client):
    """The same object, and the same events once more."""
    made = await client.responses.create(model="gpt-5", input="Hi")
    assert made == await client.responses.retrieve(made.id)
    events = [event async for event in await client.responses.retrieve(made.id, stream=True)]
    assert list(range(len(events))) == [event.sequence_number for event in events]
    later = [event async for event in await client.responses.retrieve(made.id, stream=True, starting_after=3)]
    assert events[4:] == later
    assert made.output == events[-1].response.output


async def test_input_items_reach_back(client):
    """Newest first, page by page, each with an id."""
    first = await client.responses.create(model="gpt-4o", input="One")
    second = await client.responses.create(model="gpt-4o", input="Two", previous_response_id=first.id)
    items = [item async for item in client.responses.input_items.list(second.id, limit=2)]
    assert ["Two", first.output_text, "One"] == [item.content[0].text for item in items]
    assert all(item.id.startswith("msg_") for item in items)


async def test_only_what_runs_in_the_background_can_be_cancelled(client):
    """And only as long as nobody has fetched it."""
    made = await client.responses.create(model="gpt-5", input="Hi", background=True)
    assert ("queued", "cancelled") == (made.status, (await client.responses.cancel(made.id)).status)
    fetched = await client.responses.create(model="gpt-5", input="Ho", background=True)
    assert "completed" == (await client.responses.retrieve(fetched.id)).status
    assert "completed" == (await client.responses.cancel(fetched.id)).status
    made = await client.responses.create(model="gpt-5", input="Hi")
    with pytest.raises(openai.BadRequestError, match="Cannot cancel a synchronous response"):
        await client.responses.cancel(made.id)


async def test_nobody_else_sees_it(client):
    """Nor does anyone after it was deleted."""
    made = await client.responses.create(model="gpt-5", input="Hi")
    other = client.with_options(api_key="key-2")
    for call in (other.responses.retrieve, other.responses.delete, other.responses.cancel):
        with pytest.raises(openai.NotFoundError, match=f"Response with id '{made.id}' not found."):
            await call(made.id)
    await client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(made.id)


async def test_tokens_are_counted_as_they_are_charged(client):
    """Instructions and tools included."""
    more = {"model": "gpt-5", "input": "Hi there", "instructions": "Be brief"}
    counted = await client.responses.input_tokens.count(**more)
    assert (await client.responses.create(**more)).usage.input_tokens == counted.input_tokens
    with pytest.raises(openai.BadRequestError, match="expected an integer, but got 'x'"):
        await client.get(
            f"/responses/{(await client.responses.create(**more)).id}?stream=true&starting_after=x", cast_to=object
        )
