"""Clients that leave at any moment, by the hundred and by the ten thousand: nothing of any of them is left."""

from __future__ import annotations

import asyncio
import os
import random
import socket

import msgspec
import pytest

MORE = """
[[accounts]]
id = "two"
provider = "openai"
credential = "env:UP_KEY"
base_url = "{simulator}/v1"
transport = "http2"
pool = "two"

[[models]]
name = "two"
targets = [{ pool = "two", model = "sim-gpt" }]
"""
FAULTS = [
    {"tps": 400, "tokens": 20},
    {"think": 0.05},
    {"think": 0.05, "late-headers": True},
    {"tps": 300, "reset-events": 3},
    {"tps": 300, "eof-events": 3},
    {"status": 503},
    {"refuse-stream": True},
    {"goaway-events": 2, "tps": 300},
    {"rst-events": 2, "tps": 300},
    {"tokens": 3000},
]
LINGER = b"\1\0\0\0\0\0\0\0"


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("count", [600, pytest.param(14_000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
@pytest.mark.parametrize("engine", ["hypercorn", "uvicorn"])
async def test_clients_that_leave_at_any_moment(open_stack, engine, count):
    """Before the request is whole, waiting, streaming; on both transports, whatever the provider does meanwhile.

    Leases, tasks, sockets and streams are as many afterwards as before.
    """
    rand = random.Random(count)
    loop = asyncio.get_running_loop()
    async with open_stack(engine=engine, more=MORE) as stack:
        port = stack.gateway.data_bind.port

        async def one(seconds: float, model: str, stream: bool, *, whole: bool = False) -> None:
            messages = [{"role": "user", "content": "Hi"}]
            body = msgspec.json.encode({"model": model, "stream": stream, "messages": messages})
            head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {stack.key}\r\n"
            raw = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
            with socket.socket() as sock:
                sock.setblocking(False)
                await loop.sock_connect(sock, ("127.0.0.1", port))
                await loop.sock_sendall(
                    sock, raw[: rand.randrange(len(raw))] if not whole and rand.random() < 0.05 else raw
                )
                try:
                    async with asyncio.timeout(seconds):
                        while await loop.sock_recv(sock, 65536):
                            pass
                except (TimeoutError, ConnectionError):
                    pass
                if rand.random() < 0.5:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)

        async def storm(calls: int) -> None:
            gate = asyncio.Semaphore(60)

            async def gated() -> None:
                async with gate:
                    await one(rand.random() ** 2 * 0.15, rand.choice(["sim/gpt", "two"]), rand.random() < 0.7)

            async with asyncio.TaskGroup() as tasks:
                for _ in range(calls):
                    tasks.create_task(gated())

        async def calm() -> tuple[int, int]:
            """Tasks and descriptors once nothing is in flight and no connection to a provider is open."""
            await stack.settle()
            stack.assert_nothing_left()
            async with asyncio.timeout(5):
                while stack.gateway.data.connections:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            # What is open at the simulator has a task there, over HTTP/1.1, and descriptors on both sides.
            kept = stack.simulator.connections.open.values()
            tasks = len(asyncio.all_tasks()) - sum(link.http == "1.1" for link in kept)
            return tasks, descriptors() - 2 * len(kept)

        await storm(50)
        before = await calm()
        for _ in range(count // 100):
            rules = [{"fault": fault, "times": 12} for fault in rand.sample(FAULTS, 6)]
            await stack.sim("POST", "faults", data=msgspec.json.encode(rules))
            await storm(100)
            await stack.sim("DELETE", "faults")
        tasks, files = await calm()
        assert tasks <= before[0]
        assert files <= before[1] + 2
        assert 0 == stack.simulator.log.in_flight
        cancelled = sum(line["outcome"] == "cancelled" for line in stack.requests)
        print(f"{cancelled} of {len(stack.requests)} calls were left by their clients")
        assert cancelled > count / 4
        # It serves as before, once an operator says that the trouble is over.
        for account in stack.gateway.balancer.states():
            stack.gateway.balancer.resume(account)
        await one(5.0, "two", True, whole=True)
        await stack.settle()
        assert "ok" == stack.requests[-1]["outcome"], stack.requests[-1]
