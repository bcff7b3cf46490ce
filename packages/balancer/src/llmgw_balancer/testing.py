"""A clock to set, and candidates to choose from, for tests."""

from __future__ import annotations

from typing import Any

from llmgw_domain import Account, Candidate, Provider, Secret, Target


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def account(name: str, **fields: Any) -> Account:
    """An account of pool `p`, with other fields where they are given."""
    known = {"provider": Provider.OPENAI, "base_url": "http://x", "credential": Secret("k"), "pool": "p", **fields}
    return Account(id=name, **known)


def candidate(name: str, *, model: str = "m", target: Target | None = None, **fields: Any) -> Candidate:
    """A candidate with such an account."""
    of = account(name, **fields)
    return Candidate(of, model, target or Target(pool=of.pool, model=model))


def tier(names: str | list[str], **fields: Any) -> tuple[Candidate, ...]:
    """A candidate for each name; the letters of a string are names."""
    return tuple(candidate(name, **fields) for name in names)
