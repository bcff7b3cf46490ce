"""Calls that the user dictates, for agents whose task names the very call that it needs. Pure.

Lines `call NAME with {JSON}` in the user's text are followed in order: one call a turn, each after the result of the
one before, and after the last one text. A line whose tool is not offered is passed over. The newest text with such
lines counts; none of it does where the choice forces or forbids calls.
"""

from __future__ import annotations

import hashlib
import re

from llmgw_simulator.ask import Ask, Part

_LINE = re.compile(r"^call ([\w.:-]+) with (\{.*\})$", re.MULTILINE)


def dictated(ask: Ask, digest: str) -> list[Part] | None:
    """The next call, or none after the last; None if nothing is dictated."""
    script = _script(ask) if ask.choice.mode == "auto" else None
    if script is None:
        return None
    return [Part("call", arguments, name, _id(f"{digest}/{name}")) for name, arguments in script[:1]]


def _script(ask: Ask) -> list[tuple[str, str]] | None:
    """Names and arguments of the calls that are still to be made.

    Every call has one result, so the results since say how far the script has come, however the turns are cut.
    """
    offered = {tool.name for tool in ask.tools}
    for at in range(len(ask.turns) - 1, -1, -1):
        if ask.turns[at].role == "user" and (lines := _LINE.findall(ask.turns[at].text)):
            done = sum(len(turn.results) for turn in ask.turns[at:])
            return [(name, arguments) for name, arguments in lines if name in offered][done:]
    return None


def _id(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
