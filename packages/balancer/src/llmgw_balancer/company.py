"""Whether this gateway is alone with its sessions, or others serve them too and do not tell.

Nodes hear of each other's sessions through the database that they share. Two that share none, or are cut off from it,
meet all the same, in the caches of providers: a session that is new here goes on with a conversation, and the account
that it is given has it in its cache. Nobody here has put it there.
"""

from __future__ import annotations

from llmgw_balancer.flow import Flow

_LATELY = 600.0
"""Seconds over which sessions are counted."""
_ENOUGH = 10
"""Turns of sessions that go on here, before it tells anything that nobody was met: two nodes would have by then."""
_PART = 0.03
"""Of the sessions that are placed. Of two simulated nodes with half of the turns each, some never noticed the other
where it was 0.1, because few meet while each chooses by what it knows alone; where it was 0.05 all did."""


class Company:
    """Counts the sessions of one worker. It is alone until it meets somebody, but not before it has had the chance."""

    def __init__(self) -> None:
        self._placed = Flow(_LATELY)
        self._met = Flow(_LATELY)
        self._went_on = 0

    def place(self, now: float) -> None:
        """A session was given an account."""
        self._placed.add(now)

    def go_on(self) -> None:
        """A session came again that is known here."""
        self._went_on = min(_ENOUGH, self._went_on + 1)

    def meet(self, now: float) -> None:
        """A session that is new here was in its account's cache."""
        self._met.add(now)

    def alone(self, now: float) -> bool:
        return self._went_on >= _ENOUGH and self._met.at(now) <= _PART * self._placed.at(now)

    def __repr__(self) -> str:
        return f"<Company {self._met!r} of {self._placed!r}>"
