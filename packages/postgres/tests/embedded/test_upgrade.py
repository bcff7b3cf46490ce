"""A database moves to another major version whole, and the old one stays until somebody removes it."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from llmgw_postgres import _binaries
from llmgw_postgres._binaries import installed
from llmgw_postgres.embedded import Embedded, EmbeddedError, InUse, StartFailed, upgrade_major

older = [binaries.major for binaries in installed() if binaries.major < 18]

needs_older = pytest.mark.skipif(not older, reason="no PostgreSQL of an older major is installed")


@pytest.fixture
def old_data_dir(folder, config, monkeypatch):
    """A data folder whose database the system's programs have made, with a row in it."""
    with monkeypatch.context() as patched:
        patched.setattr(_binaries, "_wheel_folder", lambda: None)
        asyncio.run(_make(folder / "data", config))
    return folder / "data"


async def _make(data_dir, config) -> None:
    async with Embedded(data_dir, config) as server:
        with psycopg.connect(server.conninfo) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 'é' AS value")


async def _read(data_dir, config) -> tuple[str, list]:
    async with Embedded(data_dir, config) as server:
        with psycopg.connect(server.conninfo) as connection:
            return server.version.partition(".")[0], connection.execute("SELECT value FROM kept").fetchall()


@needs_older
def test_a_database_moves_to_the_newer_major(old_data_dir, config):
    """After the move the gateway's own programs serve the same rows to the same role; the old files are still there."""
    kept = upgrade_major(old_data_dir, config)
    assert old_data_dir / "postgres" / f"cluster.{older[0]}" == kept
    assert (kept / "PG_VERSION").exists()
    assert ("18", [("é",)]) == asyncio.run(_read(old_data_dir, config))
    with pytest.raises(EmbeddedError, match="is at PostgreSQL 18, and 18 is installed"):
        upgrade_major(old_data_dir, config)


@needs_older
def test_a_move_that_fails_changes_nothing(old_data_dir, config):
    """Files that pg_upgrade refuses stay what they were, and its own words say why."""
    cluster = old_data_dir / "postgres" / "cluster"
    control = cluster / "global" / "pg_control"
    before = control.read_bytes()
    control.write_bytes(before[:100])
    with pytest.raises(StartFailed, match=r"pg_upgrade failed"):
        upgrade_major(old_data_dir, config)
    assert [] == list(cluster.parent.glob("cluster.*"))
    control.write_bytes(before)
    assert (str(older[0]), [("é",)]) == asyncio.run(_read(old_data_dir, config))


def test_a_running_gateways_database_is_not_moved(data_dir, config, owners):
    """Whose server runs has it to itself."""
    owners.start(data_dir)
    with pytest.raises(InUse):
        upgrade_major(data_dir, config)


def test_an_empty_data_folder_has_nothing_to_move(folder, config):
    """Without a database there is nothing to do, which is said."""
    with pytest.raises(EmbeddedError, match="the next start makes one"):
        upgrade_major(folder / "data", config)
