"""What every transport does to a script: comments, a trickle, a huge frame."""

import asyncio
import time

import msgspec
import pytest

from llmgw_simulator import SimulatorConfig
from llmgw_simulator.script import Pace
from llmgw_simulator.simulator import Simulator
from llmgw_simulator.testing import KEYS, post, request_of, until
from llmgw_simulator.testing_http2 import Http2Client


@pytest.fixture(params=["1.1", "2"])
async def ask(request):
    """Asks over this protocol; the body of a complete answer. Fifty seconds are one."""

    async def asked(fault: str, stream: bool = True) -> bytes:
        path, body = request_of("chat", "Hello", stream=stream)
        headers = KEYS["chat"] | {"x-sim-fault": fault}
        if request.param == "1.1":
            answer = await post(running.port, path, body, headers)
        else:
            async with Http2Client(running.port) as client:
                answer = await client.answer(path, body, headers)
        assert "complete" == answer.ending
        return answer.body

    async with Simulator(SimulatorConfig(time_scale=50.0)).serve() as running:
        yield asked


async def test_comments_fill_the_silence(ask):
    """One each so many seconds, until the first event."""
    body = await ask("think=49,comments=10")
    assert 4 == body.count(b": simulator is thinking\n\n")
    assert body.startswith(b": simulator")


async def test_a_trickle(ask):
    """Byte by byte, of streams and of whole answers."""
    before = time.monotonic()
    body = await ask("trickle=0.1,eof-bytes=100")
    assert (100, True) == (len(body), time.monotonic() - before >= 0.1)
    assert 100 == len(await ask("trickle=0.01,eof-bytes=100", stream=False))


async def test_a_huge_frame(ask):
    """Is one event of that size, with the same JSON; the stream is complete."""
    plain, body = await ask(""), await ask("huge-frame=3000000")
    frames = body.split(b"\n\n")
    assert 3_000_000 == len(frames[0] + b"\n\n")
    assert [msgspec.json.decode(frame[6:]) for frame in plain.split(b"\n\n")[:-2]] == [
        msgspec.json.decode(frame[6:]) for frame in frames[:-2]
    ]


@pytest.mark.parametrize("dialect", ["bedrock", "gemini"])
async def test_other_formats_than_server_sent_events_have_no_comments(dialect):
    """A Bedrock event stream and a JSON array stay what they are."""
    path, body = request_of(dialect, "Hello", stream=True)
    async with Simulator(SimulatorConfig(time_scale=100.0)).serve() as running:
        plain, wished = [
            await post(running.port, path.replace("?alt=sse", ""), body, KEYS[dialect] | {"x-sim-fault": fault})
            for fault in ("think=10", "think=10,comments=1,huge-frame=10000")
        ]
    assert (200, "complete", len(plain.body)) == (wished.status, wished.ending, len(wished.body))
    assert b"thinking" not in wished.body


async def test_what_was_sent_is_counted():
    """Events that have left, not those that wait for their time."""
    path, body = request_of("chat", "Hello", stream=True)
    async with Simulator().serve() as running, Http2Client(running.port) as client:
        number = await client.ask(path, body, KEYS["chat"] | {"x-sim-fault": "think=100"})
        await client.until(lambda: client.streams[number].status)
        (entry,) = running.log.entries
        assert (0, 0) == (entry.sent_events, entry.sent_bytes)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("protocol", ["1.1", "2"])
async def test_an_account_that_goes_down_takes_its_open_answers_with_it(stream, protocol):
    """By resets, at their next byte; and resets what comes until it is well again."""
    path, body = request_of("chat", "Hello", stream=stream)
    async with Simulator(SimulatorConfig(pace=Pace(tps=50.0), log_entries=10)).serve() as running:

        async def ask():
            if protocol == "1.1":
                return await post(running.port, path, body, KEYS["chat"])
            async with Http2Client(running.port) as client:
                return await client.answer(path, body, KEYS["chat"])

        async with asyncio.TaskGroup() as group:
            asking = group.create_task(ask())
            await until(lambda: running.log.entries)
            await told(running, "down=reset")
        endings = [asking.result().ending, (await ask()).ending]
        await told(running, "down")
        assert "complete" not in endings
        assert ["reset", "reset"] == [entry.outcome for entry in running.log.entries]
        assert "complete" == (await ask()).ending


async def told(running, what):
    """Set all accounts' trouble; `down` alone takes it away."""
    how = what.partition("=")[2] or None
    answer = await post(running.port, "/_sim/accounts", {"credential": "*", "down": how}, {})
    assert 200 == answer.status
