"""From one major version of PostgreSQL to another, while no gateway runs.

PostgreSQL's own pg_upgrade does it, with the programs of both majors. The old cluster is kept, as `cluster.MAJOR`: it
takes as much room again, and is the way back.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llmgw_postgres._binaries import Binaries, find, within_reach
from llmgw_postgres.embedded import _cluster, _postmaster
from llmgw_postgres.embedded._home import Home, open_home
from llmgw_postgres.embedded.config import EmbeddedConfig
from llmgw_postgres.embedded.errors import EmbeddedError

_log = logging.getLogger(__name__)


def upgrade_major(data_dir: Path, config: EmbeddedConfig | None = None) -> Path:
    """Move a data folder's database to the major version that a new one would have. Blocks, for minutes with much data.

    Returns where the old cluster is kept; it can be removed once the gateway runs well with the new one. Raises
    EmbeddedError (InUse, WrongMajor if the old programs are missing, StartFailed with what pg_upgrade said), and then
    nothing has changed.
    """
    config = config or EmbeddedConfig()
    home = open_home(data_dir.absolute(), Path(config.shelf))
    with home.owned():
        _postmaster.clear(home, config.stop_seconds)
        old = _cluster.programs_for(home, Path(config.shelf))
        new = within_reach(find(), home.user, Path(config.shelf))
        kept = home.folder / f"cluster.{old.major}"
        _refuse_what_can_not_be(home, old, new, kept)
        with _workshop(home) as scratch:
            draft = _cluster.make_draft(home, new, old.major)
            try:
                _run_upgrade(home, old, new, draft, scratch)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise
        home.cluster.rename(kept)
        draft.rename(home.cluster)
    _log.info("moved %s from PostgreSQL %s to %s", home.cluster, old.version, new.version)
    return kept


def _refuse_what_can_not_be(home: Home, old: Binaries, new: Binaries, kept: Path) -> None:
    if not home.cluster.exists():
        raise EmbeddedError(f"there is no database in {home.folder}: the next start makes one")
    if old.major >= new.major:
        raise EmbeddedError(
            f"the database in {home.cluster} is at PostgreSQL {old.major}, and {new.major} is installed"
        )
    if kept.exists():
        raise EmbeddedError(f"{kept} is there already, from an upgrade before this one: move it away")
    if not home.password.exists():
        raise EmbeddedError(f"{home.password} is missing: start the gateway once, which makes a new one")


@contextmanager
def _workshop(home: Home) -> Iterator[Path]:
    """A short private folder of the server's user, for sockets, the password's copy and what pg_upgrade writes."""
    scratch = Path(tempfile.mkdtemp(prefix="llmgw-", dir="/tmp"))
    try:
        password = scratch / "password"
        password.touch(mode=0o600)
        password.write_text(home.password.read_text())
        for path in (password, scratch):
            home.user.own(path)
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _run_upgrade(home: Home, old: Binaries, new: Binaries, draft: Path, scratch: Path) -> None:
    if not os.access(new.program("pg_upgrade"), os.X_OK):
        raise EmbeddedError(f"{new.folder} has no pg_upgrade: install the whole of PostgreSQL {new.major}'s server")
    folders: list[str | Path] = ["-b", str(old.folder), "-B", str(new.folder), "-d", home.cluster, "-D", draft]
    _cluster.run(
        home, [new.program("pg_upgrade"), *folders, "-U", _cluster.SUPERUSER, "-s", str(scratch)],
        seconds=None, cwd=scratch, PGPASSFILE=str(scratch / "password"),
    )  # fmt: skip
