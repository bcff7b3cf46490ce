import asyncio
import time

import pytest

from llmgw_simulator.config import SimulatorConfig
from llmgw_simulator.simulator import Simulator
from llmgw_simulator.testing import KEYS, leave, post, request_bytes, request_of, until


@pytest.fixture
async def running():
    async with Simulator(SimulatorConfig(time_scale=100.0)).serve() as found:
        yield found


async def ask(running, dialect="chat", fault="", stream=True):
    path, body = request_of(dialect, "Hello", stream=stream)
    headers = KEYS[dialect] | ({"x-sim-fault": fault} if fault else {})
    return await post(running.port, path, body, headers)


async def settled(running):
    """The newest entry, once its outcome is known."""
    await until(lambda: running.log.entries and not running.log.in_flight)
    return running.log.entries[-1]


@pytest.mark.parametrize("dialect", list(KEYS))
async def test_a_stream_arrives_whole(running, dialect):
    """With a proper end, and is logged with its size."""
    answer = await ask(running, dialect)
    assert (200, "complete") == (answer.status, answer.ending)
    entry = await settled(running)
    assert ("served", len(answer.body)) == (entry.outcome, entry.sent_bytes)


@pytest.mark.parametrize("dialect", list(KEYS))
@pytest.mark.parametrize(
    ("fault", "ending", "outcome"),
    [("reset", "reset", "reset"), ("eof", "complete", "eof"), ("fin", "closed", "fin")],
)
async def test_a_stream_is_cut_at_the_byte(running, dialect, fault, ending, outcome):
    """The bytes before the cut arrive, exactly, and the connection ends as the fault says."""
    whole = await ask(running, dialect)
    answer = await ask(running, dialect, f"{fault}-bytes=150")
    assert (whole.body[:150], ending) == (answer.body, answer.ending)
    assert outcome == (await settled(running)).outcome


@pytest.mark.parametrize("events", [0, 1, 3])
async def test_a_stream_is_cut_at_the_event(running, events):
    """Between two events, with an orderly end of the body."""
    whole = await ask(running)
    answer = await ask(running, fault=f"eof-events={events}")
    expected = b"".join(frame + b"\n\n" for frame in whole.body.split(b"\n\n")[:events])
    assert (expected, "complete") == (answer.body, answer.ending)


@pytest.mark.parametrize(("fault", "ending"), [("reset", "reset"), ("eof", "complete"), ("fin", "closed")])
async def test_a_whole_answer_is_cut_too(running, fault, ending):
    """Its length is declared unless it is to look complete."""
    answer = await ask(running, fault=f"{fault}-bytes=20", stream=False)
    assert (20, ending) == (len(answer.body), answer.ending)


async def test_a_reset_before_the_first_byte_of_the_body(running):
    """Headers, then nothing."""
    answer = await ask(running, fault="reset-bytes=0")
    assert (200, b"", "reset") == (answer.status, answer.body, answer.ending)


async def test_a_stall_lasts_until_the_caller_leaves(running):
    """Nothing more comes, the connection stays open, and the leaving is noticed at once."""
    path, body = request_of("chat", "Hello", stream=True)
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(request_bytes(path, body, KEYS["chat"] | {"x-sim-fault": "stall-events=1"}))
    await reader.readuntil(b"\n\n\r\n")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1000), 0.1)
    assert 1 == running.log.in_flight
    await leave(writer)
    assert "client_closed" == (await settled(running)).outcome
    assert 0 == running.log.in_flight


async def test_a_caller_that_leaves_in_the_silent_phase_is_noticed(running):
    """Before any event was sent."""
    path, body = request_of("messages", "Hello", stream=True)
    _, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(request_bytes(path, body, KEYS["messages"] | {"x-sim-fault": "think=100000"}))
    await until(lambda: running.log.in_flight)
    await leave(writer)
    entry = await settled(running)
    assert ("client_closed", 0, 200) == (entry.outcome, entry.sent_bytes, entry.status)


async def test_time_passes_as_scaled(running):
    """Ten seconds of thinking at a hundredfold speed."""
    before = time.monotonic()
    answer = await ask(running, fault="think=10,tps=100000")
    assert ("complete", True) == (answer.ending, 0.1 <= time.monotonic() - before < 1.0)


async def test_the_headers_come_before_the_thinking(running):
    """Unless they are to be late."""

    async def seconds_to_headers(fault):
        path, body = request_of("chat", "Hello", stream=True)
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        before = time.monotonic()
        writer.write(request_bytes(path, body, KEYS["chat"] | {"x-sim-fault": fault}))
        await reader.readuntil(b"\r\n\r\n")
        await leave(writer)
        return time.monotonic() - before

    assert await seconds_to_headers("think=50") < 0.4
    assert await seconds_to_headers("think=50,late-headers") >= 0.5


async def test_a_refusal_is_logged_as_one(running):
    """With its status."""
    answer = await ask(running, fault="status=529")
    entry = await settled(running)
    assert (529, "refused", 529) == (answer.status, entry.outcome, entry.status)
