"""`[database]` and `[spool]`: where events are kept, and where they wait until they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from llmgw_domain import Secret
from llmgw_postgres.config import PostgresConfig
from llmgw_postgres.embedded import EmbeddedConfig

NONE = "none"
"""Instead of an address: no database at all."""

_SCHEMES = ("postgresql", "postgres")
_REFERENCES = ("env:", "file:", "sealed:")


class DatabaseConfig(PostgresConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[database]`. `url` and `replicas` are addresses without a password, or references to ones that have it.

    Without `url`, a private PostgreSQL in the data folder; `"none"` is no database.
    """

    embedded: EmbeddedConfig = EmbeddedConfig()

    @property
    def kind(self) -> Literal["embedded", "external", "none"]:
        if self.url is None:
            return "embedded"
        return "none" if self.url == NONE else "external"

    def problems(self) -> dict[str, str]:
        """What is wrong, by the field's name."""
        wrong = super().problems()
        if self.url is not None and self.url != NONE and (problem := _problem(self.url)):
            wrong["url"] = problem
        for i, replica in enumerate(self.replicas):
            if problem := _problem(replica):
                wrong[f"replicas[{i}]"] = problem
        if self.replicas and self.kind != "external":
            wrong["replicas"] = "are of a database of your own: give its address as database.url"
        return wrong


class SpoolConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[spool]`: the files that events are written to first, for each process. Sizes are in bytes."""

    max_bytes: int = 2 << 30
    """What may wait for a database that is away. Beyond it new calls are refused."""
    segment_bytes: int = 16 << 20
    keep_seconds: float = 900.0
    """How long segments stay after the database has them, to be offered again after a failover."""

    def problems(self) -> dict[str, str]:
        """What is wrong, by the field's name."""
        wrong: dict[str, str] = {}
        if self.segment_bytes < 1 << 16:
            wrong["segment_bytes"] = f"must be {1 << 16} or more, not {self.segment_bytes}"
        if self.max_bytes < 4 * self.segment_bytes:
            wrong["max_bytes"] = f"must be at least four segments, {4 * self.segment_bytes}, not {self.max_bytes}"
        if not 0 <= self.keep_seconds < float("inf"):
            wrong["keep_seconds"] = f"must be 0 or more seconds, not {self.keep_seconds}"
        return wrong


def address(url: str, reveal: Callable[[str], Secret]) -> str:
    """The connection string that `url` is or refers to. Raises `Unrevealed`; what is wrong with it shows at use."""
    return reveal(url).reveal() if url.startswith(_REFERENCES) else url


def _problem(url: str) -> str | None:
    """What is wrong with an address as it stands in the configuration. It is not quoted: it may hold a password."""
    if url.startswith(_REFERENCES):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in _SCHEMES:
        return 'must be "postgresql://HOST/NAME", a reference to one such as "env:DATABASE_URL", or "none"'
    if parts.password is not None or "password=" in parts.query:
        return 'must not hold a password here; put the whole address behind a reference, e.g. "env:DATABASE_URL"'
    return None
