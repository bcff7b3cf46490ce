"""What the workers of a host have at each account, as each of them knows it of the others.

Every worker tells control, and control tells the others, a few times a second. So they spread sessions as one worker
would, and keep an account's limits together, but for what a tenth of a second can bring. A worker that is not heard of
any more has nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

import msgspec

from llmgw_balancer import Balancer, OtherLoad
from llmgw_balancer.states import NO_LOAD

_TELL_SECONDS = 0.1
_SHARE = 0.02
"""Of a worker's time that telling may take: with thousands of accounts it is told less often."""
_ALIVE_SECONDS = 1.0
"""What has not changed is told that often."""
_SILENT_SECONDS = 3.0


class ToldLoads(msgspec.Struct, frozen=True):
    """All that the worker of a slot has, by account."""

    slot: int
    loads: dict[str, OtherLoad]


class WorkerLoads:
    """A worker's. `tell` brings what it has to the others; `clock` gives monotonic seconds."""

    def __init__(self, slot: int, tell: Callable[[ToldLoads], None], clock: Callable[[], float]) -> None:
        self._slot = slot
        self._tell = tell
        self._clock = clock
        self._heard: dict[int, tuple[float, dict[str, OtherLoad]]] = {}
        self._sums: dict[str, OtherLoad] = {}
        self._told: tuple[float, dict[str, OtherLoad]] = (float("-inf"), {})

    def others(self, account: str) -> OtherLoad:
        """What the others have at an account; the same object until they tell of another load."""
        return self._sums.get(account, NO_LOAD)

    def heard(self, told: ToldLoads) -> None:
        """What another worker has."""
        if told.slot == self._slot:
            return
        before = self._heard.get(told.slot, (0.0, {}))[1]
        self._heard[told.slot] = self._clock(), told.loads
        self._sum(name for name in before.keys() | told.loads.keys() if before.get(name) != told.loads.get(name))

    def look(self, balancer: Balancer) -> None:
        """Tells what this worker has, if that is another load than it told of, or long ago."""
        now, loads = self._clock(), balancer.loads()
        if loads != self._told[1] or now - self._told[0] >= _ALIVE_SECONDS:
            self._told = now, loads
            self._tell(ToldLoads(self._slot, loads))
        self._drop_silent(now)

    async def run(self, balancer: Balancer) -> None:
        """Looks again and again, until it is cancelled."""
        seconds = _TELL_SECONDS
        while True:
            await asyncio.sleep(seconds)
            began = time.perf_counter()
            self.look(balancer)
            seconds = max(_TELL_SECONDS, (time.perf_counter() - began) / _SHARE)

    def _drop_silent(self, now: float) -> None:
        for slot, (at, loads) in list(self._heard.items()):
            if now - at > _SILENT_SECONDS:
                del self._heard[slot]
                self._sum(loads)

    def _sum(self, accounts: Iterable[str]) -> None:
        for account in accounts:
            told = [loads[account] for _, loads in self._heard.values() if account in loads]
            if told:
                self._sums[account] = _sum(told)
            else:
                self._sums.pop(account, None)

    def __repr__(self) -> str:
        return f"<WorkerLoads of {self._slot}, heard of {sorted(self._heard)}>"


def _sum(loads: list[OtherLoad]) -> OtherLoad:
    if len(loads) == 1:
        return loads[0]
    models = {name for load in loads for name in load.models}
    return OtherLoad(
        leases=sum(load.leases for load in loads),
        bindings=sum(load.bindings for load in loads),
        requests=sum(load.requests for load in loads),
        tokens=sum(load.tokens for load in loads),
        spent=sum(load.spent for load in loads),
        models={name: _sum([load.models[name] for load in loads if name in load.models]) for name in models},
    )
