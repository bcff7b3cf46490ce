"""How the pool behaves, and with defaults that suit public providers; and what may be fetched besides."""

from __future__ import annotations

import re

import msgspec

# A name whose last label has a letter, so that no numeric address in any of its forms is one.
_HOST = re.compile(r"(?:\*\.)?(?:[a-z0-9_-]+\.)*(?=[a-z0-9-]*[a-z])[a-z0-9-]+(?::[0-9]{1,5})?", re.IGNORECASE)


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
