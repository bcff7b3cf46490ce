"""The outside of `Administration` for tests: a journal that can be full, a clock that can be off, a seal without a key.

`Desk` is a node's whole control side on these, and what other packages test against.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterable, Sequence

from llmgw_control.administration import Administration
from llmgw_control.compiler import Compiler
from llmgw_control.ports import Sealing
from llmgw_control.records import Records
from llmgw_control.refusal import CannotSeal, Unrevealed
from llmgw_control.replica import Replica
from llmgw_control.views import Actor
from llmgw_crdt import Clock
from llmgw_domain import Catalog, Event, Secret

OWNER = Actor("admin:owner", "owner")
OPERATOR = Actor("admin:operator", "operator")
VIEWER = Actor("admin:viewer", "viewer")


class ReversedSealing(Sealing):
    """Seals by turning a text around and encoding it: not to be read by eye, opened by anybody.

    `env:NAME` leads to the secret `NAME's secret` in lower case; nothing else is to be had. `opened` lists every
    reference that was revealed.
    """

    def __init__(self, key_id: str = "k1", opens: Iterable[str] = ()) -> None:
        """It seals with `key_id`, and opens what is sealed with any of `opens` too."""
        self.key_id = key_id
        self.broken = False
        self.opened: list[str] = []
        self._opens = {key_id, *opens}

    def seal(self, text: str) -> str:
        if self.broken:
            raise CannotSeal("there is no master key")
        return f"sealed:v1:{self.key_id}:{base64.urlsafe_b64encode(text[::-1].encode()).decode()}"

    def reveal(self, reference: str) -> Secret:
        self.opened.append(reference)
        if reference.startswith("env:"):
            return Secret(f"{reference[4:].lower()}-secret")
        kind, _, rest = reference.removeprefix("sealed:v1:").partition(":")
        if reference.startswith("sealed:v1:") and kind in self._opens:
            return Secret(base64.urlsafe_b64decode(rest).decode()[::-1])
        raise Unrevealed("there is no such reference")


class MemoryJournal:
    """Keeps the events that it was given; while it is `full` it takes none."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.full = False

    def __call__(self, events: Sequence[Event]) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self.events += events


class Desk:
    """One node's replica, compiler and administration. `published` are the catalogs that it served, in order."""

    def __init__(
        self, node: str = "n1", file: Records | None = None, now: float = 1_800_000_000.0, seed: int = 1
    ) -> None:
        """`now` is the time in seconds since 1970, which stands still unless it is set."""
        self.now = now
        self.trouble: str | None = None
        self.sealing = ReversedSealing()
        self.journal = MemoryJournal()
        self.published: list[Catalog] = []
        self.replica = Replica(node)
        self.compiler = Compiler(self.sealing.reveal, file.servers if file else ())
        if file is not None:
            self.compiler.feed(self.replica.overlay(file, "gateway.toml"))
        self.administration = Administration(
            self.replica,
            self.compiler,
            journal=self.journal,
            clock=Clock(node),
            wall=lambda: self.now,
            rand=random.Random(seed).randbytes,
            sealing=self.sealing,
            publish=self.published.append,
            clock_trouble=lambda: self.trouble,
        )

    @property
    def catalog(self) -> Catalog:
        """What would be served now."""
        return self.compiler.compile()

    def receive(self, events: Iterable[Event]) -> Catalog:
        """Takes in events of other nodes, as a worker does."""
        self.compiler.feed(self.replica.apply(events))
        return self.catalog

    def __repr__(self) -> str:
        return f"<Desk of {self.replica!r}>"
