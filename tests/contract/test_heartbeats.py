"""contract.md, "Streams": signs of life while a provider is silent, over real sockets, on both engines."""

from __future__ import annotations

import asyncio
import itertools

import aiohttp
import pytest

DIALECTS = ("chat", "messages", "gemini")
FRAME = {
    "chat": b": keepalive\n\n",
    "messages": b'event: ping\ndata: {"type": "ping"}\n\n',
    "gemini": b"\n\n",
}
QUICK = {"GATEWAY_SERVER__HEARTBEAT_SECONDS": "0.2"}


async def reads(response) -> list[tuple[float, bytes]]:
    """Every network read with its time since the first look."""
    loop, found = asyncio.get_running_loop(), []
    began = loop.time()
    async for data in response.content.iter_any():
        found.append((loop.time() - began, data))
    return found


@pytest.mark.parametrize("engine", ["hypercorn", "uvicorn"])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_silence_is_filled_at_the_promised_rhythm(open_stack, caller, dialect, engine):
    """From before the provider's headers on, each dialect in its own way; then the answer, whole."""
    async with open_stack(environ=QUICK, engine=engine) as stack:
        call = caller(stack)
        await call.fault(think=1.1, late_headers=True)
        async with call.open(dialect, stream=True) as response:
            assert (200, "1") == (response.status, response.headers["x-gw-provisional"])
            assert {"x-gw-model", "x-gw-account", "x-request-id"} <= {name.lower() for name in response.headers}
            got = await reads(response)
        beats = [at for at, data in got if data == FRAME[dialect]]
        assert len(beats) in (3, 4, 5)
        assert all(0.15 < later - sooner < 0.4 for sooner, later in itertools.pairwise(beats))
        rest = b"".join(data for _, data in got if data != FRAME[dialect])
        assert b"error" not in rest
        assert "ok" == (await call.logged())[0]["outcome"]
        stack.assert_nothing_left()


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_what_fails_after_them_is_told_in_the_stream(open_stack, caller, dialect):
    """The status is out; the error has the form that it has in the middle of an answer."""
    endings = {"chat": b'"finish_reason":"error"', "messages": b"event: error", "gemini": b'"error":{'}
    async with open_stack(environ={**QUICK, "GATEWAY_SERVER__STREAM_ERRORS": "finish"}) as stack:
        call = caller(stack)
        await call.fault(fin_events=0, think=0.5)
        answer = await call(dialect, stream=True)
        assert 200 == answer.status
        assert endings[dialect] in answer.raw
        line = (await call.logged())[0]
        assert ("failed", 200) == (line["outcome"], line["status"])


async def test_what_fails_at_once_keeps_its_status(open_stack, caller):
    """Heartbeats only begin after a while, so quick refusals are what they were."""
    async with open_stack(environ=QUICK) as stack:
        call = caller(stack)
        await call.fault(status=400)
        answer = await call(stream=True)
        assert (400, None) == (answer.status, answer.headers.get("x-gw-provisional"))


@pytest.mark.parametrize("engine", ["hypercorn", "uvicorn"])
async def test_json_may_be_preceded_by_white_space(open_stack, caller, engine):
    """Whoever asks for it with `x-gw-heartbeats: json` gets it before an answer that is no stream."""
    async with open_stack(environ=QUICK, engine=engine) as stack:
        call = caller(stack)
        await call.fault(think=0.7)
        answer = await call(headers={"x-gw-heartbeats": "json"})
        assert answer.raw.startswith(b"\n")
        assert answer.json["choices"][0]["message"]["content"]
        await call.fault(think=0.7)
        assert not (await call()).raw.startswith(b"\n")


@pytest.mark.parametrize("engine", ["hypercorn", "uvicorn"])
async def test_json_that_fails_after_them_does_not_end(open_stack, caller, engine):
    """The connection ends before the body does, so that no client takes a status of 200 for a success."""
    async with open_stack(environ=QUICK, engine=engine) as stack:
        call = caller(stack)
        await call.fault(fin_bytes=10, think=0.5)
        async with call.open(headers={"x-gw-heartbeats": "json"}) as response:
            assert 200 == response.status
            seen = await response.content.readuntil(b"}}")
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.content.read()
        assert b'"error"' in seen
        await stack.settle()
        stack.assert_nothing_left()


async def test_a_wrong_wish_is_refused(open_stack, caller):
    """`x-gw-heartbeats` has two values."""
    async with open_stack() as stack:
        answer = await caller(stack)(headers={"x-gw-heartbeats": "yes"})
        assert (400, "x-gw-heartbeats") == (answer.status, answer.error["param"])


async def test_a_client_that_leaves_between_two_of_them_is_noticed(open_stack, caller):
    """The provider is told at once, whatever the rhythm."""
    async with open_stack(environ=QUICK) as stack:
        call = caller(stack)
        await call.fault(think=20)
        async with call.open(stream=True) as response:
            await response.content.readany()
            response.close()
        await stack.settle()
        assert "cancelled" == (await call.logged())[0]["outcome"]
        stack.assert_nothing_left()
