"""What every transport does to a script: comments, a trickle, a huge frame."""

import time

import pytest

from llmgw_simulator import SimulatorConfig
from llmgw_simulator.simulator import Simulator
from llmgw_simulator.testing import KEYS, post, request_of
from llmgw_simulator.testing_http2 import Http2Client


@pytest.fixture(params=["1.1", "2"])
async def ask(request):
    """Asks over this protocol; the body of a complete answer."""

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

    async with Simulator(SimulatorConfig(time_scale=100.0)).serve() as running:
        yield asked


async def test_comments_fill_the_silence(ask):
    """One each so many seconds, until the first event."""
    body = await ask("think=45,comments=10")
    assert 4 == body.count(b": simulator is thinking\n\n")
    assert body.startswith(b": simulator")


async def test_a_trickle(ask):
    """Byte by byte, of streams and of whole answers."""
    before = time.monotonic()
    body = await ask("trickle=0.1,eof-bytes=100")
    assert (100, True) == (len(body), time.monotonic() - before >= 0.1)
    assert 100 == len(await ask("trickle=0.01,eof-bytes=100", stream=False))


async def test_a_huge_frame(ask):
    """Goes before the stream, which is complete all the same."""
    body = await ask("huge-frame=3000000")
    assert body.startswith(b": " + b"x" * 3_000_000 + b"\n\ndata: ")
    assert body.endswith(b"data: [DONE]\n\n")
