"""The one task that every client here does: two tools, the second asked for after the first one's result.

The prompt dictates the calls to the simulated model. A client does the task for each model, streamed and not, and
prints what it saw: `{model: {"whole": seen, "stream": seen}}`. The same in JavaScript is `../node/task.mjs`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import msgspec

PROMPT = """Please do this:
call weather with {"city":"Zürich","days":3}
call time with {"zone":"Europe/Zurich"}
Then tell me."""

BASE = os.environ["GATEWAY_BASE"]
KEY = os.environ["GATEWAY_KEY"]
DIALECT = sys.argv[1]


class Run:
    """One run of the task: what was called, and what it cost."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.input_tokens = 0
        self.output_tokens = 0

    @property
    def tools(self) -> list[Callable[..., str]]:
        """The tools as functions of which a framework reads the schema."""

        def weather(city: str, days: int) -> str:
            """The weather of the next days."""
            self.calls.append(("weather", {"city": city, "days": days}))
            return f"sunny in {city} for {days} days"

        def time(zone: str) -> str:
            """The time of day."""
            self.calls.append(("time", {"zone": zone}))
            return f"noon in {zone} 🌦"

        return [weather, time]

    def used(self, input_tokens: int, output_tokens: int) -> None:
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens


def perform(work: Callable[[str, bool, Run], str]) -> None:
    """Does `work(model, stream, run)`, which gives the final text, for each model both ways, and prints what it saw."""
    report: dict[str, dict[str, Any]] = {}
    for model in sys.argv[2:]:
        for way in ("whole", "stream"):
            run = Run()
            text = work(model, way == "stream", run)
            report.setdefault(model, {})[way] = {"text": text, **vars(run)}
    sys.stdout.buffer.write(msgspec.json.encode(report))
