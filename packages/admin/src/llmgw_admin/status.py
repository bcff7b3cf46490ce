"""What the pages are told about the running process."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """A moment of the process. `uptime` is in seconds; `in_flight` counts calls by account id.

    `states` says by account id what keeps an account from serving, e.g. "cooling down"; an enabled account that is not
    in it is ready.
    """

    version: str
    uptime: float
    ready: bool = True
    draining: bool = False
    in_flight: Mapping[str, int] = msgspec.field(default_factory=dict)
    states: Mapping[str, str] = msgspec.field(default_factory=dict)

    @property
    def total_in_flight(self) -> int:
        return sum(self.in_flight.values())
