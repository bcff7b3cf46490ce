"""The prompt caches of the providers: the beginning of a prompt costs less if the same credential has sent it lately.

OpenAI and Gemini cache unasked (`prefixes`), Claude and Bedrock at the breakpoints that a prompt sets (`breakpoints`).
A `prompt_cache_key` does not name an entry: OpenAI uses it to choose a machine, and a credential has one machine here.
Tokens are four characters, as everywhere in the simulator's prompts.

Sources: the providers' pages on prompt caching. OpenAI: 1024 tokens in steps of 128, five to ten minutes after the last
use (the later is taken), 24 hours where asked for; from gpt-5.6 on 30 minutes, or 12 hours. Anthropic: least lengths by
model, five minutes or an hour. Gemini: least lengths by model; it tells no life, five minutes are taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from llmgw_simulator import claude_models
from llmgw_simulator.breakpoints import HOUR, Breakpoints, Place, places_of
from llmgw_simulator.prefixes import STEP, Prefixes, chain_of
from llmgw_simulator.wire import Parsed

LEAST = 1024
_TEN_MINUTES, _DAY = 600.0, 86_400.0
_GEMINI_LIFE = 300.0
_GEMINI_LEAST = {"flash": 1024, "pro": 4096}
_UNASKED = frozenset({"chat", "responses", "gemini", "vertex"})
_GPT = re.compile(r"gpt-(\d+)(?:\.(\d+))?")
_LEASTS = (((4, 6), {"opus": 4096, "haiku": 4096, "sonnet": 2048}), ((4, 5), {"opus": 4096, "haiku": 4096}))
"""Claude's least lengths from a version on, newest first; before them 2048 for Haiku and 1024 for the others."""


class Held(msgspec.Struct, frozen=True):
    """What a prompt has to do with the cache, in tokens: those that it reads, those that it writes, and of these the
    ones that it wants for an hour.
    """

    read: int = 0
    written: int = 0
    written_hour: int = 0


class Found(msgspec.Struct, frozen=True):
    """One prompt before the cache: what it has to do with it, and what leaves it there, once the request is let in."""

    held: Held
    keep: Callable[[], None]


class PromptCache:
    """What prompts began with, by credential and model."""

    def __init__(self) -> None:
        self._prefixes = Prefixes()
        self._breakpoints = Breakpoints()

    def __repr__(self) -> str:
        return f"<PromptCache {self._prefixes!r} {self._breakpoints!r}>"

    def find(self, dialect: str, owner: str, parsed: Parsed, total: int, now: float) -> Found:
        """What is there of a prompt of `total` tokens; nothing is kept before `Found.keep`."""
        if dialect in _UNASKED:
            return self._unasked(dialect, owner, parsed, total, now)
        return self._asked(owner, parsed, total, now)

    def _unasked(self, dialect: str, owner: str, parsed: Parsed, total: int, now: float) -> Found:
        ask, google = parsed.ask, dialect in ("gemini", "vertex")
        least = _least_of_gemini(ask.model) if google else LEAST
        life = _GEMINI_LIFE if google else _life_of_gpt(ask.model, parsed.retention)
        text = msgspec.json.encode((ask.tools, ask.turns))[: total * 4]
        chain = chain_of(f"{owner}/{ask.model}/".encode(), text, least)
        steps = self._prefixes.longest(chain, now)
        held = Held(read=least + (steps - 1) * STEP if steps else 0)
        return Found(held, lambda: self._prefixes.keep(chain, now, life))

    def _asked(self, owner: str, parsed: Parsed, total: int, now: float) -> Found:
        model = parsed.ask.model
        least = least_of_claude(model)
        places = places_of(f"{owner}/{model}/".encode(), parsed.blocks, total)
        found = self._breakpoints.longest(places, now)
        read = found.tokens if found else 0
        asked = [place for place in places if place.life is not None and place.tokens >= least]
        hours = [place for place in asked if place.life == HOUR]
        held = Held(read, _behind(read, asked), _behind(read, hours))
        return Found(held, lambda: self._breakpoints.keep(places, found, least, now))


def _behind(read: int, asked: list[Place]) -> int:
    """Tokens behind those that were read, up to the last of these breakpoints."""
    return max(0, asked[-1].tokens - read) if asked else 0


def least_of_claude(model: str) -> int:
    """Tokens that a prompt must have up to a breakpoint; a name that is none of Claude's has 1024."""
    line, version = claude_models.line(model), claude_models.version(model)
    if line is None:
        return LEAST
    for first, leasts in _LEASTS:
        if version >= first and line in leasts:
            return leasts[line]
    return 2048 if line == "haiku" else LEAST


def _least_of_gemini(model: str) -> int:
    return next((least for name, least in _GEMINI_LEAST.items() if name in model), LEAST)


def _life_of_gpt(model: str, retention: str | None) -> float:
    """`retention` is what the request asks for: `24h`, `12h`, ..."""
    found = _GPT.search(model)
    version = (int(found[1]), int(found[2] or 0)) if found else (0, 0)
    if version >= (5, 6):
        return _DAY / 2 if retention in ("12h", "24h") else 1800.0
    return _DAY if retention == "24h" else _TEN_MINUTES
