"""A worker's copy of the state: it follows the control process, and serves on from what it has while that is away."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from llmgw_affinity import Pin
from llmgw_balancer import Pause
from llmgw_cluster import Link, LinkLost, NotAnswered, read
from llmgw_control import Replica
from llmgw_eventstore import StoreAway, decode
from llmgw_gateway.state.loads import ToldLoads, WorkerLoads
from llmgw_gateway.state.messages import FoundFrames, Hello, Overlay, State, ToldPins, WorkerStatus
from llmgw_gateway.state.pauses import WorkerPauses
from llmgw_gateway.state.pins import WorkerPins
from llmgw_gateway.state.served import Served
from llmgw_relay import keep
from llmgw_relay.keep import Found, Put, Sought

_FIND_SECONDS = 2.0


class Follower:
    """The worker's side of its link: a `Peer`, the reading half of its keep, and the teller of its pins."""

    def __init__(
        self,
        slot: int,
        replica: Replica,
        served: Served,
        status: Callable[[], WorkerStatus],
        clock: Callable[[], float],
    ) -> None:
        """`clock` is that of rests and limits, in monotonic seconds."""
        self._slot = slot
        self._replica = replica
        self._served = served
        self._status = status
        self._link: Link | None = None
        self._serving = False
        self.pins = WorkerPins(self, time.monotonic)
        self.pauses = WorkerPauses(partial(self._tell, "pauses"), clock)
        self.loads = WorkerLoads(slot, partial(self._tell, "loads"), time.monotonic)
        self.loaded = asyncio.Event()
        """Set once the state has come: from then on there is a catalog to serve."""

    def serving(self) -> None:
        """The worker takes calls from now on. Control is told, now and with each link."""
        self._serving = True
        if self._link is not None:
            self._link.tell("serving", self._slot)

    def met(self, link: Link) -> None:
        """A link has opened: control is told what is here."""
        self._link = link
        digest, overlay = self._replica.map.digest(), self._replica.overlay_digest()
        link.tell("hello", Hello(slot=self._slot, pid=os.getpid(), digest=digest, overlay=overlay))
        if self._serving:
            link.tell("serving", self._slot)
        self.pins.met()
        self.pauses.met()

    def told(self, link: Link, kind: str, body: msgspec.Raw) -> None:
        match kind:
            case "state":
                self._load(read(body, State))
            case "pins":
                self.pins.heard(read(body, list[Pin]))
            case "pauses":
                self.pauses.heard(read(body, list[Pause]))
            case "loads":
                self.loads.heard(read(body, ToldLoads))

    async def asked(self, link: Link, kind: str, body: msgspec.Raw) -> object:
        match kind:
            case "events":
                return self._apply(read(body, list[bytes]))
            case "overlay":
                return self._lay(read(body, Overlay))
            case "status":
                return self._status()
        raise NotAnswered(f"there is no question {kind!r}")

    def note(self, frame: bytes) -> None:
        """Lets control know at once of what this worker keeps; its journal is the worker's spool."""
        if self._link is not None:
            self._link.tell("kept", frame)

    async def find(self, sought: Sought) -> Found:
        """Asks control. Raises `StoreAway`."""
        if self._link is None:
            raise StoreAway("there is no link to the control process yet")
        try:
            found = await self._link.ask("find", sought, FoundFrames, _FIND_SECONDS)
        except (LinkLost, NotAnswered, TimeoutError) as error:
            raise StoreAway(f"the control process did not answer: {error}") from None
        changes = tuple(change for frame in found.frames if isinstance(change := keep.decode(frame), Put | keep.Drop))
        return Found(changes, found.complete)

    def tell_pins(self, pins: Sequence[Pin], *, changed: bool) -> None:
        if self._link is not None:
            self._link.tell("pins", ToldPins(tuple(pins), changed))

    async def find_pin(self, key: str, seconds: float) -> Pin | None:
        """Asks control. Raises `StoreAway`, TimeoutError."""
        if self._link is None:
            raise StoreAway("there is no link to the control process yet")
        try:
            # mypy takes a union for no type.
            return await self._link.ask("pin", key, Pin | None, seconds)  # type: ignore[arg-type]
        except (LinkLost, NotAnswered) as error:
            raise StoreAway(f"the control process did not answer: {error}") from None

    def _tell(self, kind: str, body: object) -> None:
        if self._link is not None:
            self._link.tell(kind, body)

    def _load(self, state: State) -> None:
        if state.overlay is not None:
            self._lay(state.overlay)
        if state.dump is not None:
            self._served.take(self._replica.load(msgspec.json.decode(state.dump)))
        self._served.flush()
        self._replica.map.digest()
        self.loaded.set()

    def _lay(self, overlay: Overlay) -> str:
        self._served.know(overlay.records.servers)
        self._served.take(self._replica.overlay(overlay.records, overlay.file))
        self._served.flush()
        return self._served.current().version

    def _apply(self, encoded: Sequence[bytes]) -> str:
        self._served.take(self._replica.apply([decode(event) for event in encoded]))
        # It costs what changed: asked for only at the next link, it would cost all of that at once.
        self._replica.map.digest()
        return self._served.current().version

    def __repr__(self) -> str:
        return f"<Follower {self._slot} {'linked' if self._link and not self._link.lost else 'alone'}>"
