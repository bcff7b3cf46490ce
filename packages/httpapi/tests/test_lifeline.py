"""Knowing that the client is still there, and that it reads."""

import asyncio

import pytest

from llmgw_httpapi.lifeline import Lifeline


class Line:
    """A client whose disconnect and whose reading a test controls."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()

    async def receive(self) -> dict[str, object]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: object) -> None:
        await self.reads.wait()


async def settled() -> int:
    """How many tasks there are once everything cancelled has ended."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return len(asyncio.all_tasks())


async def test_a_quiet_exchange_leaves_nothing() -> None:
    """An exchange that ends by itself is not lost, and its watcher is gone."""
    client = Line()
    with Lifeline(client.receive, client.send, send_timeout=1) as line:
        await line.send({})
    assert (line.lost, await settled()) == (None, 1)


async def test_a_gone_client_cancels_the_work() -> None:
    """A disconnect ends the context at once and normally, and leaves no cancellation behind."""
    client = Line()
    with Lifeline(client.receive, client.send, send_timeout=1) as line:
        client.gone.set()
        await asyncio.sleep(60)
    task = asyncio.current_task()
    assert task is not None
    assert (line.lost, task.cancelling(), await settled()) == ("gone", 0, 1)


async def test_a_client_that_does_not_read_is_stalled() -> None:
    """A send that is not taken in time ends the context."""
    client = Line()
    client.reads.clear()
    with Lifeline(client.receive, client.send, send_timeout=0.02) as line:
        await line.send({})
    assert (line.lost, await settled()) == ("stalled", 1)


async def test_a_slow_client_is_not_stalled() -> None:
    """The bound is on one send: many that each are taken in time may take longer together."""
    client = Line()

    async def slow(message: object) -> None:
        await asyncio.sleep(0.02)

    with Lifeline(client.receive, slow, send_timeout=0.05) as line:
        for _ in range(6):
            await line.send({})
    assert line.lost is None


async def test_silence_is_not_a_stall() -> None:
    """A time without any send is the upstream's thinking, whatever the bound."""
    client = Line()
    with Lifeline(client.receive, client.send, send_timeout=0.01) as line:
        await asyncio.sleep(0.05)
    assert line.lost is None


async def test_the_servers_cancellation_goes_on() -> None:
    """A cancellation from outside comes out, also when the client is gone at the same time."""
    for with_disconnect in (False, True):
        client = Line()

        async def work(client: Line = client) -> None:
            with Lifeline(client.receive, client.send, send_timeout=1):
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    # Settling takes a while, in which the other cancellation comes too.
                    await asyncio.sleep(0.01)
                    raise

        task = asyncio.get_running_loop().create_task(work())
        await asyncio.sleep(0)
        if with_disconnect:
            client.gone.set()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await settled() == 1


async def test_an_error_of_the_work_comes_out() -> None:
    """An exception is not swallowed, not even after a disconnect."""
    client = Line()

    async def work() -> None:
        with Lifeline(client.receive, client.send, send_timeout=1):
            client.gone.set()
            try:
                await asyncio.sleep(60)
            finally:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await work()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_disconnect_after_the_end_is_the_end() -> None:
    """Servers report a finished exchange as a disconnect; it cancels nothing."""
    client = Line()
    with Lifeline(client.receive, client.send, send_timeout=1) as line:
        line.complete = True
        client.gone.set()
        await asyncio.sleep(0.01)
    assert line.lost is None


async def test_a_failing_receive_is_a_gone_client() -> None:
    """A server that breaks in receive ends the exchange, and no task dies unheard."""

    async def broken() -> dict[str, object]:
        raise OSError

    with Lifeline(broken, Line().send, send_timeout=1) as line:
        await asyncio.sleep(60)
    assert line.lost == "gone"
