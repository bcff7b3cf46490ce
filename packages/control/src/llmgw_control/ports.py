"""What `Administration` needs of the outside: somewhere to write, and somebody to seal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from llmgw_domain import Catalog, Event, Secret

Journal = Callable[[Sequence[Event]], None]
"""Writes events down so that they survive this process, all or none of them; raises where it can't (a full disk)."""

Publish = Callable[[Catalog], None]
"""Serves a catalog from now on."""

ClockTrouble = Callable[[], "str | None"]
"""What is wrong with this node's clock, in words; None if nothing is. A node whose clock is off gives no commands: its
deltas would win over, or lose against, those of everybody else."""


class Sealing(Protocol):
    """Seals secrets with the master key, and opens what was sealed."""

    def seal(self, text: str) -> str:
        """`sealed:v1:KEYID:DATA`. Raises `CannotSeal` where there is no key to seal with."""

    def reveal(self, reference: str) -> Secret:
        """What a reference leads to. Raises `Unrevealed`."""
