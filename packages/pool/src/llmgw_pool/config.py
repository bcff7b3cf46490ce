"""How the pool behaves, and with defaults that suit public providers."""

from __future__ import annotations

import msgspec


class PoolConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Times are in seconds, sizes in bytes. Deadlines are not here: they come with each request."""

    keepalive: float = 45.0
    """How long an idle connection is kept: less than any known provider edge does, so that we close first."""
    dns_ttl: int = 60
    read_buffer: int = 64 * 1024
    """A stream that its client does not read holds at most twice this."""
    max_header_bytes: int = 32768
    """Of one response header line; providers send policies and debug ids of many kilobytes."""
    tcp_keepalive_idle: int = 10
    tcp_keepalive_interval: int = 5
    tcp_user_timeout: int = 20
    """How long sent bytes or probes may go unacknowledged: a dead host is noticed in under 25 s."""
    ca_file: str | None = None
    """PEM certificates to trust instead of the system's."""
    user_agent: str = "llmgw/0.1"
    credential_timeout: float = 10.0
    """How long a call waits for an access token, or for what a cloud's own chain finds."""
    close_timeout: float = 2.0
    """How long closing waits for sockets to be closed before it aborts them."""
