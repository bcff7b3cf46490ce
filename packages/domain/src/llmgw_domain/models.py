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
    max_concurrency: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    """Limits of this model at each account of the pool, within those of the account."""


Cause = Literal["context_too_long", "refused", "overloaded"]
"""Why another model is asked: the request is longer than the model's context, its provider's policy refused the
request, or no account of the model can answer now."""


class Fallback(msgspec.Struct, frozen=True, kw_only=True):
    """Another model name that is asked where this one can't answer, for the causes that are named."""

    model: str
    on: frozenset[Cause]


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A name that clients may ask for; `prefix/*` matches every name below the prefix."""

    name: str
    targets: tuple[Target, ...]
    max_output_tokens: int | None = None
    """Sent as the output limit to providers that demand one when the client gave none."""
    deadlines: dict[str, float | None] = msgspec.field(default_factory=dict)
    """Fields of `Deadlines` that this model's calls have in place of their account's."""
    fallbacks: tuple[Fallback, ...] = ()
    """Asked in this order, each at most once."""

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
