"""Clients that leave: at once the provider is told, but for a stream that has nothing left but its count."""

import asyncio

import pytest

from llmgw_domain.errors import UpstreamReset
from llmgw_relay.testing import Script

from .test_exchange import STREAM, Bench, streamed

HELLO = len(b"".join(STREAM[:3]))


class Paced(Script):
    """A provider that says one piece after the other, each `seconds` later from the `after`-th on."""

    def __init__(self, pieces, *, after: int, seconds: float) -> None:
        super().__init__(pieces)
        self.after, self.seconds = after, seconds
        self.said = 0

    async def chunks(self):
        while self.said < len(self.pieces):
            if self.said >= self.after:
                await asyncio.sleep(self.seconds)
            piece = self.pieces[self.said]
            self.said += 1
            if isinstance(piece, BaseException):
                raise piece
            yield piece


async def left(script: Paced, pieces: int) -> Bench:
    """A client that leaves while it waits for what comes after so many pieces of its stream."""
    bench = Bench(script)
    waiting = asyncio.Event()

    async def client() -> None:
        async with bench.relay.open(bench.relay.admit("key"), bench.call(streamed())) as reply:
            taken = 0
            async for _ in reply.chunks:
                taken += 1
                if taken == pieces:
                    waiting.set()

    task = asyncio.get_running_loop().create_task(client())
    await waiting.wait()
    await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    bench.assert_nothing_left()
    return bench


async def test_what_is_left_of_a_finished_stream_is_heard_out():
    """A client that leaves after the finish reason is settled by the provider's own count, and is still one that left.

    Its wait for the provider was cut in the middle; what comes is not lost by that.
    """
    script = Paced(STREAM, after=4, seconds=0.05)
    bench = await left(script, 3)
    (fact,) = bench.facts.settled
    assert ("cancelled", 499, "stop") == (fact.outcome, fact.status, fact.finish)
    assert (12, 3, "reported") == (fact.usage.uncached_input, fact.usage.output, fact.usage.provenance)
    assert len(STREAM) == script.said


async def test_an_answer_in_its_middle_is_given_up_at_once():
    """Nobody reads on before the finish reason is there; the use is estimated."""
    script = Paced(STREAM, after=3, seconds=0.05)
    started = asyncio.get_running_loop().time()
    bench = await left(script, 2)
    (fact,) = bench.facts.settled
    assert ("cancelled", "estimated") == (fact.outcome, fact.usage.provenance)
    assert (3, True) == (script.said, asyncio.get_running_loop().time() - started < 0.04)


async def test_nobody_waits_long_for_the_count():
    """Half a second, then it is estimated."""
    started = asyncio.get_running_loop().time()
    bench = await left(Paced(STREAM, after=4, seconds=30), 3)
    assert 0.4 < asyncio.get_running_loop().time() - started < 2
    assert "estimated" == bench.facts.settled[0].usage.provenance


async def test_nobody_reads_much_for_the_count():
    """64 KiB, then it is estimated."""
    noise = [b": " + b"x" * 20_000 + b"\n\n"] * 50
    script = Paced([*STREAM[:4], *noise, *STREAM[4:]], after=4, seconds=0.02)
    bench = await left(script, 3)
    assert "estimated" == bench.facts.settled[0].usage.provenance
    assert 4 < script.said < 12


@pytest.mark.parametrize("rest", [[UpstreamReset(detail="x")], [b"data: {broken\n\n"], []])
async def test_a_rest_that_breaks_is_estimated(rest):
    """By a reset, by nonsense, by an end without an end mark."""
    bench = await left(Paced([*STREAM[:4], *rest, *([] if rest else [b""])], after=4, seconds=0.03), 3)
    (fact,) = bench.facts.settled
    assert ("cancelled", "estimated") == (fact.outcome, fact.usage.provenance)


async def test_leaving_twice_settles_once():
    """Whoever is cancelled again while the rest is read has settled all the same."""
    bench = Bench(Paced(STREAM, after=4, seconds=30))
    carried = bench.relay.open(bench.relay.admit("key"), bench.call(streamed()))
    reply = await carried.__aenter__()
    for _ in range(3):
        await anext(reply.chunks)
    leaving = asyncio.get_running_loop().create_task(
        carried.__aexit__(asyncio.CancelledError, asyncio.CancelledError(), None)
    )
    await asyncio.sleep(0.01)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    bench.assert_nothing_left()
