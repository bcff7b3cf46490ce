"""What was served, in few bytes a request, so that a benchmark can ask for all of it: who asked, and what it cost.

A conversation is known by its first user message, whatever a gateway in between makes of the rest.
"""

from __future__ import annotations

import hashlib
from collections import deque
from itertools import islice

import msgspec

from llmgw_simulator.ask import Answers, Ask


class Line(msgspec.Struct, array_like=True):
    """One request to a model, as an array in this order. Times are Unix seconds; `status` 0 is no answer yet.

    `conversation` are the first 16 hexadecimal digits of the SHA-256 of the first user message's text, `turn` is how
    many messages the user has sent in it.
    """

    id: int
    started: float
    credential: str
    conversation: str
    model: str
    turn: int
    status: int = 0
    prompt: int = 0
    cached: int = 0
    written: int = 0
    written_hour: int = 0
    output: int = 0
    outcome: str = "in_flight"
    seconds: float = 0.0

    def count(self, answers: Answers) -> None:
        """Note what an answer costs, in tokens."""
        self.prompt, self.output = answers.prompt_tokens, answers.tokens
        self.cached, self.written, self.written_hour = (
            answers.cached_tokens,
            answers.written_tokens,
            answers.written_hour_tokens,
        )


class Ledger:
    """The last lines, oldest first."""

    def __init__(self, most: int) -> None:
        self._lines: deque[Line] = deque(maxlen=most)

    def __repr__(self) -> str:
        return f"<Ledger {len(self._lines)} lines>"

    def open(self, id: int, started: float, credential: str, ask: Ask) -> Line:
        """A new line, to be filled while the request is answered."""
        line = Line(id, started, credential, conversation(ask), ask.model, turn_of(ask))
        self._lines.append(line)
        return line

    def after(self, id: int, limit: int) -> list[Line]:
        """The lines behind the one with this id, oldest first, up to `limit`."""
        return list(islice((line for line in self._lines if line.id > id), limit))

    def clear(self) -> None:
        self._lines.clear()


def conversation(ask: Ask) -> str:
    """The digest of the first user message; of an empty text where there is none."""
    text = next((turn.text for turn in ask.turns if turn.role == "user"), "")
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def turn_of(ask: Ask) -> int:
    """How many messages of the user there are."""
    return sum(turn.role == "user" for turn in ask.turns)
