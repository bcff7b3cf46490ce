"""Calls that are begun, answered, broken and cancelled in any order: afterwards every counter is where it was.

Hypothesis chooses the order, and after how many turns of the loop each thing happens, so that a cancellation comes at
any await: while connecting, sending, waiting for the headers, reading, and on the way out.
"""

import asyncio
import gc
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from llmgw_domain import Deadlines
from llmgw_domain.errors import GatewayError
from llmgw_pool import ConnectionPool, PoolConfig
from llmgw_pool.testing import OK, Peer, RawServer
from llmgw_pool.testing_http2 import Http2Server, Served
from llmgw_relay.ports import UpstreamRequest

HEAD = OK + b"transfer-encoding: chunked\r\n\r\n"
ENDS = ["end", "reset", "silence", "close", "refuse", "goaway"]
TURNS = st.integers(0, 12)


class Script:
    """What a server does to the next request: turns of the loop before each step, and how it ends."""

    def __init__(self) -> None:
        self.waits: tuple[int, int, int] = (0, 0, 0)
        self.pieces = 1
        self.end = "end"

    async def one(self, peer: Peer) -> None:
        while True:
            await peer.request()
            waits, pieces, end = self.waits, self.pieces, self.end
            await turns(waits[0])
            if end == "refuse":
                return
            await peer.send(HEAD)
            for _ in range(pieces):
                await turns(waits[1])
                await peer.send(b"3\r\nabc\r\n")
            await turns(waits[2])
            if end == "reset":
                peer.reset()
            if end in ("reset", "close"):
                return
            if end == "silence":
                await peer.silence()
                return
            await peer.send(b"0\r\n\r\n")

    async def two(self, served: Served) -> None:
        waits, pieces, end = self.waits, self.pieces, self.end
        await turns(waits[0])
        if end == "refuse":
            served.refuse()
            return
        await served.head()
        for _ in range(pieces):
            await turns(waits[1])
            await served.send(b"abc")
        await turns(waits[2])
        if end == "goaway":
            served.connection.go_away()
        if end == "reset":
            served.refuse(2)
        elif end == "close":
            served.connection.transport.abort()
        elif end == "silence":
            await served.silence()
        else:
            await served.send(b"", end=True)


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


CANCELLED: Counter[str] = Counter()


class Calls(RuleBasedStateMachine):
    """A pool with a server of each kind, all in one loop that only turns when a rule says so."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.loop = self.runner.get_loop()
        self.script = Script()
        self.calls: list[asyncio.Task[bytes]] = []
        self.one, self.two = RawServer(self.script.one), Http2Server(self.script.two)
        self.pool = ConnectionPool(PoolConfig(max_streams_per_connection=3))
        self.do(self._open())

    def do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    async def _open(self) -> None:
        await self.one.__aenter__()
        await self.two.__aenter__()
        await self.pool.__aenter__()

    async def _ask(self, account: Any, size: int, total: float | None) -> bytes:
        request = UpstreamRequest(account=account, path="/", body=b"x" * size, deadlines=Deadlines(total=total))
        async with self.pool.open(request) as reply:
            return b"".join([part async for part in reply.chunks()])

    @rule(
        transport=st.sampled_from(["http1", "http2"]),
        size=st.sampled_from([1, 100_000]),
        total=st.sampled_from([None, None, 0.001]),
        waits=st.tuples(TURNS, TURNS, TURNS),
        pieces=st.integers(0, 3),
        end=st.sampled_from(ENDS),
    )
    def begin(self, transport, size, total, waits, pieces, end):
        self.script.waits, self.script.pieces, self.script.end = waits, pieces, end
        account = self.one.account() if transport == "http1" else self.two.account()
        self.calls.append(self.loop.create_task(self._ask(account, size, total)))

    @rule(count=st.integers(1, 30))
    def turn(self, count):
        self.do(turns(count))

    @rule()
    def wait(self):
        """Time passes as well, for what goes through the kernel."""
        self.do(asyncio.sleep(0.002))

    @rule(which=st.integers(0, 50), after=TURNS, twice=st.booleans())
    def cancel(self, which, after, twice):
        running = [call for call in self.calls if not call.done()]
        if running:
            call = running[which % len(running)]
            CANCELLED["running"] += 1
            call.cancel()
            self.do(turns(after))
            if twice:
                call.cancel()

    @invariant()
    def leases_are_calls(self):
        """No lease is without a call; one that was just begun or cancelled has no turn yet."""
        assert self.pool.counters().leased <= sum(not call.done() for call in self.calls)

    def teardown(self):
        self.do(self._close())
        self.runner.close()

    async def _close(self) -> None:
        for call in self.calls:
            call.cancel()
        results = await asyncio.gather(*self.calls, return_exceptions=True)
        for result in results:
            assert isinstance(result, (bytes, GatewayError, asyncio.CancelledError)), repr(result)
        counters = self.pool.counters()
        assert 0 == counters.leased
        assert {} == {key: count for key, count in counters.leases.items() if count}
        async with asyncio.timeout(5):
            while any(c.state not in ("idle",) for c in self.pool.counters().connections):  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        await self.pool.__aexit__(None, None, None)
        assert not self.pool.counters().connections
        await self.one.__aexit__(None, None, None)
        await self.two.__aexit__(None, None, None)
        await asyncio.sleep(0.001)
        assert [asyncio.current_task()] == list(asyncio.all_tasks())


CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large]


def play(examples: int, steps: int, least: int) -> int:
    """Plays again and again until so many running calls were cancelled; how many there were."""
    CANCELLED.clear()
    machine = Calls.TestCase
    machine.settings = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=CHECKS
    )
    while CANCELLED["running"] < least:
        machine("runTest").runTest()
    gc.collect()
    return CANCELLED["running"]


def test_any_order_of_events_leaves_nothing():
    play(examples=50, steps=50, least=150)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_thousand_cancellations_at_random_awaits():
    print(f"{play(examples=400, steps=80, least=10_000)} running calls were cancelled")
