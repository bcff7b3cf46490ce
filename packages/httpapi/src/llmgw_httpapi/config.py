"""The settings of the data plane's HTTP."""

from __future__ import annotations

import msgspec


class HttpConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on what a client may send and how long it may take. Sizes are in bytes, times in seconds."""

    max_body_bytes: int = 32 << 20
    """One request's body; a key's policy may say otherwise."""
    max_upload_bytes: int = 512 << 20
    """One body that is passed on as it comes in, e.g. a file."""
    max_buffered_bytes: int = 512 << 20
    """The bodies of all requests in flight together."""
    body_timeout: float = 30.0
    """Between two reads of a request's body."""
    body_rate: float = 500.0
    """Bytes a second that a body's sender keeps up, beyond the first `body_timeout`."""
    send_timeout: float = 60.0
    """How long a client may leave one write untaken before its connection is dropped."""
    heartbeat_seconds: float = 10.0
    """How long a client waits for a byte before it gets a sign of life, and then again; 0 for none."""
    linger_bytes: int = 1 << 20
    """How much of a refused request's body is read off, so that its client gets to see the answer."""
    linger_seconds: float = 1.0
    """How long that may take."""
