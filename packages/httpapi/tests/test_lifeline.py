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


# --- heartbeats -------------------------------------------------------------------------------------------------------

HEAD = [(b"content-type", b"text/event-stream")]


class Recorded(Line):
    """The same, with what was sent to it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[dict[str, object]] = []

    async def send(self, message: dict[str, object]) -> None:
        self.sent.append(message)
        await super().send(message)

    @property
    def bodies(self) -> list[object]:
        return [message["body"] for message in self.sent if message["type"] == "http.response.body"]


def beating(client: Line, beats: list[bool], seconds: float = 0.02, **more: float) -> Lifeline:
    """A lifeline whose call gives a heartbeat whenever it is asked; `beats` notes whether it was the first."""

    def beat(first: bool) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        beats.append(first)
        return b": hi\n\n", HEAD

    return Lifeline(client.receive, client.send, beat=beat, beat_seconds=seconds, **{"send_timeout": 1.0, **more})


async def test_a_client_that_waits_gets_signs_of_life() -> None:
    """Nothing was sent: the headers go first, and heartbeats follow at their rhythm."""
    client, beats = Recorded(), list[bool]()
    with beating(client, beats):
        await asyncio.sleep(0.07)
    assert {"type": "http.response.start", "status": 200, "headers": HEAD} == client.sent[0]
    assert 2 <= len(client.bodies) <= 3
    assert [True] + [False] * (len(beats) - 1) == beats
    assert 1 == await settled()


async def test_the_response_that_a_heartbeat_began_is_not_begun_again() -> None:
    """What comes after it goes on in the same response."""
    client = Recorded()
    with beating(client, []) as line:
        await asyncio.sleep(0.03)
        await line.start(502, [])
        await line.send({"type": "http.response.body", "body": b"x", "more_body": False})
    assert ["http.response.start", "http.response.body", "http.response.body"] == [m["type"] for m in client.sent]
    assert 200 == client.sent[0]["status"]


async def test_a_busy_stream_has_no_heartbeats() -> None:
    """Every byte puts the next one off."""
    client, beats = Recorded(), list[bool]()
    with beating(client, beats, 0.05) as line:
        await line.start(200, HEAD)
        for _ in range(8):
            await line.send({"type": "http.response.body", "body": b"x", "more_body": True})
            await asyncio.sleep(0.02)
    assert [] == beats


async def test_a_write_waits_for_the_heartbeat_before_it() -> None:
    """The two are never under way at the same time, however slowly the client takes them."""
    client = Recorded()
    client.reads.clear()
    with beating(client, []) as line:
        await asyncio.sleep(0.03)
        writing = asyncio.get_running_loop().create_task(
            line.send({"type": "http.response.body", "body": b"x", "more_body": True})
        )
        await asyncio.sleep(0.03)
        assert ["http.response.start"] == [m["type"] for m in client.sent]
        client.reads.set()
        await writing
    assert [b": hi\n\n", b"x"] == client.bodies


async def test_a_heartbeat_that_nobody_takes_ends_the_exchange() -> None:
    """The send timeout holds for it as for any other write."""
    client = Recorded()
    client.reads.clear()
    with beating(client, [], send_timeout=0.05) as line:
        await asyncio.sleep(60)
    assert ("stalled", 1) == (line.lost, await settled())


async def test_without_a_heartbeat_to_give_it_is_asked_for_again() -> None:
    """A call that has none now may have one soon, e.g. once its provider is heard of again."""
    client, asked = Recorded(), list[bool]()

    def beat(first: bool) -> tuple[bytes, list[tuple[bytes, bytes]]] | None:
        asked.append(first)
        return (b"!", HEAD) if len(asked) > 3 else None

    with Lifeline(client.receive, client.send, send_timeout=1.0, beat=beat, beat_seconds=0.05):
        await asyncio.sleep(0.09)
    assert ([b"!"], 4) == (client.bodies, len(asked))


async def test_a_client_that_breaks_the_heartbeat_is_gone() -> None:
    """A server that can't write has no client left."""
    client = Recorded()

    async def broken(message: object) -> None:
        raise ConnectionResetError

    client.send = broken  # type: ignore[method-assign]
    with beating(client, []) as line:
        await asyncio.sleep(60)
    assert ("gone", 1) == (line.lost, await settled())
