"""Reading bodies within bounds."""

import asyncio
from collections.abc import Sequence

import pytest

from llmgw_domain.errors import BadRequest, ClientGone, GatewayBusy, TooLarge
from llmgw_httpapi.body import Buffered, Patience, read_body, refuse_length

PATIENT = Patience(1.0, 500.0)


def receive_of(*parts: bytes, end: bool = True) -> object:
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.request", "body": b"", "more_body": False} if end else {"type": "http.disconnect"})

    async def receive() -> dict[str, object]:
        return messages.pop(0)

    return receive


@pytest.mark.parametrize("parts", [[], [b"a"], [b"ab", b"", b"c"]])
async def test_body_is_put_together(parts: Sequence[bytes]) -> None:
    """The body is what its pieces are in order, and its size is held until the share is given back."""
    buffered = Buffered(10)
    with buffered.share() as share:
        assert b"".join(parts) == await read_body(receive_of(*parts), share, limit=10, patience=PATIENT)
        assert sum(map(len, parts)) == buffered.held
    assert buffered.held == 0


async def test_limit_is_exact() -> None:
    """A body of the limit passes, one more byte is too large, and nothing stays held."""
    buffered = Buffered(100)
    with buffered.share() as share:
        assert await read_body(receive_of(b"123", b"45"), share, limit=5, patience=PATIENT) == b"12345"
    with pytest.raises(TooLarge, match="5 bytes"), buffered.share() as share:
        await read_body(receive_of(b"123", b"456"), share, limit=5, patience=PATIENT)
    assert buffered.held == 0


async def test_sum_of_bodies_is_bounded() -> None:
    """A body for which all requests together have no room is refused, with a time to come back."""
    buffered = Buffered(8)
    with buffered.share() as first, buffered.share() as second:
        await read_body(receive_of(b"12345"), first, limit=10, patience=PATIENT)
        with pytest.raises(GatewayBusy) as caught:
            await read_body(receive_of(b"1234"), second, limit=10, patience=PATIENT)
    assert (caught.value.retry_after, buffered.held) == (1.0, 0)


def test_announced_length_is_judged_first() -> None:
    """An announced length over a limit is refused without reading; one that fits or is unknown is not."""
    buffered = Buffered(8)
    refuse_length(None, 5, buffered)
    refuse_length(5, 5, buffered)
    with pytest.raises(TooLarge):
        refuse_length(6, 5, buffered)
    with pytest.raises(GatewayBusy):
        refuse_length(9, 10, buffered)


async def test_a_client_that_leaves_is_gone() -> None:
    """A disconnect in the middle of a body ends the reading."""
    with pytest.raises(ClientGone), Buffered(10).share() as share:
        await read_body(receive_of(b"a", end=False), share, limit=10, patience=PATIENT)


async def test_a_body_that_stops_coming_is_refused() -> None:
    """The time between two reads is bounded; what comes fast enough may take longer in all."""

    async def slow() -> dict[str, object]:
        await asyncio.sleep(0.03)
        return {"type": "http.request", "body": b"x", "more_body": next(more)}

    more = iter([True, True, True, False])
    with Buffered(10).share() as share:
        assert await read_body(slow, share, limit=10, patience=Patience(0.08, 10.0)) == b"xxxx"
    with pytest.raises(BadRequest, match=r"0\.01 s"), Buffered(10).share() as share:
        await read_body(slow, share, limit=10, patience=Patience(0.01, 100.0))


async def test_a_body_that_trickles_is_refused() -> None:
    """Each read is in time, and all of them are not: a byte now and then keeps no connection."""

    async def slow() -> dict[str, object]:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    with pytest.raises(BadRequest, match="less than 1000 bytes a second"), Buffered(1000).share() as share:
        await read_body(slow, share, limit=1000, patience=Patience(0.1, 1000.0))
    assert share.size == 0


def test_patience() -> None:
    """So many seconds a read, less what the rate does not make up for; time that others took does not count."""
    patience = Patience(30.0, 500.0)
    patience.came(5, 20.0)
    assert 10.01 == pytest.approx(patience.left)
    patience.came(20_000, 0.0)
    assert 30.0 == patience.left
