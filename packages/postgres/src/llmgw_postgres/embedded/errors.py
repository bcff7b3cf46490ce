"""Why there is no embedded server. Each text says what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from llmgw_postgres._binaries import Binaries


class EmbeddedError(Exception):
    """The embedded server can't run."""


class InUse(EmbeddedError):
    """Another gateway owns this data folder's server."""

    def __init__(self, folder: Path, owner: str) -> None:
        self.owner = owner
        super().__init__(
            f"the database in {folder} is in use by another gateway (process {owner or 'unknown'}), which was left "
            "alone: stop that one, or give this one a data folder of its own (--data-dir)"
        )


class OutOfReach(EmbeddedError):
    """A folder can't be made, entered or written by who has to."""


class WrongMajor(EmbeddedError):
    """The files are another major version's than every program that is installed."""

    def __init__(self, cluster: Path, major: int, found: Sequence[Binaries]) -> None:
        self.major = major
        have = ", ".join(f"{b.version} in {b.folder}" for b in found) or "none at all"
        super().__init__(
            f"the database in {cluster} was made by PostgreSQL {major}, whose programs are not installed "
            f"(there are: {have}). Nothing was changed. Install PostgreSQL {major} (Debian: apt install "
            f"postgresql-{major}; Homebrew: brew install postgresql@{major}) and start again: it is found and used. "
            "docs/embedded-postgresql.md says how to move to a newer major then"
        )


class StartFailed(EmbeddedError):
    """A program of PostgreSQL's failed, or a start took too long. `said`: its own last words."""

    def __init__(self, what: str, advice: str, said: str) -> None:
        self.said = said
        super().__init__(f"{what}: {advice}" + (f"\nPostgreSQL said:\n{said}" if said else ""))
