"""Where sessions are pinned, as the processes of a node know it: each worker its own, control all of its host.

A worker tells control what each turn made of a pin, and control tells the other workers of those that were bound or
moved. A session that a worker does not know, or that seems to have gone cold, is asked for: control looks into its own
memory, then into the database, and answers in time with what it has. Nothing here is durable and nothing needs to be:
the facts in the spools are, and the table is folded from them. What the spools still hold is known again at the start,
before the database has it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from llmgw_affinity import Pin
from llmgw_eventstore import StoreAway, StoreError, Unreadable, decode
from llmgw_eventstore.spool import SpoolError, SpoolReader
from llmgw_gateway.state import spools
from llmgw_postgres.projections import END
from llmgw_relay.patience import BoundedLook
from llmgw_relay.pin_facts import pin_of
from llmgw_relay.pins import MemoryPins

_STORE_SECONDS = 0.2
"""How long control waits for the database."""
_FIND_SECONDS = 0.25
"""How long a turn waits for what somebody else may know."""
_PAUSE_SECONDS = 1.0
"""For so long nobody is asked who has just not answered."""
_HEARD_SECONDS = 1.0
"""Between looks for what other nodes have forgotten."""
_TOLD_AGAIN = 2_000
"""Pins that a worker tells a control process that is new to it: what its last turns made, and the database may lack."""
_RECALLED_BYTES = 64 << 20
"""What is read of the spools at the start: under a second's work, and more than the facts of the last minutes."""

_log = logging.getLogger(__name__)


Store = Callable[[Collection[str]], Awaitable[dict[str, Pin]]]
"""Gives the pins of these sessions, as far as there are any. Raises `StoreError`."""


Forgotten = Callable[[int], Awaitable[tuple[list[Pin], int]]]
"""Gives what was forgotten behind a position of the log, and its last position. Raises `StoreError`."""


class HostPins:
    """Control's pins, and those of a single process. A `Pins` of the relay.

    `store` is asked for many sessions at a time, however many ask for one. `wall` gives Unix seconds. `tell` lets the
    workers of the host know.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], float],
        wall: Callable[[], float],
        *,
        tell: Callable[[Sequence[Pin]], None] = lambda pins: None,
        limit: int = 200_000,
    ) -> None:
        self._held = MemoryPins(limit)
        self._store = store
        self._wall = wall
        self._tell = tell
        self._look = BoundedLook(self._get, clock, patience=_STORE_SECONDS, pause=_PAUSE_SECONDS)
        self._recalled: set[str] = set()
        """Sessions that are known from before: others may have served them meanwhile."""
        self._wanted: dict[str, asyncio.Future[None]] = {}
        self._looking: asyncio.Task[None] | None = None

    def known(self, key: str) -> Pin | None:
        return self._held.known(key)

    async def find(self, key: str) -> Pin | None:
        """What is known here of a session that is warm. Of any other the database is asked first, and of each that is
        only known from before."""
        pin, now = self.known(key), self._wall()
        if pin is not None and key not in self._recalled and (pin.current.warm(now) or pin.home.warm(now)):
            return pin
        wanted = self._wanted.get(key)
        if wanted is None:
            wanted = self._wanted[key] = asyncio.get_running_loop().create_future()
        if self._looking is None:
            # Owned here: it ends with the last that is wanted, and `close` waits for it.
            self._looking = asyncio.get_running_loop().create_task(self._answer())
        await asyncio.wait({wanted}, timeout=_FIND_SECONDS)
        return self.known(key)

    def put(self, pin: Pin, *, changed: bool) -> None:
        self._held.put(pin, changed=changed)

    def forget(self, pins: Sequence[Pin]) -> None:
        """Takes in that these are nowhere, here and at the workers."""
        for pin in pins:
            self._held.merge(pin)
        if pins:
            self._tell(pins)

    def recall(self, pins: Iterator[Pin]) -> None:
        """Takes in what is known from before."""
        for pin in pins:
            self._held.merge(pin)
            self._recalled.add(pin.key)

    async def close(self) -> None:
        """Waits for the looks that are under way, before their store is closed."""
        if self._looking is not None:
            await self._looking
        await self._look.close()

    async def _answer(self) -> None:
        """Looks for what is wanted, all of it at once, until nothing is."""
        try:
            while self._wanted:
                batch, self._wanted = self._wanted, {}
                try:
                    self._hear(batch.keys(), await self._look.ask(batch.keys()))
                finally:
                    for wanted in batch.values():
                        wanted.set_result(None)
        finally:
            self._looking = None

    def _hear(self, asked: Collection[str], found: dict[str, Pin] | None) -> None:
        """What the database says of these sessions; None where it is away."""
        if found is None:
            return
        self._recalled.difference_update(asked)
        for pin in found.values():
            self._held.merge(pin)

    async def _get(self, keys: Collection[str]) -> dict[str, Pin]:
        try:
            return await self._store(keys)
        except StoreAway:
            raise
        except StoreError as error:
            _log.error("the database can't tell where sessions are", extra={"reason": str(error)})
            raise StoreAway(str(error)) from error

    def __len__(self) -> int:
        return len(self._held)

    def __repr__(self) -> str:
        return f"<HostPins {len(self)} known, {len(self._wanted)} wanted>"


async def hear_forgotten(forgotten: Forgotten, host: HostPins) -> None:
    """Lets the host know, as the log comes to have it, which sessions were forgotten, at whatever node.

    A session that is warm here is not asked for, so nobody would hear of it otherwise.
    """
    # What was forgotten before is not known here, or is asked for anyway (`HostPins.recall`).
    after = END
    while True:
        try:
            pins, after = await forgotten(after)
        except StoreError as error:
            _log.info("what other nodes forget waits for the database: %s", error)
        else:
            host.forget(pins)
        await asyncio.sleep(_HEARD_SECONDS)


class Teller(Protocol):
    """A worker's link to control, as `follower.Follower` has it."""

    def tell_pins(self, pins: Sequence[Pin], *, changed: bool) -> None:
        """Lets control know, if there is a link."""
        ...

    async def find_pin(self, key: str, seconds: float) -> Pin | None:
        """Asks control. Raises `StoreAway` at once without a link, and TimeoutError after that time."""
        ...


