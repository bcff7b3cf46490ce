import asyncio

import pytest

from llmgw_domain.errors import BadRequest, GatewayBusy, TooLarge
from llmgw_httpapi.body import Buffered, Patience
from llmgw_httpapi.upload import Upload


def upload(limit=1000, timeout=5.0, buffered=100) -> Upload:
    return Upload(Buffered(buffered).share(), limit=limit, patience=Patience(timeout, 500.0))


def message(body: bytes, more: bool) -> dict:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_pieces_come_in_order_until_the_last() -> None:
    """Empty ones are passed over, and it may be iterated in several goes."""
    body = upload()

    async def send() -> None:
        for part, more in ((b"a", True), (b"", True), (b"b", True), (b"", False)):
            await body.put(message(part, more))

    async with asyncio.TaskGroup() as group:
        group.create_task(send())
        assert b"a" == await anext(aiter(body))
        assert [b"b"] == [part async for part in body]
    assert body.ended


async def test_nobody_reading_holds_the_sender_back() -> None:
    """No more than a few reads are kept."""
    body = upload()
    for _ in range(2):
        await body.put(message(b"x", True))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(body.put(message(b"x", True)), 0.05)


async def test_a_body_is_bounded_and_may_not_stall() -> None:
    """By its size as it comes, and by the time between two reads."""
    body = upload(limit=3)
    await body.put(message(b"1234", True))
    with pytest.raises(TooLarge):
        await anext(body)
    with pytest.raises(BadRequest, match="stopped coming"):
        await anext(upload(timeout=0.01))


async def test_what_is_kept_counts_as_buffered() -> None:
    """Like every other body."""
    body = upload(buffered=10)
    body.hold(10)
    with pytest.raises(GatewayBusy):
        body.hold(1)


async def test_what_is_left_is_discarded_within_bounds() -> None:
    """So that a client that is still sending sees its answer."""
    body = upload()
    await body.put(message(b"x", False))
    assert await body.discard(100, 1.0)
    assert not await upload().discard(100, 0.01)
    body = upload()
    await body.put(message(b"x" * 200, True))
    assert not await body.discard(100, 1.0)
