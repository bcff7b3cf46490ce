"""How the pool behaves, and with defaults that suit public providers; and what may be fetched besides."""

from __future__ import annotations

import re

import msgspec

_CONTROL = re.compile(r"[^ -~]")

# A name whose last label has a letter, so that no numeric address in any of its forms is one.
_HOST = re.compile(r"(?:\*\.)?(?:[a-z0-9_-]+\.)*(?=[a-z0-9-]*[a-z])[a-z0-9-]+(?::[0-9]{1,5})?", re.IGNORECASE)


class PoolConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[connections]`: those to providers. Deadlines are not here: they come with each request.

    Where 0 is given as an interval, what it paces is off.
    """

    keepalive_seconds: float = 45.0
    """How long an idle connection is kept: less than any known provider edge does, so that we close first."""
    max_age_seconds: float = 600.0
    """A connection this old takes no new request. So a name that leads elsewhere now is followed."""
    dns_ttl_seconds: int = 60
    ping_interval_seconds: float = 12.0
    """HTTP/2: how long a connection with open streams may be silent before it is asked for a sign of life."""
    ping_timeout_seconds: float = 8.0
    """HTTP/2: how long it may take to give one, before it is taken for dead."""
    tcp_keepalive_idle_seconds: int = 10
    tcp_keepalive_interval_seconds: int = 5
    tcp_user_timeout_seconds: int = 20
    """How long sent bytes or probes may go unacknowledged: a dead host is noticed in under 25 s."""
    max_streams_per_connection: int = 100
    """HTTP/2: requests at a time on one connection, also where the provider would allow more. What it costs to lose."""
    stream_window_bytes: int = 256 * 1024
    """HTTP/2: how much of a response may come before its client has taken what came before it."""
    read_buffer_bytes: int = 64 * 1024
    """HTTP/1.1: a response that its client does not read holds at most twice this."""
    notsent_lowat_bytes: int = 128 * 1024
    """How much the kernel may hold of what is sent and can't go out yet."""
    max_header_bytes: int = 32768
    """Of one response header line; providers send policies and debug ids of many kilobytes."""
    ca_file: str | None = None
    """PEM certificates to trust instead of the system's, where an account names none."""
    user_agent: str = "llmgw/0.1"
    credential_timeout_seconds: float = 10.0
    """How long a call waits for an access token, or for what a cloud's own chain finds."""
    close_timeout_seconds: float = 2.0
    """How long closing waits for sockets to be closed before it aborts them."""

    def problems(self) -> dict[str, str]:
        """What is wrong, by the field's name."""
        wrong: dict[str, str] = {}
        for name in _INTERVALS:
            if not 0 <= getattr(self, name) < float("inf"):
                wrong[name] = f"must be 0 or more seconds, not {getattr(self, name)}"
        for name in _SIZES:
            if getattr(self, name) <= 0:
                wrong[name] = f"must be a positive integer, not {getattr(self, name)}"
        if not 0 < self.ping_timeout_seconds < float("inf"):
            wrong["ping_timeout_seconds"] = f"must be more than 0 seconds, not {self.ping_timeout_seconds}"
        if not _LEAST_WINDOW <= self.stream_window_bytes < 2**31:
            wrong["stream_window_bytes"] = f"must be {_LEAST_WINDOW} to {2**31 - 1}, not {self.stream_window_bytes}"
        if _CONTROL.search(self.user_agent) or not self.user_agent:
            wrong["user_agent"] = "must be one line of text"
        return wrong


_INTERVALS = (
    "keepalive_seconds",
    "max_age_seconds",
    "dns_ttl_seconds",
    "ping_interval_seconds",
    "tcp_keepalive_idle_seconds",
    "tcp_keepalive_interval_seconds",
    "tcp_user_timeout_seconds",
    "credential_timeout_seconds",
    "close_timeout_seconds",
)
_SIZES = (
    "max_streams_per_connection",
    "read_buffer_bytes",
    "notsent_lowat_bytes",
    "max_header_bytes",
)
_LEAST_WINDOW = 65535
"""A connection begins with this (RFC 9113, 6.9.2); a stream with less would only be slow."""


class FetchConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[fetch]`: fetching the media that requests name by address, for providers that don't do it themselves."""

    enabled: bool = False
    allowed_hosts: tuple[str, ...] = ()
    """`images.example.com`, `*.example.org` (every name below it), either with `:PORT` where it is not 443."""
    max_bytes: int = 20 * 1024 * 1024
    """Of all media of one request together."""
    max_urls: int = 16
    """Distinct addresses in one request."""
    max_concurrency: int = 8
    """Fetches at a time, of all requests."""
    timeout_seconds: float = 15.0
    """For all media of one request together."""

    def problems(self) -> dict[str, str]:
        """What is wrong, by the field's name."""
        wrong = {
            f"allowed_hosts[{i}]": f"must be a host name or '*.' and one, with or without a port, not {host!r}"
            for i, host in enumerate(self.allowed_hosts)
            if not _HOST.fullmatch(host)
        }
        for name in ("max_bytes", "max_urls", "max_concurrency"):
            if getattr(self, name) <= 0:
                wrong[name] = f"must be a positive integer, not {getattr(self, name)}"
        if not 0 < self.timeout_seconds < float("inf"):
            wrong["timeout_seconds"] = "must be more than 0 seconds"
        if self.enabled and not self.allowed_hosts:
            wrong["allowed_hosts"] = "must name the hosts to fetch from, since fetch.enabled is set"
        return wrong