class WorkerPins:
    """A worker's pins. A `Pins` of the relay."""

    def __init__(self, teller: Teller, clock: Callable[[], float], *, limit: int = 100_000) -> None:
        self._held = MemoryPins(limit)
        self._teller = teller
        self._clock = clock
        self._silent_until = float("-inf")
        self._looks: dict[str, asyncio.Task[None]] = {}

    def known(self, key: str) -> Pin | None:
        return self._held.known(key)

    async def find(self, key: str) -> Pin | None:
        """Turns of one session that ask at once share the answer."""
        look = self._looks.get(key)
        if look is None and self._clock() >= self._silent_until:
            # Owned by this table: it ends within its bound, whoever waits for it.
            look = self._looks[key] = asyncio.get_running_loop().create_task(self._ask(key))
            look.add_done_callback(lambda _: self._looks.pop(key))
        if look is not None:
            await asyncio.shield(look)
        return self.known(key)

    def put(self, pin: Pin, *, changed: bool) -> None:
        self._held.put(pin, changed=changed)
        self._teller.tell_pins((pin,), changed=changed)

    def heard(self, pins: Sequence[Pin]) -> None:
        """What control tells of the sessions of other workers."""
        for pin in pins:
            self._held.merge(pin)

    def met(self) -> None:
        """A link has opened: control may be new, and is told what this worker's last turns made."""
        self._silent_until = float("-inf")
        latest = tuple(self._held)[-_TOLD_AGAIN:]
        if latest:
            self._teller.tell_pins(latest, changed=False)

    async def _ask(self, key: str) -> None:
        try:
            pin = await self._teller.find_pin(key, _FIND_SECONDS)
        except StoreAway:
            return
        except TimeoutError:
            self._silent_until = self._clock() + _PAUSE_SECONDS
            return
        if pin is not None:
            self._held.merge(pin)

    def __repr__(self) -> str:
        return f"<WorkerPins {self._held!r}, {len(self._looks)} asked for>"


def recalled(folder: Path) -> Iterator[Pin]:
    """The pins that the latest facts in the spools below `folder` tell of, drained or not. Blocks."""
    found = [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    facts = [path for path in found if not path.name.endswith(spools.KEPT)]
    for path in facts:
        # What is damaged is the feeder's to report.
        yield from _recalled(SpoolReader(path, alarm=lambda gap: None), _RECALLED_BYTES // len(facts))


def _recalled(reader: SpoolReader, most: int) -> Iterator[Pin]:
    cursor = reader.latest(most)
    while True:
        try:
            frames, behind = reader.read(cursor)
        except SpoolError as error:
            _log.warning("a spool can't be read for the sessions in it", extra={"reason": str(error)})
            return
        if not frames and behind == cursor:
            return
        cursor = behind
        yield from filter(None, map(_pin_in, frames))


def _pin_in(frame: bytes) -> Pin | None:
    # Most frames tell of none, and are larger than this look at them costs.
    if b'"pin":{' not in frame:
        return None
    try:
        return pin_of(decode(frame))
    except Unreadable:
        return None  # The feeder sets it aside, and says so.
