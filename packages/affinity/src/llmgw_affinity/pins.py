"""Where a session is: a record that merges, whoever wrote it and in whatever order it is heard.

A pin has two places. `home` is the account that the session belongs to; `current` is the one that served it last, which
is another while home is in trouble. Of two homes of one `epoch` the earliest wins, so that nodes that bind a session at
once come to agree on the first of them; a session that is given another home begins a new epoch. Of two currents the
latest wins. `llmgw_postgres` has the same rule in SQL.

A session that is forgotten is nowhere: a pin too, which wins by the same rule over all that was told before.
"""

from __future__ import annotations

import msgspec

NOWHERE = ""
"""The account of a session that was forgotten."""


class Stay(msgspec.Struct, frozen=True, kw_only=True):
    """A session at an account, since `since`, a reading of a hybrid logical clock (`node` breaks ties).

    `cached` tokens of its prompt are believed to be in the account's cache until `warm_until`, in Unix seconds. That is
    evidence of the answer given at `told`, a reading of the same clock: of one stay, the latest evidence counts.
    """

    account: str
    since: int
    node: str
    warm_until: float = 0.0
    cached: int = 0
    told: int = 0

    def warm(self, now: float) -> bool:
        """Whether there is something to lose by going elsewhere; `now` in Unix seconds."""
        return self.cached > 0 and now < self.warm_until


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """Where the session with this key is. `key` is 32 hexadecimal digits."""

    key: str
    epoch: int
    home: Stay
    current: Stay

    @property
    def away(self) -> bool:
        return self.home.account != self.current.account

    @property
    def forgotten(self) -> bool:
        """Whether it says only that whatever was told before no longer counts (`placing.forgotten`)."""
        return self.home.account == self.current.account == NOWHERE


def merged(one: Pin, other: Pin) -> Pin:
    """What both say of one session. Commutative, associative and idempotent."""
    if one.epoch == other.epoch:
        home = _evident(min(one.home, other.home, key=_earliest), one.home, other.home)
    else:
        home = max(one, other, key=lambda pin: pin.epoch).home
    current = _evident(max(one.current, other.current, key=_latest), one.current, other.current)
    return Pin(key=one.key, epoch=max(one.epoch, other.epoch), home=home, current=current)


def _earliest(stay: Stay) -> tuple[int, str, str]:
    return stay.since, stay.node, stay.account


def _latest(stay: Stay) -> tuple[int, str, str]:
    return stay.since, stay.node, stay.account


def _evident(won: Stay, *stays: Stay) -> Stay:
    """The stay that won, with the latest evidence of it."""
    of_it = [s for s in stays if (s.account, s.since, s.node) == (won.account, won.since, won.node)]
    told = max(of_it, key=lambda stay: (stay.told, stay.warm_until, stay.cached))
    return msgspec.structs.replace(won, warm_until=told.warm_until, cached=told.cached, told=told.told)
