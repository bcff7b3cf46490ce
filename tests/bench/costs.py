"""The CPU time that a product spends on a request and on a streamed chunk, with the canned upstream behind it."""

from __future__ import annotations

import asyncio

import canned
import measure

CONNECTIONS = 16
STREAMS = 20
# The best of so many rounds counts: what disturbs a round from outside only makes it worse.
ROUNDS = 3
# 20 streams of 50 chunks a second: slow enough for every product to keep up, so that each pays for every chunk.
GAP = 0.02
WARM_SECONDS, RATE_SECONDS = 6, 5


def rate(pid: int, request: measure.Request) -> tuple[float, float]:
    """Requests a second with the core full, and the CPU time of one."""
    measure.wrk(request, CONNECTIONS, WARM_SECONDS)
    rates, costs = [], []
    for _ in range(ROUNDS):
        before = measure.cpu_seconds(pid)
        seen = measure.wrk(request, CONNECTIONS, RATE_SECONDS)
        rates.append(seen.per_second)
        costs.append((measure.cpu_seconds(pid) - before) / seen.count * 1e6)
    return max(rates), min(costs)


def chunk_us(pid: int, request: measure.Request) -> float:
    """CPU time of streams, their requests included, shared out to their chunks."""
    spread = canned.CHUNKS * GAP / 4
    asyncio.run(measure.streams(request, STREAMS // 4, spread))
    costs = []
    for _ in range(ROUNDS):
        before = measure.cpu_seconds(pid)
        asyncio.run(measure.streams(request, STREAMS, GAP))
        costs.append((measure.cpu_seconds(pid) - before) / (STREAMS * canned.CHUNKS) * 1e6)
    return min(costs)
