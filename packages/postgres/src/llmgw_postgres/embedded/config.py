"""How the embedded server is run: defaults for a small machine, and an operator's own settings over them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

SHELF: Final = Path("/var/lib/llmgw")
"""For root whose data folder, or whose environment, lies in a home that no other user can enter."""

SMALL: Final[Mapping[str, str]] = MappingProxyType(
    {
        "max_connections": "40",  # one control process with two small pools, and an operator's psql
        "shared_buffers": "64MB",
        "maintenance_work_mem": "32MB",
        "min_wal_size": "32MB",
        "max_wal_size": "256MB",
        "wal_compression": "on",
        # Parallel queries need shared memory files, of which a container has 64 MB, and cores to spare.
        "max_parallel_workers_per_gather": "0",
        "max_parallel_maintenance_workers": "0",
        "max_wal_senders": "4",  # for an operator's pg_basebackup
        "autovacuum_max_workers": "2",
        "jit": "off",
        "random_page_cost": "1.1",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",  # what goes wrong is recognized by its words
        "log_line_prefix": "%m [%p] ",
        "log_checkpoints": "off",
        "cluster_name": "llmgw",
    }
)
"""Settings of postgresql.conf (their units are PostgreSQL's) that an operator may change."""

FIXED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "fsync": "on",
        "full_page_writes": "on",
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "logging_collector": "off",
    }
)
"""Settings that what is promised here hangs on."""


class EmbeddedConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[database.embedded]`: the private server. Durations are in seconds, sizes in bytes."""

    settings: dict[str, str] = {}
    """Of postgresql.conf, over the defaults: `{shared_buffers = "1GB"}`."""
    start_seconds: float = 300.0
    """How long a start may take; after a crash the server first replays what it had not written."""
    stop_seconds: float = 20.0
    """How long a shutdown may take before it is cut short, which costs the next start a recovery and no data."""
    log_bytes: int = 4 * 1024 * 1024
    """When the log goes to `server.log.1` and begins again."""
    shelf: str = str(SHELF)
    """Where root's server lies if its user can't reach the data folder."""

    def effective(self) -> dict[str, str]:
        """Every setting that the server is started with, but for its socket's folder."""
        return {**SMALL, **self.settings, **FIXED}
