"""Sessions, as whoever looks after a gateway sees them: where each is, since when, and what is cached there."""

from __future__ import annotations

from typing import Protocol

import msgspec

from llmgw_control.views import Actor
from llmgw_domain.errors import NotFound


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One session; `session` is its key in the log.

    `key` is that of the client that it was last placed for, `home` the account that it belongs to (null until its next
    turn gives it one), `current` the one that served it last, since the moment `since` (RFC 3339), and `reason` why it
    went there. Until `warm_until` (null where nothing is warm there) the next turn should find
    `expected_cached_tokens` of its prompt cached.
    """

    session: str
    tenant: str
    key: str | None
    model: str | None
    home: str | None
    current: str
    since: str
    reason: str | None
    warm_until: str | None
    expected_cached_tokens: int


class SessionFilters(msgspec.Struct, frozen=True, kw_only=True):
    """Which sessions: those at `account`, of `tenant`, last placed for the client's `key`; None for all."""

    account: str | None = None
    tenant: str | None = None
    key: str | None = None


class SessionPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of sessions, by their keys; `next` is the `after` of the following page, null at the end."""

    data: list[Session]
    next: str | None


class UnknownSession(NotFound):
    """There is no such session: it was never there, has been forgotten, or was not heard of for a day."""

    code = "session_not_found"


class Sessions(Protocol):
    """Where sessions are read and forgotten. All raise a `GatewayError` where the database can't be read now."""

    async def page(self, after: str | None, limit: int, filters: SessionFilters) -> SessionPage:
        """At most `limit` sessions that fit every filter, those behind the key `after`."""

    async def get(self, session: str) -> Session:
        """Raises `UnknownSession`."""

    async def forget(self, session: str, actor: Actor) -> None:
        """Lets its next turn choose anew, wherever it is served. Raises `UnknownSession`, `NotWritable`."""
