"""How many connections the process may have: what its descriptors allow.

A stream takes two: its client's connection and, over HTTP/1.1, its provider's.
"""

from __future__ import annotations

import resource

_RESERVED = 256
"""Descriptors for files, listeners, idle connections and what libraries open."""
_PER_STREAM = 2


def most_streams(descriptors: int | None = None) -> int:
    """How many streams so many descriptors allow; by default as many as the process can have at most."""
    descriptors = _hard() if descriptors is None else descriptors
    return max((descriptors - _RESERVED) // _PER_STREAM, 1)


def streams_problem(wanted: int | None) -> str | None:
    """Why so many streams can't be had; None if they can, or none are asked for."""
    if wanted is None:
        return None
    if wanted < 1:
        return f"must be 1 or more, not {wanted}"
    most = most_streams()
    if wanted <= most:
        return None
    needed = wanted * _PER_STREAM + _RESERVED
    return (
        f"needs {needed} file descriptors, and this process may have {_hard()}, which is enough for {most}: "
        f"raise its limit (systemd: LimitNOFILE={needed}, Docker: --ulimit nofile={needed}), or ask for less"
    )


def raise_descriptors() -> int:
    """Lets the process have as many descriptors as it may; their number."""
    hard = _hard()
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    return hard


def _hard() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    # Without a limit the kernel's own holds: fs.nr_open, which is this by default.
    return 1 << 20 if hard == resource.RLIM_INFINITY else hard
