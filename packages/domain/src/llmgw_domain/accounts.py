"""Provider accounts: the credentials and limits that calls are spread over."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Provider(StrEnum):
    """The kind of a provider: which dialect it speaks and how it is authenticated."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GOOGLE = "google"
    OPENAI_COMPATIBLE = "openai-compatible"


class Secret:
    """A credential that can't be printed, compared in a log, or serialised by accident."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The credential itself, for the one place that puts it on the wire."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret(***)"


class Deadlines(msgspec.Struct, frozen=True, kw_only=True):
    """How long each phase of an upstream call may take, in seconds; `None` is no limit.

    The defaults let five minutes of silent thinking pass: `headers` and `gap` are above 300.
    """

    connect: float | None = 10.0
    """TCP and TLS set-up."""
    headers: float | None = 600.0
    """From the request sent to the response's status line."""
    first_byte: float | None = 600.0
    """From the status line to the first byte of the body."""
    gap: float | None = 600.0
    """Between two reads of the body."""
    total: float | None = 3600.0
    """The whole call."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One account at a provider. `base_url` is what the provider's own SDK takes as its base address."""

    id: str
    provider: Provider
    base_url: str
    credential: Secret
    pool: str
    max_concurrency: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    weight: float = 1.0
    enabled: bool = True
    deadlines: Deadlines = Deadlines()
