"""Models: the names that clients ask for, and where each leads."""

from __future__ import annotations

from typing import Literal

import msgspec

Api = Literal["auto", "chat", "responses"]
"""Which of OpenAI's APIs a target is asked through. `auto`: the client's own where the provider has it, otherwise chat,
except where a model needs responses."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One place that can serve a model: a pool of accounts and the provider's own name for the model.

    A `*` in `model` is replaced by what the star of the `Model`'s name matched. Lower `priority` is tried first.
    """

    pool: str
    model: str
    priority: int = 1
    api: Api = "auto"


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A name that clients may ask for; `prefix/*` matches every name below the prefix."""

    name: str
    targets: tuple[Target, ...]
    max_output_tokens: int | None = None
    """Sent as the output limit to providers that demand one when the client gave none."""
    deadlines: dict[str, float | None] = msgspec.field(default_factory=dict)
    """Fields of `Deadlines` that this model's calls have in place of their account's."""

    @property
    def is_pattern(self) -> bool:
        return "*" in self.name

    def match(self, name: str) -> str | None:
        """What the star matched in `name`; the empty string for an exact name; None if it does not match."""
        if not self.is_pattern:
            return "" if name == self.name else None
        head, _, tail = self.name.partition("*")
        if len(name) > len(head) + len(tail) and name.startswith(head) and name.endswith(tail):
            return name[len(head) : len(name) - len(tail)]
        return None
