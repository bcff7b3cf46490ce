"""Sessions that stay, through the whole product: what a client, the log and an operator see of them."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager

import aiohttp

from llmgw_control.views import SYSTEM
from llmgw_simulator import SimulatorConfig

SCALE = 20.0
"""How much faster than time pauses, caches and waits run here."""

ACCOUNT = """
[[accounts]]
id = "claude-{name}"
provider = "anthropic"
credential = "env:UP_{name}"
base_url = "{{simulator}}"
pool = "claudes"
"""
MODELS = """
[[models]]
name = "claude"
targets = [{ pool = "claudes", model = "claude-sonnet-4-5" }]

[[models]]
name = "safe"
targets = [{ pool = "claudes", model = "claude-sonnet-4-5" }]
fallbacks = [{ model = "sim/gpt", on = ["overloaded"] }]
"""
NAMES = "ABCD"


@asynccontextmanager
async def open_pool(open_stack, caller, names: str = NAMES, scale: float = SCALE, server: str = "", **more):
    """A stack with accounts `claude-A`... in one pool, each with a credential of its own."""
    accounts = "".join(ACCOUNT.format(name=name) for name in names)
    environ = {f"UP_{name}": f"sk-{name}" for name in names} | {
        "GATEWAY_BALANCE__PAUSE_SECONDS": "2.0",
        "GATEWAY_BALANCE__OVERLOADED_SECONDS": "1.0",
    }
    async with open_stack(
        more=accounts + MODELS,
        environ=environ,
        simulator=SimulatorConfig(time_scale=scale),
        server=f"time_scale = {scale}\n{server}",
        **more,
    ) as stack:
        yield caller(stack), stack


def turn(tokens: int, said: int = 1, name: str = "x") -> dict:
    """A request of a conversation whose first message has so many tokens, marked for the cache."""
    first = {"type": "text", "text": f"{name} " + "word " * tokens, "cache_control": {"type": "ephemeral"}}
    messages = [{"role": "user", "content": [first]}]
    for n in range(1, said):
        messages += [{"role": "assistant", "content": f"answer {n}"}, {"role": "user", "content": f"and {n}?"}]
    return {"messages": messages}


async def trouble(stack, account: str, **fields) -> None:
    await stack.sim("POST", "accounts", json={"credential": f"sk-{account[-1]}", **fields})


async def test_a_conversation_stays_on_its_account(open_stack, caller):
    """Turn by turn, by its content alone, and the cache is found there; other conversations are spread."""
    async with open_pool(open_stack, caller) as (call, _):
        first = await call("messages", model="claude", **turn(2000))
        assert "new" == first.headers["x-gw-session"]
        for said in range(2, 5):
            answer = await call("messages", model="claude", **turn(2000, said))
            assert ("home", first.headers["x-gw-account"]) == (
                answer.headers["x-gw-session"],
                answer.headers["x-gw-account"],
            )
            assert answer.json["usage"]["cache_read_input_tokens"] > 1900
        others = [await call("messages", model="claude", **turn(10, name=f"n{n}")) for n in range(40)]
        assert set(NAMES) == {answer.headers["x-gw-account"][-1] for answer in others}
        line = (await call.logged(44))[3]
        assert ("home", "free") == (line["placement"], line["reason"])


async def test_a_home_in_a_cooldown(open_stack, caller):
    """Of 20 s: a session with little in the cache goes away and comes back, one with much waits; it is told why."""
    async with open_pool(open_stack, caller) as (call, stack):
        names = [f"s{n}" for n in range(30)]
        homes = {
            name: (await call("messages", model="claude", **turn(3000, name=name))).headers["x-gw-account"]
            for name in names
        }
        large = await call("messages", model="claude", **turn(40_000, name="large"))
        home = large.headers["x-gw-account"]
        small = next(name for name in names if homes[name] == home)
        await trouble(stack, home, down=429, seconds=20)

        away = await call("messages", model="claude", **turn(3000, 2, small))
        assert ("moved", True) == (away.headers["x-gw-session"], away.headers["x-gw-account"] != home)
        waited = await call("messages", model="claude", **turn(40_000, 2, "large"))
        assert ("home", home) == (waited.headers["x-gw-session"], waited.headers["x-gw-account"])
        assert waited.json["usage"]["cache_read_input_tokens"] > 38_000
        await asyncio.sleep(0.1)  # The first calls after a rest are paced.
        back = await call("messages", model="claude", **turn(3000, 3, small))
        assert ("home", home) == (back.headers["x-gw-session"], back.headers["x-gw-account"])

        left, stayed, returned = (await call.logged(34))[31:]
        assert ("leaving_costs_less", "cooldown") == (left["reason"], left["cache_cause"])
        assert 2000 < left["cache_lost"] < 4000
        assert 400 < stayed["queued_ms"] < 5000
        assert "home_is_warm" == returned["reason"]


async def test_a_short_rest_moves_no_herd(open_stack, caller):
    """A 429 of two seconds is waited out by every session that has its cache there."""
    async with open_pool(open_stack, caller) as (call, stack):
        bodies = [turn(3000, name=f"s{n}") for n in range(24)]
        homes = [(await call("messages", model="claude", **body)).headers["x-gw-account"] for body in bodies]
        await trouble(stack, homes[0], down=429, seconds=2)
        again = await asyncio.gather(*(call("messages", model="claude", **turn(3000, 2, f"s{n}")) for n in range(24)))
        assert homes == [answer.headers["x-gw-account"] for answer in again]
        assert {200} == {answer.status for answer in again}


async def test_a_rejected_account_is_disabled_and_says_why(open_stack, caller):
    """Its call is served elsewhere, nobody asks it again, and an operator who enables it has it back."""
    async with open_pool(open_stack, caller, names="AB", scale=1.0) as (call, stack):
        home = (await call("messages", model="claude", **turn(2000))).headers["x-gw-account"]
        await trouble(stack, home, down=401)
        away = await call("messages", model="claude", **turn(2000, 2))
        assert (200, "moved") == (away.status, away.headers["x-gw-session"])
        desk = stack.gateway.control.administration
        await until(lambda: not desk.get("account", home).fields["enabled"])
        assert "does not accept its credential" in desk.get("account", home).fields["disabled_reason"]

        await trouble(stack, home, down=None)
        desk.switch("account", home, enabled=True, actor=SYSTEM)
        left = next(f"claude-{name}" for name in "AB" if f"claude-{name}" != home)
        desk.switch("account", left, enabled=False, actor=SYSTEM)
        back = await call("messages", model="claude", **turn(2000, 3))
        assert (200, home) == (back.status, back.headers["x-gw-account"])


async def test_an_account_that_may_not_use_a_model_rests_for_it(open_stack, caller):
    """The others serve it; an operator sees which model, why, and for how long."""
    async with open_pool(open_stack, caller, names="AB", scale=1.0) as (call, stack):
        home = (await call("messages", model="claude", **turn(10))).headers["x-gw-account"]
        await trouble(stack, home, down=403)
        away = await call("messages", model="claude", **turn(10, 2))
        assert (200, True) == (away.status, away.headers["x-gw-account"] != home)
        assert "claude-sonnet-4-5: forbidden for 60 min" == stack.gateway.plane.states()[home]
        async with stack.http.get(stack.admin) as page:
            assert "forbidden for 60 min" in await page.text()


async def until(condition) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it has not come true")


async def test_another_model_stands_in_for_one_that_is_overloaded(open_stack, caller):
    """By the operator's list; the session comes back to its own model."""
    async with open_pool(open_stack, caller, names="A", scale=1.0) as (call, stack):
        first = await call("messages", model="safe", **turn(2000))
        assert "claude-A" == first.headers["x-gw-account"]
        await trouble(stack, "A", down=529)
        other = await call("messages", model="safe", **turn(2000, 2))
        assert (200, "openai-a", "sim-gpt") == (
            other.status,
            other.headers["x-gw-account"],
            other.headers["x-gw-model"],
        )


