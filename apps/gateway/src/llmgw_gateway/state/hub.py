"""The control process's side of the links to its workers: it sends them the state, and gathers what they count."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec

from llmgw_affinity import Pin
from llmgw_balancer import Pause
from llmgw_cluster import Link, LinkLost, NotAnswered, read
from llmgw_control import Replica
from llmgw_domain import Event
from llmgw_eventstore import encode
from llmgw_gateway.state.loads import ToldLoads
from llmgw_gateway.state.messages import FoundFrames, Hello, Overlay, State, ToldPins, WorkerStatus
from llmgw_gateway.state.pauses import HostPauses
from llmgw_gateway.state.pins import HostPins
from llmgw_relay import keep
from llmgw_relay.buffered import BufferedKeep
from llmgw_relay.keep import Sought
from llmgw_telemetry import Totals

_HEARD_SECONDS = 0.5
"""How long a command waits for the workers to serve it. A worker that is slower serves it when it comes to it."""
_STATUS_SECONDS = 2.0

_log = logging.getLogger(__name__)


class Hub:
    """Every worker that has a link, by slot. A `Peer` for all of them."""

    def __init__(
        self,
        replica: Replica,
        overlay: Callable[[], Overlay],
        kept: BufferedKeep,
        pins: HostPins,
        pauses: HostPauses,
        totals: Totals,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """`changed` is called when a worker comes, begins to serve, or goes."""
        self._replica = replica
        self._overlay = overlay
        self._kept = kept
        self._pins = pins
        self._pauses = pauses
        self._totals = totals
        self._changed = changed
        self._workers: dict[int, Link] = {}
        self._serving: dict[int, Link] = {}
        self.statuses: dict[int, WorkerStatus] = {}

    @property
    def slots(self) -> list[int]:
        """The slots of the workers that are linked."""
        return sorted(slot for slot, link in self._workers.items() if not link.lost)

    @property
    def serving(self) -> list[int]:
        """The slots of those that take calls."""
        return sorted(slot for slot, link in self._serving.items() if not link.lost)

    def told(self, link: Link, kind: str, body: msgspec.Raw) -> None:
        match kind:
            case "hello":
                self._welcome(link, read(body, Hello))
            case "serving":
                self._serving[read(body, int)] = link
                self._changed()
            case "kept":
                self._kept.note(keep.decode(read(body, bytes)))
            case "pins":
                self._pinned(link, read(body, ToldPins))
            case "pauses":
                self._tell_others(link, "pauses", self._pauses.heard(read(body, list[Pause])))
            case "loads":
                self._tell_others(link, "loads", read(body, ToldLoads))

    async def asked(self, link: Link, kind: str, body: msgspec.Raw) -> object:
        match kind:
            case "find":
                found = await self._kept.find(read(body, Sought))
                return FoundFrames(tuple(keep.encode(change) for change in found.changes), found.complete)
            case "pin":
                return await self._pins.find(read(body, str))
        raise NotAnswered(f"there is no question {kind!r}")

    async def spread(self, events: Sequence[Event]) -> None:
        """Brings events of the state to every worker, and waits a moment until they serve what comes of them."""
        await self._ask_all("events", [encode(event) for event in events])

    async def lay(self, overlay: Overlay) -> None:
        """Brings the records of the file to every worker."""
        await self._ask_all("overlay", overlay)

    async def gather(self) -> None:
        """Asks every worker what it counts. One that does not answer is known by its last answer."""
        await asyncio.gather(*(self._status(slot, link) for slot, link in list(self._workers.items())))

    def _pinned(self, link: Link, told: ToldPins) -> None:
        """Takes in what a worker tells of its sessions; where they went, the other workers hear as well."""
        for pin in told.pins:
            self._pins.put(pin, changed=told.changed)
        if told.changed:
            self._tell_others(link, "pins", told.pins)

    def tell_pins(self, pins: Sequence[Pin]) -> None:
        """Lets all workers know where these sessions are."""
        self._tell_others(None, "pins", pins)

    def _tell_others(self, link: Link | None, kind: str, told: object) -> None:
        for other in self._workers.values():
            if told and other is not link:
                other.tell(kind, told)

    def _welcome(self, link: Link, hello: Hello) -> None:
        self._workers[hello.slot] = link
        same = hello.digest == self._replica.map.digest()
        laid = hello.overlay == self._replica.overlay_digest()
        dump = None if same else msgspec.json.encode(self._replica.dump())
        link.tell("pauses", self._pauses.current())
        link.tell("state", State(dump=dump, overlay=None if laid else self._overlay()))
        _log.debug("worker linked", extra={"slot": hello.slot, "pid": hello.pid})
        self._changed()

    async def _ask_all(self, kind: str, body: object) -> None:
        asks = [self._ask(slot, link, kind, body) for slot, link in self._workers.items() if not link.lost]
        if asks:
            await asyncio.gather(*asks)

    async def _ask(self, slot: int, link: Link, kind: str, body: object) -> None:
        try:
            await link.ask(kind, body, str, _HEARD_SECONDS)
        except (LinkLost, NotAnswered, TimeoutError) as error:
            # It hears of it all the same, or gets the whole state with its next link.
            _log.warning("a worker did not confirm a change", extra={"slot": slot, "reason": str(error) or "in time"})

    async def _status(self, slot: int, link: Link) -> None:
        if link.lost:
            self._totals.gone(str(slot))
            self.statuses.pop(slot, None)
            if self._workers.get(slot) is link:
                del self._workers[slot]
                self._changed()
            return
        with suppress(LinkLost, NotAnswered, TimeoutError):
            status = await link.ask("status", None, WorkerStatus, _STATUS_SECONDS)
            self.statuses[slot] = status
            self._totals.put(str(slot), status.metrics)

    def __repr__(self) -> str:
        return f"<Hub of workers {self.slots}>"
