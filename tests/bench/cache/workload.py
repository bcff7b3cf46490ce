"""The workload: who says what to which model, and when; from a seed, the same for all.

Sessions of tenants. All sessions of a tenant begin with the same tools and system text. About `alive` of them go on at
a time; one that ends makes room for another. Lengths, pauses and growth are those of agents and chats: turns and pauses
are log-normal, with a tail of pauses that no cache survives.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from random import Random
from typing import Literal

import msgspec

Kind = Literal["agent", "keyed", "plain", "responses"]
KINDS: dict[Kind, float] = {"agent": 0.5, "keyed": 0.2, "plain": 0.15, "responses": 0.15}
"""What kinds of clients there are, and their shares. `cache.clients` knows what each of them sends."""

TOKEN = 4
"""Characters."""
_MOST_PROMPT = 120_000
"""Tokens at which a session ends, as it would be compacted."""
_PAUSE = (20.0, 1.32)
_MOST_PAUSE = 900.0
_TURNS = (12.0, 0.8)
"""Both are the median and the deviation of a log-normal distribution, in seconds and in turns."""
_LEAST_TURNS, _MOST_TURNS = 3, 40
_CORPUS = 1 << 20


class Turn(msgspec.Struct, frozen=True, array_like=True):
    """`pause` seconds after the last answer the client says `said` tokens, and wants up to `wanted` in answer."""

    pause: float
    said: int
    wanted: int


class Session(msgspec.Struct, frozen=True):
    """One conversation; `start` is in seconds from the beginning."""

    id: int
    tenant: int
    kind: Kind
    start: float
    turns: tuple[Turn, ...]


class Tenant(msgspec.Struct, frozen=True):
    """What all sessions of one begin with, in tokens."""

    id: int
    tools: int
    system: int


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a workload. `seconds` is how long it lasts."""

    seed: int = 1
    tenants: int = 40
    alive: int = 300
    seconds: float = 1200.0


class Plan(msgspec.Struct, frozen=True):
    """A workload."""

    shape: Shape
    tenants: tuple[Tenant, ...]
    sessions: tuple[Session, ...]

    @property
    def turns(self) -> int:
        """How many there are at most, if nothing takes long."""
        return sum(len(session.turns) for session in self.sessions)


def make(shape: Shape) -> Plan:
    """The workload of a shape; the same shape gives the same one."""
    rand = Random(shape.seed)
    tenants = tuple(Tenant(at, rand.randint(800, 2500), rand.randint(1200, 3500)) for at in range(shape.tenants))
    sessions: list[Session] = []
    for _seat in range(shape.alive):
        # The first sessions of all seats begin within two minutes, the next as each of them ends.
        at = rand.uniform(0.0, min(120.0, shape.seconds / 4))
        while at < shape.seconds:
            session = _session(rand, len(sessions), at, tenants)
            sessions.append(session)
            at += _length(session) + _pause(rand)
    return Plan(shape, tenants, tuple(sorted(sessions, key=lambda session: session.start)))


def load(shape: Shape, folder: Path) -> tuple[Plan, str]:
    """The workload, kept in a file of `folder`, and the beginning of that file's digest."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "workload.json"
    file.write_bytes(msgspec.json.encode(make(shape)))
    raw = file.read_bytes()
    return msgspec.json.decode(raw, type=Plan), hashlib.sha256(raw).hexdigest()[:12]


def _session(rand: Random, id: int, start: float, tenants: tuple[Tenant, ...]) -> Session:
    tenant = rand.choice(tenants)
    kind = rand.choices(list(KINDS), list(KINDS.values()))[0]
    turns: list[Turn] = []
    prompt = tenant.tools + tenant.system
    for number in range(_count(rand)):
        wanted = rand.randint(100, 800)
        growth = rand.randint(500, 3000)
        turns.append(Turn(_pause(rand) if number else 0.0, max(100, growth - wanted), wanted))
        prompt += growth
        if prompt > _MOST_PROMPT:
            break
    return Session(id, tenant.id, kind, start, tuple(turns))


def _count(rand: Random) -> int:
    """How many turns a session has, unless its prompt gets too long."""
    return min(_MOST_TURNS, max(_LEAST_TURNS, round(rand.lognormvariate(math.log(_TURNS[0]), _TURNS[1]))))


def _pause(rand: Random) -> float:
    return min(_MOST_PAUSE, rand.lognormvariate(math.log(_PAUSE[0]), _PAUSE[1]))


def _length(session: Session) -> float:
    """Seconds, with about six for an answer."""
    return sum(turn.pause + 6.0 for turn in session.turns)


class Texts:
    """What is said, made up from words; the same text for the same name and length."""

    def __init__(self, seed: int) -> None:
        rand = Random(seed)
        letters = "abcdefghijklmnopqrstuvwxyz"
        words = ["".join(rand.choices(letters, k=rand.randint(2, 9))) for _ in range(4000)]
        self._corpus = " ".join(rand.choices(words, k=_CORPUS // 5))

    def text(self, name: str, tokens: int) -> str:
        """`tokens` of text, which begins with its name."""
        size = tokens * TOKEN
        at = Random(name).randrange(len(self._corpus) - size)
        return f"[{name}] {self._corpus[at : at + size]}"[:size]