async def test_where_all_rest_the_client_is_told_when_to_come_back(open_stack, caller):
    """503 with the seconds, at most 120, and why; not before a wait that might have helped."""
    async with open_pool(open_stack, caller, names="AB", scale=1.0) as (call, stack):
        for name in "AB":
            await trouble(stack, name, down=429, seconds=300)
        await call("messages", model="claude", **turn(10))
        answer = await call("messages", model="claude", **turn(10, name="y"))
        assert 503 == answer.status
        assert 100 <= int(answer.headers["retry-after"]) <= 120
        assert "2 paused" in answer.error["message"]


async def test_after_chaos_every_counter_is_zero(open_stack, caller):
    """Clients that leave, failing and silent accounts, rests and queues: what was taken is given back, once."""
    chance = random.Random(5)
    server = "heartbeat_seconds = 0.2"
    async with open_pool(open_stack, caller, scale=20.0, server=server) as (call, stack):
        await stack.sim("POST", "accounts", json={"credential": "sk-A", "concurrency": 2})
        await stack.sim("POST", "accounts", json={"credential": "sk-B", "requests-per-minute": 60})
        faults = [
            "status=500",
            "status=429,retry-after=4",
            "reset-events=2",
            "eof-events=3",
            "stall-events=2",
            "think=9",
        ]
        rules = [{"times": 25, "match": {"credential": f"sk-{chance.choice(NAMES)}"}, "fault": f} for f in faults]
        await stack.sim("POST", "faults", json=rules)
        over: list[object] = []

        async def client(number: int) -> None:
            body = turn(20, chance.randint(1, 4), f"c{number % 30}")
            try:
                async with asyncio.timeout(chance.choice([0.05, 0.2, 0.5, 3.0])):
                    over.append((await call("messages", model="claude", stream=chance.random() < 0.7, **body)).status)
            except (TimeoutError, aiohttp.ClientError) as error:
                over.append(type(error))

        async with asyncio.TaskGroup() as group:
            for number in range(300):
                group.create_task(client(number))
                await asyncio.sleep(0.005)
        assert {200} < set(over)
        await stack.settle()
        stack.assert_nothing_left()
        states = stack.gateway.balancer.states()
        assert {0} == {state.leases for state in states.values()}
        relay = stack.gateway.relay
        assert (0, 0) == (relay.waiting, len(relay._parts.crowd))
        settled = [line["request_id"] for line in stack.requests]
        assert len(settled) == len(set(settled))
