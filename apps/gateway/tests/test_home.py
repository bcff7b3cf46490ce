"""What stands around the planes."""

from __future__ import annotations

import base64
from collections import deque
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from llmgw_gateway.config import Settings, load
from llmgw_gateway.control_plane import Unopened
from llmgw_gateway.data_dir import UnusableDataDir
from llmgw_gateway.home import admin_config, conninfo, keyring, ready
from llmgw_gateway.sealing import FILE_NAME

KEY = base64.b64encode(b"1" * 32).decode()


def settings(folder: Path, **environ: str) -> Settings:
    return load(None, {"GATEWAY_DATA_DIR": str(folder), **environ})


def test_a_key_is_made_for_the_nodes_own_database(tmp_path: Path) -> None:
    """And found again."""
    made = keyring(settings(tmp_path))
    assert made.ids == keyring(settings(tmp_path)).ids
    assert 0o600 == (tmp_path / FILE_NAME).stat().st_mode & 0o777


def test_a_key_for_a_shared_database_is_given(tmp_path: Path) -> None:
    """It says how; nothing is made, since another node could not open what this one seals."""
    shared = {"GATEWAY_DATABASE__URL": "postgresql://db/llmgw"}
    with pytest.raises(Unopened, match=r"openssl rand -base64 32.*GATEWAY_MASTER_KEY"):
        keyring(settings(tmp_path, **shared))
    assert [] == list(tmp_path.iterdir())
    assert keyring(settings(tmp_path, GATEWAY_MASTER_KEY=KEY, **shared)).ids


def test_a_key_that_is_none_is_said(tmp_path: Path) -> None:
    """Before anything is opened with it, or made in its place."""
    with pytest.raises(Unopened, match="32 bytes"):
        keyring(settings(tmp_path, GATEWAY_MASTER_KEY="short"))
    assert [] == list(tmp_path.iterdir())


def test_the_owners_token_is_made_once(tmp_path: Path) -> None:
    """Private, long, and the same at the next start."""
    first, second = admin_config(settings(tmp_path)), admin_config(settings(tmp_path))
    assert first.owner_token is not None
    assert first.owner_token == second.owner_token
    assert 36 == len(first.owner_token.reveal())
    assert 0o600 == (tmp_path / "owner.token").stat().st_mode & 0o777
    (tmp_path / "file").write_text("")
    with pytest.raises(UnusableDataDir, match="can't be used"):
        admin_config(settings(tmp_path / "file"))


async def test_where_the_database_is(tmp_path: Path) -> None:
    """None, one's own by a reference, or why it can't be had."""
    async with AsyncExitStack() as stack:
        assert await conninfo(settings(tmp_path, GATEWAY_DATABASE__URL="none"), stack) is None
        given = settings(tmp_path, GATEWAY_DATABASE__URL="env:DB", DB="postgresql://u:p@h/d")
        assert "postgresql://u:p@h/d" == await conninfo(given, stack)
        with pytest.raises(Unopened, match=r"database.url.*DB is not set"):
            await conninfo(settings(tmp_path, GATEWAY_DATABASE__URL="env:DB"), stack)


@pytest.mark.parametrize(
    ("loaded", "held", "said"),
    [
        (False, [], (False, "no catalog is loaded")),
        (True, [b"x"], (False, "the spool is full")),
        (True, [], (True, "")),
    ],
)
def test_when_a_worker_isready(loaded: bool, held: list[bytes], said: tuple[bool, str]) -> None:
    """With a catalog and room to write; neither a database nor a control process is asked."""
    recorder = SimpleNamespace(held=len(deque(held)))
    assert said == ready(SimpleNamespace(loaded=loaded), recorder)  # type: ignore[arg-type]
