"""How PostgreSQL is reached and how long it may take, with defaults for a server in the same network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

Conninfo = str | Callable[[], str] | Callable[[], Awaitable[str]]
"""A libpq URI or keyword string, or what gives one at each connect, for passwords that rotate. Several hosts are named
in one string (`host=a,b`); whichever is the primary is used."""


class PostgresConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[database]`. Times are in seconds."""

    url: str | None = None
    """A libpq URI or keyword string; None: the embedded server. Through a pooler only in session mode."""
    replicas: tuple[str, ...] = ()
    """Streaming replicas that dashboards read from."""
    read_connections: int = 4
    """At most, for what someone waits for."""
    write_connections: int = 3
    """At most, for appends and projections."""
    connect_seconds: int = 3
    """For each host, before the next one is tried."""
    checkout_seconds: float = 3.0
    """How long to wait for a connection before the store counts as away."""
    read_seconds: float = 5.0
    """Longest query that someone waits for."""
    write_seconds: float = 30.0
    """Longest statement of an append or a job."""
    append_seconds: float = 15.0
    """Longest append or fold as a whole: with a synchronous standby that is away, a commit waits without end."""
    idle_in_transaction_seconds: float = 10.0
    """How long the server lets a transaction stand still: its client is gone or stuck."""
    poll_seconds: float = 1.0
    """How often waiting readers look for themselves, in case a notification was lost."""
    clock_tolerance_seconds: float = 60.0
    """How far ahead of the server's clock a state event may be."""
    keep_months: int = 13
    """Full months of requests in the log and the request log; usage by the hour is kept for good."""
    replica_wait_seconds: float = 0.05
    """How long a read waits for a replica to have replayed the reader's own writes."""
    replica_checkout_seconds: float = 0.5
    """How long to wait for a connection to a replica: there are others to ask."""
    replica_retry_seconds: float = 5.0
    """How long a replica that failed is left out; doubled each time in a row, up to a minute."""

    def __repr__(self) -> str:
        """Without addresses: they may hold passwords."""
        url = "embedded" if self.url is None else "given"
        return f"PostgresConfig(url={url}, replicas={len(self.replicas)})"

    def problems(self) -> dict[str, str]:
        """What is wrong, by the field's name."""
        wrong: dict[str, str] = {}
        for name in _COUNTS:
            if getattr(self, name) < 1:
                wrong[name] = f"must be 1 or more, not {getattr(self, name)}"
        for name in _SECONDS:
            if not 0 < getattr(self, name) < float("inf"):
                wrong[name] = f"must be more than 0 seconds, not {getattr(self, name)}"
        return wrong


_COUNTS = ("read_connections", "write_connections", "connect_seconds", "keep_months")
_SECONDS = (
    "checkout_seconds",
    "read_seconds",
    "write_seconds",
    "append_seconds",
    "idle_in_transaction_seconds",
    "poll_seconds",
    "clock_tolerance_seconds",
    "replica_wait_seconds",
    "replica_checkout_seconds",
    "replica_retry_seconds",
)
