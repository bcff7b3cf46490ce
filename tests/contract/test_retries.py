"""A call that fails before its first byte is tried on another account (contract.md, "Errors before the stream")."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest

SECOND = """
[[accounts]]
id = "openai-b"
provider = "openai"
credential = "env:UP_KEY_B"
base_url = "{base}/v1"
pool = "openai"
weight = {weight}

[[models]]
name = "tiers"
targets = [{{ pool = "openai", model = "sim-gpt" }}, {{ pool = "anthropic", model = "claude", priority = 2 }}]
"""

FIRST = {"match": {"credential": "sk-first"}}
"""A fault of the first account alone; it is asked first, since its weight is a thousand times the other's."""


@pytest.fixture
def pool_of_two(open_stack, caller):
    """A stack whose pool `openai` has two accounts, of which `openai-a` is preferred when both are idle."""

    @asynccontextmanager
    async def opener(**environ: str):
        async with open_stack() as other:
            more = SECOND.format(base=other.simulator.base_url, weight=0.001)
            given = {"UP_KEY": "sk-first", "UP_KEY_B": "sk-second", **environ}
            async with open_stack(more=more, environ=given) as stack:
                yield caller(stack), other

    return opener


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [401, 403, 404, 408, 409, 429, 500, 502, 503, 504, 529])
async def test_what_one_account_refuses_another_may_serve(pool_of_two, status, stream):
    """The first account's trouble is not the client's: two attempts, and the second account answers."""
    async with pool_of_two() as (call, _):
        await call.fault(status=status, **FIRST)
        answer = await call(stream=stream)
        assert (answer.status, answer.headers["x-gw-account"], answer.headers["x-gw-attempts"]) == (
            200,
            "openai-b",
            "2",
        )
        line = (await call.logged())[0]
        assert (line["outcome"], line["account"], line["attempts"]) == ("ok", "openai-b", 2)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", ["reset", "fin", "eof"])
async def test_a_connection_that_breaks_before_the_first_event_is_tried_again(pool_of_two, kind, stream):
    """Nothing was sent to the client yet, so it sees nothing of it."""
    async with pool_of_two() as (call, _):
        await call.fault(**{f"{kind}_events": 0}, **FIRST)
        answer = await call(stream=stream)
        assert (answer.status, answer.headers["x-gw-account"]) == (200, "openai-b")


async def test_connection_refused_is_tried_elsewhere(pool_of_two):
    """An account that can't be reached costs an attempt and no more."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}/v1"
        async with pool_of_two(GATEWAY_ACCOUNTS__0__BASE_URL=url) as (call, _):
            answer = await call()
            assert (answer.status, answer.headers["x-gw-account"]) == (200, "openai-b")


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_bad_request_is_not_tried_again(pool_of_two, status):
    """What is wrong with the request is wrong everywhere."""
    async with pool_of_two() as (call, other):
        await call.fault(status=status, **FIRST)
        answer = await call()
        assert (answer.status, answer.headers["x-gw-attempts"]) == (status, "1")
        assert await other.upstream_saw() == []


async def test_after_the_first_byte_never(pool_of_two):
    """A stream that breaks after its commit point is told to the client, not begun anew."""
    async with pool_of_two() as (call, other):
        await call.fault(eof_events=4, **FIRST)
        answer = await call(stream=True)
        assert b'"finish_reason":"error"' in answer.raw
        assert await other.upstream_saw() == []


async def test_the_next_tier_serves_when_the_first_cannot(pool_of_two):
    """A target of lower priority, of another provider even, is tried after those before it."""
    async with pool_of_two() as (call, other):
        await call.fault(status=500, match={"path": "/v1/chat/completions"})
        await other.sim("POST", "faults", json={"times": None, "fault": {"status": 500}})
        answer = await call(model="tiers")
        assert (answer.status, answer.headers["x-gw-account"]) == (200, "anthropic-a")
        assert answer.headers["x-gw-attempts"] == "3"


async def test_when_all_fail_the_most_telling_error_is_shown(pool_of_two):
    """ "Rate limited, come back in 90 s" says more than another account's bad key."""
    async with pool_of_two() as (call, other):
        await call.fault(status=429, retry_after=90, **FIRST)
        await other.sim("POST", "faults", json={"times": None, "fault": {"status": 401}})
        answer = await call()
        assert (answer.status, answer.headers["retry-after"], answer.headers["x-gw-attempts"]) == (429, "90", "2")


async def test_a_full_account_is_passed_over(open_stack, caller):
    """Where all are full and nobody may wait: 503 with the reason and a `retry-after`; then it serves again."""
    full = {"GATEWAY_ACCOUNTS__0__MAX_CONCURRENCY": "2", "GATEWAY_SESSIONS__MAX_WAIT_SECONDS": "0"}
    async with open_stack(environ=full) as stack:
        call = caller(stack)
        await call.fault(think=0.4)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(call(stream=stream)) for stream in (False, True)]
            await asyncio.sleep(0.15)
            assert stack.gateway.balancer.in_flight == 2
            refused = await call()
        assert (refused.status, refused.error["code"]) == (503, "no_available_account")
        assert "1 full" in refused.error["message"]
        assert int(refused.headers["retry-after"]) >= 1
        assert [task.result().status for task in running] == [200, 200]
        assert (await call()).status == 200


async def test_a_full_account_is_waited_for(open_stack, caller):
    """In the order of coming: who waits gets the place that comes back."""
    async with open_stack(environ={"GATEWAY_ACCOUNTS__0__MAX_CONCURRENCY": "1"}) as stack:
        call, served = caller(stack), []
        await call.fault(think=0.1)

        async def one(number: int) -> None:
            assert 200 == (await call(text=f"call {number}")).status
            served.append(number)

        async with asyncio.TaskGroup() as tasks:
            for number in range(5):
                tasks.create_task(one(number))
                await asyncio.sleep(0.02)
        assert [0, 1, 2, 3, 4] == served
        assert [line["queued_ms"] for line in await call.logged(4)] == sorted(
            line["queued_ms"] for line in await call.logged(4)
        )


async def test_a_full_account_leaves_its_calls_to_the_others(pool_of_two):
    """Beyond one account's `max_concurrency` the pool's next one serves."""
    async with pool_of_two(GATEWAY_ACCOUNTS__0__MAX_CONCURRENCY="1") as (call, _):
        await call.fault(think=0.3)
        answers = await asyncio.gather(call(), call(), call())
        assert sorted(a.headers["x-gw-account"] for a in answers) == ["openai-a", "openai-b", "openai-b"]
