"""A client that leaves: the provider is told within a second, and the call is settled (contract.md, 499)."""

from __future__ import annotations

import asyncio

import pytest

PHASES = {
    "before the headers": (True, {"think": 30, "late_headers": True}),
    "thinking": (True, {"think": 30}),
    "streaming": (True, {"tps": 20, "tokens": 2000}),
    "not streamed": (False, {"think": 30}),
}


@pytest.fixture(params=["chat", "messages", "gemini"])
def dialect(request):
    return request.param


async def upstream(stack, outcome: str, seconds: float) -> dict:
    """Waits until the simulator's last request has this outcome."""
    async with asyncio.timeout(seconds):
        while True:
            seen = await stack.upstream_saw()
            if seen and seen[-1].get("outcome", "in_flight") == outcome:
                return seen[-1]
            await asyncio.sleep(0.02)


async def leave(call, dialect: str, phase: str) -> dict:
    """A client that leaves in this phase; the log line of its call."""
    stream, fault = PHASES[phase]
    await call.fault(**fault)
    streaming = asyncio.Event()

    async def wait_for_ever() -> None:
        async with call.open(dialect, stream=stream) as response:
            await response.content.readany()
            streaming.set()
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as tasks:
        client = tasks.create_task(wait_for_ever())
        await upstream(call.stack, "in_flight", 2)
        await (streaming.wait() if phase == "streaming" else asyncio.sleep(0.1))
        client.cancel()
    await upstream(call.stack, "client_closed", 1)
    return (await call.logged())[0]


@pytest.mark.parametrize("phase", PHASES)
async def test_the_provider_is_left_and_the_call_is_settled(stack, call, dialect, phase):
    """Within a second, in every phase; logged as `cancelled` with 499 and estimated usage, and counted.

    The provider has read the request at least, and will bill that.
    """
    line = await leave(call, dialect, phase)
    expected = {"outcome": "cancelled", "status": 499, "error_code": "client_closed_request", "level": "info"}
    assert {name: line.get(name) for name in expected} == expected
    assert (line["tokens_estimated"], line["tokens_input"] > 0) == (True, True)
    assert (line["tokens_output"] > 0) == (phase == "streaming")
    assert stack.gateway.balancer.in_flight == 0
    async with stack.http.get(f"{stack.admin}/metrics") as response:
        text = await response.text()
    counted = next(row for row in text.splitlines() if 'outcome="cancelled"' in row)
    assert f'dialect="{dialect}"' in counted
    assert counted.endswith(" 1")


async def test_a_client_that_leaves_inside_its_body_is_logged(stack, call):
    """A request that was never sent whole reaches no provider and is a 499 too."""
    host, _, port = stack.base.removeprefix("http://").rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-api-key: {stack.key}\r\ncontent-length: 1000\r\n\r\n"
    writer.write(head.encode() + b'{"model":')
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.close()
    await writer.wait_closed()
    (line,) = await call.logged()
    assert (line["status"], line["outcome"], line["key"]) == (499, "cancelled", "test")
    assert await stack.upstream_saw() == []


async def test_others_are_not_disturbed(stack, call):
    """Of many streams through one account those whose clients stay are complete."""
    await call.fault(tps=60, tokens=30)

    async def leave_early() -> None:
        async with call.open(stream=True) as response:
            await response.content.readany()
            response.close()

    answers = await asyncio.gather(*(call(stream=True) if n % 2 else leave_early() for n in range(10)))
    assert [answer.frames[-1] for answer in answers if answer] == ["[DONE]"] * 5
