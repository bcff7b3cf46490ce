"""Plays a workload: every session as a client that waits, asks, and tries again as the providers' SDKs do.

One process and one loop. Waits are those of the workload, divided by the time scale.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from random import Random
from typing import Protocol

import aiohttp
import msgspec

from cache.clients import Conversation, Request, Unfinished
from cache.workload import Plan, Session, Texts

_RETRIES = 2
"""As the SDKs of OpenAI and Anthropic do by default."""
_LONGEST_WAIT = 60.0
_BACKOFF, _MOST_BACKOFF = 0.5, 8.0
CUT = "cut"
"""What a client sees of an answer that began and did not end."""
_PATIENCE = 120.0
"""Real seconds without a byte before a client gives up."""


class Door(msgspec.Struct, frozen=True):
    """Where a request may go: a base URL and a key."""

    url: str
    key: str


class Way(Protocol):
    """How requests get to an account."""

    tells_real: bool
    """Whether its `retry-after` is in real seconds, not in the simulator's."""

    def doors(self, session: Session, number: int) -> Sequence[Door]:
        """Where to try this turn, one after the other without waiting."""


class Told(msgspec.Struct):
    """How a turn went for its client. Times are real seconds; `at` counts from the beginning.

    `first` is from the first try to the first text of the answer, `expected` what of it the provider took.
    `errors` are what the client saw before, in order: a status, `unreachable`, `cut`. It gives up after some.
    """

    session: int
    digest: str
    number: int
    at: float
    errors: list[str] = []
    done: bool = False
    first: float = 0.0
    expected: float = 0.0

    @property
    def dropped(self) -> bool:
        """Whether the client gave up, and its session with it."""
        return not self.done and len(self.errors) > _RETRIES


class Refused(Exception):
    """What a client sees instead of an answer: `what` of the `errors`, and seconds to wait if it was told."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.wait = wait


class Pace(msgspec.Struct, frozen=True):
    """Of the simulator: how many times faster than time it runs, and how fast it answers, in its own seconds."""

    scale: float
    ttft: float = 1.0
    tps: float = 80.0
    burst: int = 64
    """Tokens in an event of a stream: this measures caches, not chunks."""

    def real(self, seconds: float) -> float:
        return seconds / self.scale


class Driver:
    """One playing of a workload."""

    def __init__(self, plan: Plan, way: Way, pace: Pace) -> None:
        self.told: list[Told] = []
        self.open = asyncio.Event()
        """Cleared while nothing listens and clients wait, as behind a load balancer."""
        self.open.set()
        self._plan, self._way, self._pace = plan, way, pace
        self._texts = Texts(plan.shape.seed)
        self._rand = Random(plan.shape.seed)
        self._began = 0.0

    @property
    def now(self) -> float:
        """Seconds of the simulator since the beginning."""
        return (time.monotonic() - self._began) * self._pace.scale

    async def play(self) -> None:
        """All of it; what is still under way at its end is left."""
        self._began = time.monotonic()
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30)
        timeout = aiohttp.ClientTimeout(total=None, sock_read=_PATIENCE, sock_connect=10)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
            sessions = [self._session(http, session) for session in self._plan.sessions]
            try:
                async with asyncio.timeout(self._pace.real(self._plan.shape.seconds)), asyncio.TaskGroup() as group:
                    for session in sessions:
                        group.create_task(session)
            except TimeoutError:
                return

    async def _session(self, http: aiohttp.ClientSession, session: Session) -> None:
        await asyncio.sleep(self._pace.real(session.start))
        conversation = Conversation(self._plan, session, self._texts)
        for number, turn in enumerate(session.turns):
            await asyncio.sleep(self._pace.real(turn.pause))
            request = conversation.ask(number)
            told = Told(session.id, conversation.digest, number, time.monotonic() - self._began)
            self.told.append(told)
            answer = await self._turn(http, session, request, told)
            if answer is None:
                return
            conversation.hear(answer)

    async def _turn(self, http: aiohttp.ClientSession, session: Session, request: Request, told: Told) -> str | None:
        """The answer; None if it could not be had."""
        await self.open.wait()
        began = time.monotonic()
        for attempt in range(1 + _RETRIES):
            await self.open.wait()
            try:
                answer = await self._anywhere(http, session, request, told, began)
            except Refused as refused:
                told.errors.append(refused.what)
                await asyncio.sleep(self._wait(refused, attempt))
            else:
                told.done = True
                return answer
        return None

    def _wait(self, refused: Refused, attempt: int) -> float:
        """Real seconds before the next try."""
        if refused.wait is not None and 0 < refused.wait <= _LONGEST_WAIT:
            return refused.wait if self._way.tells_real else self._pace.real(refused.wait)
        backoff = min(_MOST_BACKOFF, _BACKOFF * 2**attempt) * self._rand.uniform(0.75, 1.0)
        return self._pace.real(backoff)

    async def _anywhere(
        self, http: aiohttp.ClientSession, session: Session, request: Request, told: Told, began: float
    ) -> str:
        """The answer of the first door that gives one. Raises `Refused`, of the last one."""
        last = Refused("unreachable")
        for door in self._way.doors(session, told.number):
            try:
                return await self._once(http, door, request, told, began)
            except Refused as refused:
                last = refused
                if refused.what == CUT:
                    break
        raise last

    async def _once(self, http: aiohttp.ClientSession, door: Door, request: Request, told: Told, began: float) -> str:
        headers = {**request.headers, "content-type": "application/json", "authorization": f"Bearer {door.key}"}
        body = bytearray()
        try:
            async with http.post(door.url + request.path, data=request.body, headers=headers) as response:
                if response.status >= 400:
                    raise Refused(str(response.status), _told(response.headers.get("retry-after")))
                said = False
                async for chunk in response.content.iter_any():
                    body += chunk
                    if not said and (said := request.opening is None or request.opening in body):
                        told.first = time.monotonic() - began
            answer = request.read(bytes(body))
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise Refused(CUT if body else "unreachable") from None
        except (Unfinished, msgspec.DecodeError):
            raise Refused(CUT) from None
        tokens = answer.tokens if request.opening is None else self._pace.burst
        told.expected = self._pace.real(self._pace.ttft + tokens / self._pace.tps)
        return answer.text


def _told(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
