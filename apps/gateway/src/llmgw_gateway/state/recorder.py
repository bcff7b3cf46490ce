"""The facts of calls, written to this process's spool before anything else knows of them.

An opened call is on its way to the disk before its provider hears of it, so a call that cost money is never unknown. If
the spool can't take it, the call is refused. A settled call can't be refused any more: it is held in memory, within a
bound, and written as soon as there is room. Where a session was placed is written if there is room: the settled call
says it again. So is how an attempt failed that another one followed: it is for people, and nothing is counted by it.

A segment of the spool may be gone before a long call ends, so the opened ones are written again at the beginning of
each new segment: the last segments alone say which calls a process has left open when it dies.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from llmgw_crdt import Clock
from llmgw_domain import Event, uuid7
from llmgw_domain.errors import GatewayBusy
from llmgw_eventstore import encode
from llmgw_eventstore.spool import SpoolFull
from llmgw_relay.facts import AttemptEnded, CallOpened, CallSettled, Fact, SessionPlaced
from llmgw_relay.pin_facts import BOUND, MOVED, Placed
from llmgw_relay.ports import Facts

OPENED, SETTLED, ENDED = "request.opened", "request.settled", "request.attempt_ended"
VERSION = 1

_MOST_HELD = 10_000
"""Settled calls that wait for room: as many as can be in flight when the disk fills, and no more can be opened then."""

_log = logging.getLogger(__name__)


class Spool(Protocol):
    """What is needed of a spool: `segment` is the number of the one that is written to."""

    @property
    def segment(self) -> int: ...

    def append(self, payloads: Sequence[bytes], *, urgent: bool = False) -> object:
        """`urgent` is for what ends something that was begun. Raises `SpoolFull`."""
        ...


class Recorder:
    """The `Facts` of a worker. `further` are told after the spool: metrics and the log line."""

    def __init__(
        self,
        spool: Spool,
        further: Facts,
        *,
        clock: Clock,
        wall: Callable[[], float],
        rand: Callable[[int], int],
    ) -> None:
        """`rand` gives that many random bits."""
        self._spool = spool
        self._further = further
        self._clock = clock
        self._wall = wall
        self._rand = rand
        self._open: dict[str, list[tuple[str, bytes]]] = {}
        self._held: deque[bytes] = deque()
        self._segment = spool.segment
        self.lost = 0

    @property
    def held(self) -> int:
        """Settled calls that are in memory only, for want of room."""
        return len(self._held)

    def append(self, fact: Fact) -> None:
        if isinstance(fact, CallOpened):
            self._opened(fact)
        elif isinstance(fact, SessionPlaced):
            self._placed(fact)
        elif isinstance(fact, AttemptEnded):
            self._write_if_room(self._event(ENDED, fact, f"request/{fact.call}", fact))
        elif fact.key or fact.call in self._open:
            # Whoever has no key is counted and logged, but can't fill the log of what was used.
            self._settled(fact)
        self._further.append(fact)

    def flush(self) -> None:
        """Writes what is held for want of room, as far as there is some. Call it now and then."""
        try:
            while self._held:
                self._write(self._held[0], urgent=True)
                self._held.popleft()
        except SpoolFull:
            pass

    def _opened(self, fact: CallOpened) -> None:
        event = self._event(OPENED, fact, f"request/{fact.call}", fact)
        payload = encode(event)
        try:
            self.flush()
            if self._held:
                raise SpoolFull("settled calls are waiting for room")
            self._write(payload, urgent=False)
        except SpoolFull as error:
            raise GatewayBusy(
                "The gateway can't write to its log now, so it takes no calls that it could not account for.",
                retry_after=5.0,
                detail=str(error),
            ) from None
        self._open.setdefault(fact.call, []).append((event.id, payload))

    def _placed(self, fact: SessionPlaced) -> None:
        body = Placed(call=fact.call, model=fact.model, pin=fact.pin, reason=fact.reason)
        self._write_if_room(self._event(MOVED if fact.moved else BOUND, fact, f"session/{fact.session}", body))

    def _write_if_room(self, event: Event) -> None:
        try:
            self.flush()
            if not self._held:
                self._write(encode(event), urgent=False)
        except SpoolFull:
            pass

    def _settled(self, fact: CallSettled) -> None:
        opened = self._open.pop(fact.call, None)
        cause = opened[0][0] if opened else None
        payload = encode(self._event(SETTLED, fact, f"request/{fact.call}", fact, cause))
        self.flush()
        try:
            if self._held:
                raise SpoolFull("others wait already")
            self._write(payload, urgent=True)
        except SpoolFull:
            self._hold(payload)

    def _hold(self, payload: bytes) -> None:
        if len(self._held) >= _MOST_HELD:
            # The call is in the spool as opened, so it will be settled as crashed; what it used is an estimate then.
            self.lost += 1
            return
        if not self._held:
            _log.error("the spool is full: settled calls are held in memory, new ones are refused")
        self._held.append(payload)

    def _write(self, payload: bytes, *, urgent: bool) -> None:
        self._spool.append([payload], urgent=urgent)
        if self._spool.segment != self._segment:
            self._segment = self._spool.segment
            again = [payload for attempts in self._open.values() for _, payload in attempts]
            if again:
                self._spool.append(again, urgent=True)

    def _event(self, kind: str, fact: Fact, subject: str, body: Fact | Placed, cause: str | None = None) -> Event:
        return Event(
            id=uuid7(fact.at, self._rand(74)),
            hlc=self._clock.tick(self._wall()),
            node=self._clock.node,
            v=VERSION,
            kind=kind,
            tenant=fact.tenant,
            actor=f"key:{fact.key}",
            cause=cause,
            subject=subject,
            body=msgspec.Raw(_ENCODER.encode(body)),
        )

    def __repr__(self) -> str:
        return f"<Recorder {len(self._open)} open, {len(self._held)} held, {self.lost} lost>"


_ENCODER = msgspec.json.Encoder()
