"""What providers have said of their accounts, as the processes of a host know it: who rests until when, and who is
rejected.

A worker that is told to leave an account alone tells control, and control tells the other workers, so that each
provider says it once. Control keeps it on the disk: an allowance of days that is used up is not tried again because of
a restart. What becomes of accounts that are rejected is `rejecting`'s affair.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from llmgw_balancer import Balancer, Pause
from llmgw_gateway.data_dir import replace

FILE = "pauses.json"

_LOOK_SECONDS = 0.1
"""Between two looks at what is new: a refusal comes once in a while, and the other workers hear of it that late."""
_SAVE_SECONDS = 1.0
_MOMENT = 1.0
"""Seconds by which a rest must be longer than what was told of it to be news."""
_MOST = 10_000
"""Rests that control keeps; the accounts' models behind a star route are many."""

_log = logging.getLogger(__name__)

_Scope = tuple[str, str | None, str]


def _scope(pause: Pause) -> _Scope:
    return pause.account, pause.model, pause.mark


class _Kept(msgspec.Struct, frozen=True):
    """A rest as it is on the disk: `until` is in Unix seconds, and its own `seconds` say nothing."""

    until: float
    pause: Pause


class HostPauses:
    """Control's. `wall` gives Unix seconds; `rejected` hears of each account that its provider refuses."""

    def __init__(self, data_dir: Path, wall: Callable[[], float], rejected: Callable[[Pause], None]) -> None:
        self._path = data_dir / FILE
        self._wall = wall
        self._rejected = rejected
        self._kept: dict[_Scope, _Kept] = {}
        self._unsaved = False

    def heard(self, pauses: Iterable[Pause]) -> list[Pause]:
        """Takes in what a worker was told; gives what is news to the others."""
        now, news = self._wall(), []
        for pause in pauses:
            scope, until = _scope(pause), now + pause.seconds
            known = self._kept.get(scope)
            if known is not None and until <= known.until + _MOMENT:
                continue
            self._kept.pop(scope, None)
            self._kept[scope] = _Kept(until, pause)
            news.append(pause)
            if pause.verdict == "disable":
                self._rejected(pause)
        self._unsaved |= bool(news)
        self._tidy(now)
        return news

    def current(self) -> list[Pause]:
        """Every rest that is not over."""
        now = self._wall()
        return [msgspec.structs.replace(k.pause, seconds=k.until - now) for k in self._kept.values() if k.until > now]

    def forget(self, accounts: Iterable[str]) -> None:
        """An operator has seen to these accounts, or they are gone."""
        gone = set(accounts)
        kept = {scope: held for scope, held in self._kept.items() if scope[0] not in gone}
        self._unsaved |= len(kept) != len(self._kept)
        self._kept = kept

    def load(self) -> None:
        """Takes in what was known before. A file that can't be read costs some refusals, and is told."""
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=list[_Kept])
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError) as error:
            _log.warning("what providers said of their accounts can't be read", extra={"reason": str(error)})
            return
        now = self._wall()
        self._kept = {_scope(held.pause): held for held in kept if held.until > now}

    async def keep(self) -> None:
        """Writes it down when there is something new, until it is cancelled."""
        while True:
            await asyncio.sleep(_SAVE_SECONDS)
            if self._unsaved:
                self._unsaved = False
                await asyncio.to_thread(self._save, list(self._kept.values()))

    def save(self) -> None:
        """Writes it down now."""
        self._save(list(self._kept.values()))

    def _save(self, kept: list[_Kept]) -> None:
        try:
            replace(self._path, msgspec.json.encode(kept))
        except OSError as error:
            _log.error("what providers said of their accounts can't be written down", extra={"reason": str(error)})

    def _tidy(self, now: float) -> None:
        if len(self._kept) <= _MOST:
            return
        self._kept = {scope: held for scope, held in self._kept.items() if held.until > now}
        while len(self._kept) > _MOST:
            del self._kept[next(iter(self._kept))]

    def __repr__(self) -> str:
        return f"<HostPauses {len(self._kept)} kept>"


class WorkerPauses:
    """A worker's: tells what its balancer comes to know, and has it hear what others know."""

    def __init__(self, tell: Callable[[Sequence[Pause]], object], clock: Callable[[], float]) -> None:
        """`clock` is the balancer's."""
        self._tell = tell
        self._clock = clock
        self._balancer: Balancer | None = None
        self._told: dict[_Scope, float] = {}
        self._early: list[Pause] = []

    def serve(self, balancer: Balancer) -> None:
        """This is the balancer; what was heard before it was there is told to it."""
        self._balancer = balancer
        self.heard(self._early)
        self._early = []

    def heard(self, pauses: Sequence[Pause]) -> None:
        """Others know this."""
        if self._balancer is None:
            self._early += pauses
            return
        now = self._clock()
        self._told |= {_scope(pause): now + pause.seconds for pause in pauses}
        self._balancer.relearn(pauses)

    def resumed(self, account: str) -> None:
        """An operator has seen to the account."""
        if self._balancer is not None:
            self._balancer.resume(account)
        self._told = {scope: until for scope, until in self._told.items() if scope[0] != account}

    def look(self) -> None:
        """Tells what is new."""
        if self._balancer is None:
            return
        now, before, self._told = self._clock(), self._told, {}
        news = []
        for pause in self._balancer.pauses():
            scope, until = _scope(pause), now + pause.seconds
            told = before.get(scope)
            if told is None or until > told + _MOMENT:
                news.append(pause)
                told = until
            self._told[scope] = told
        if news:
            self._tell(news)

    def met(self) -> None:
        """There is a control process that may be new: all of it is news."""
        self._told = {}

    async def run(self) -> None:
        """Looks again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self.look()

    def __repr__(self) -> str:
        return f"<WorkerPauses {len(self._told)} told>"
