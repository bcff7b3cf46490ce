"""The prompt cache of OpenAI: the beginning of a prompt costs less if the same credential has sent it lately.

From 1024 tokens on, in steps of 128, for the same model; an entry lives for 30 minutes after its last use. A token is
four characters here, as everywhere in the simulator's prompts.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator

import msgspec

from llmgw_simulator.ask import Ask

LEAST = 1024
STEP = 128
_LIFE = 30 * 60.0
_MOST = 100_000
_CHARACTERS = 4


class PromptCache:
    """What prompts began with, by credential and model. `scale` makes its time run faster."""

    def __init__(self, scale: float = 1.0) -> None:
        self._life = _LIFE / scale
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def __repr__(self) -> str:
        return f"<PromptCache {len(self._until)} beginnings>"

    def use(self, owner: str, ask: Ask, prompt_tokens: int, now: float) -> int:
        """How many tokens of the prompt were there already; all of it is there from now on."""
        if prompt_tokens < LEAST:
            return 0
        found = 0
        for tokens, key in _beginnings(owner, ask):
            if tokens > prompt_tokens:
                break
            if self._until.get(key, 0.0) > now:
                found = tokens
            self._until[key] = now + self._life
            self._until.move_to_end(key)
        while len(self._until) > _MOST:
            self._until.popitem(last=False)
        return found


def _beginnings(owner: str, ask: Ask) -> Iterator[tuple[int, bytes]]:
    """Each length at which a prompt may be cached, with a digest of everything up to there."""
    text = msgspec.json.encode((ask.tools, ask.turns))
    digest = hashlib.sha256(f"{owner}/{ask.model}/".encode())
    size, at = STEP * _CHARACTERS, 0
    while at + size <= len(text):
        digest.update(text[at : at + size])
        at += size
        if at // _CHARACTERS >= LEAST:
            yield at // _CHARACTERS, digest.digest()
