"""The control plane: opened over what is on the disk, with a real database and without one."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from psycopg.conninfo import make_conninfo

from llmgw_control import AccountRecord, Records, Refused
from llmgw_control.views import SYSTEM
from llmgw_domain import Event
from llmgw_gateway.config import Settings, load
from llmgw_gateway.control_plane import ControlPlane, Unopened, open_control_plane
from llmgw_gateway.home import keyring
from llmgw_gateway.keyring import PREVIOUS_FILE, PREVIOUS_VARIABLE, make_keyring, rotate
from llmgw_gateway.node import Node
from llmgw_gateway.sealing import FILE_NAME, PREFIX, key_id_of
from llmgw_postgres.testing import Server

ACCOUNT = {"provider": "openai", "pool": "p", "credential": "sk-secret-canary"}
FILE = Records(accounts=(AccountRecord(id="filed", provider="openai", pool="f", credential="env:UP"),))


def settings(folder: Path) -> Settings:
    environ = {
        "GATEWAY_DATA_DIR": str(folder),
        "GATEWAY_DATABASE__URL": "none",
        "GATEWAY_SPOOL__MAX_BYTES": "4194304",
        "GATEWAY_SPOOL__SEGMENT_BYTES": "262144",
        "UP": "sk-up",
    }
    return load(None, environ)


@asynccontextmanager
async def plane(
    folder: Path, conninfo: str | None = None, node: str = "n", records: Records = FILE
) -> AsyncIterator[ControlPlane]:
    spread: list[Event] = []

    async def spreads(events: Sequence[Event]) -> None:
        spread.extend(events)

    async with open_control_plane(settings(folder), Node(node, 1), records, conninfo, spread=spreads) as opened:
        yield opened


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


def sealed_texts(opened: ControlPlane) -> list[str]:
    """Every sealed text of the state."""
    fields = [record.fields for kind in opened.replica.map.kinds() for record in opened.replica.map.records(kind)]
    return re.findall(rf"{PREFIX}[^\"]+", msgspec.json.encode(fields).decode())


def accounts(opened: ControlPlane) -> list[str]:
    return [*opened.current().accounts]


async def until(condition: object) -> None:
    async with asyncio.timeout(15):
        while not condition():  # type: ignore[operator]  # noqa: ASYNC110 - other tasks make it so
            await asyncio.sleep(0.01)


async def test_what_is_administered_is_there_after_a_restart(tmp_path: Path) -> None:
    """Without a database: from the snapshot, and from the journal alone where there is none yet."""
    keyring(settings(tmp_path))
    async with plane(tmp_path) as first:
        first.administration.create("account", "made", ACCOUNT, SYSTEM)
        assert ["filed", "made"] == accounts(first)
    (tmp_path / "state.snapshot").unlink()
    async with plane(tmp_path) as second:
        assert ["filed", "made"] == accounts(second)
        assert first.current().version == second.current().version
    async with plane(tmp_path) as third:
        third.administration.delete("account", "made", SYSTEM)
    async with plane(tmp_path) as fourth:
        assert ["filed"] == accounts(fourth)


async def test_a_wrong_master_key_opens_nothing(tmp_path: Path) -> None:
    """It names both keys, and leaves every file as it was; so does a missing one."""
    keyring(settings(tmp_path))
    async with plane(tmp_path) as opened:
        opened.administration.create("account", "made", ACCOUNT, SYSTEM)
    before = (tmp_path / "state.snapshot").read_bytes()
    key = (tmp_path / FILE_NAME).read_text()
    (tmp_path / FILE_NAME).unlink()
    with pytest.raises(Unopened, match=r"there is no master key.*Nothing was changed"):
        async with plane(tmp_path):
            pass
    with pytest.raises(Unopened, match=r"is sealed, and there is no master key"):
        keyring(settings(tmp_path))
    assert not (tmp_path / FILE_NAME).exists()
    other = make_keyring(tmp_path).current.id
    with pytest.raises(Unopened, match=rf"master key here is {other}"):
        async with plane(tmp_path):
            pass
    assert before == (tmp_path / "state.snapshot").read_bytes()
    (tmp_path / FILE_NAME).write_text(key)
    async with plane(tmp_path) as opened:
        assert ["filed", "made"] == accounts(opened)


async def test_a_rotation_seals_anew_at_the_next_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Credentials of one part and of several, and the secret of sessions; then the previous key can go. Without it
    before that, nothing opens.
    """
    keyring(settings(tmp_path))
    aws = {"access_key_id": "AKIA", "secret_access_key": "secret-canary-2"}
    async with plane(tmp_path) as opened:
        opened.administration.create("account", "made", ACCOUNT, SYSTEM)
        bedrock = {"provider": "bedrock", "pool": "aws", "region": "us-east-1", "credential": aws}
        opened.administration.create("account", "aws", bedrock, SYSTEM)
        await asyncio.sleep(0.05)
        session = opened.administration.session_secret().reveal()
    ring = rotate(tmp_path)
    old = (tmp_path / PREVIOUS_FILE).read_text()
    (tmp_path / PREVIOUS_FILE).unlink()
    with pytest.raises(Unopened, match=PREVIOUS_VARIABLE):
        async with plane(tmp_path):
            pass
    (tmp_path / PREVIOUS_FILE).write_text(old)
    async with plane(tmp_path) as opened:
        await until(lambda: [r.records for r in caplog.records if r.message == "sealed anew"] == [3])
    (tmp_path / PREVIOUS_FILE).unlink()
    async with plane(tmp_path) as opened:
        assert ["aws", "filed", "made"] == sorted(accounts(opened))
        assert session == opened.administration.session_secret().reveal()
        assert {ring.current.id} == {key_id_of(sealed) for sealed in sealed_texts(opened)}


async def test_a_rotation_reaches_every_node_of_a_database(tmp_path: Path, server: Server) -> None:
    """The one that starts with the new key seals for all; a node with neither key says what is wrong, and writes
    nothing.
    """
    server.execute("CREATE DATABASE rotated")
    conninfo = make_conninfo(server.conninfo, dbname="rotated")
    keyring(settings(tmp_path / "a"))
    async with plane(tmp_path / "a", conninfo, "a") as a:
        await until(a.steward.caught_up.is_set)
        a.administration.create("account", "made", ACCOUNT, SYSTEM)
        await until(lambda: a.feeder.backlog() == 0)
    ring = rotate(tmp_path / "a")
    (tmp_path / "b").mkdir()
    for name in (FILE_NAME, PREVIOUS_FILE):
        (tmp_path / "b" / name).write_bytes((tmp_path / "a" / name).read_bytes())
    async with plane(tmp_path / "b", conninfo, "b") as b:
        await until(lambda: {ring.current.id} == {key_id_of(sealed) for sealed in sealed_texts(b)})
    (tmp_path / "c").mkdir()
    keyring(settings(tmp_path / "c"))
    async with plane(tmp_path / "c", conninfo, "c") as c:
        await until(c.steward.caught_up.is_set)
        await asyncio.sleep(0.1)
        assert {ring.current.id} == {key_id_of(sealed) for sealed in sealed_texts(c)}
        assert "c" not in {record.incarnation[1] for record in c.replica.map.records("secret")}


async def test_two_nodes_share_what_is_administered(tmp_path: Path, server: Server) -> None:
    """Through the log: both serve the same, also what the other one deleted."""
    key = keyring(settings(tmp_path / "a"))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / FILE_NAME).write_bytes((tmp_path / "a" / FILE_NAME).read_bytes())
    async with plane(tmp_path / "a", server.conninfo, "a") as a, plane(tmp_path / "b", server.conninfo, "b") as b:
        a.administration.create("account", "one", ACCOUNT, SYSTEM)
        b.administration.create("account", "two", ACCOUNT, SYSTEM)
        await until(lambda: accounts(a) == accounts(b) == ["filed", "one", "two"])
        a.administration.delete("account", "two", SYSTEM)
        await until(lambda: accounts(a) == accounts(b) == ["filed", "one"])
        assert a.current().version == b.current().version
        assert key.ids
    # A third one, whose folder is new, has it all from the log.
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / FILE_NAME).write_bytes((tmp_path / "a" / FILE_NAME).read_bytes())
    async with plane(tmp_path / "c", server.conninfo, "c") as c:
        await until(lambda: accounts(c) == ["filed", "one"])


async def test_the_credential_is_in_no_file(tmp_path: Path) -> None:
    """Only sealed: neither the journal nor the snapshot has it."""
    keyring(settings(tmp_path))
    async with plane(tmp_path) as opened:
        opened.administration.create("account", "made", ACCOUNT, SYSTEM)
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "ballast"]
    assert len(files) > 3
    assert [] == [path.name for path in files if b"secret-canary" in path.read_bytes()]


async def test_a_file_that_is_refused_leaves_what_was_served(tmp_path: Path) -> None:
    """Each reason is told."""
    async with plane(tmp_path) as opened:
        wrong = Records(accounts=(AccountRecord(id="x", provider="nobody", pool="p"),))
        with pytest.raises(Refused, match="nobody"):
            opened.lay(wrong, "g.toml")
        assert ["filed"] == accounts(opened)


async def test_a_disk_without_room_refuses_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has happened then."""
    from llmgw_control.refusal import NotWritable
    from llmgw_eventstore.spool import SpoolFull

    async with plane(tmp_path) as opened:

        def full(*_: object, **__: object) -> None:
            raise SpoolFull("no room")

        monkeypatch.setattr(opened.journal, "append", full)
        with pytest.raises(NotWritable):
            opened.administration.create("policy", "p", {}, SYSTEM)
        assert "p" not in opened.current().policies


async def test_nodes_that_exchange_their_spools_agree(tmp_path: Path, server: Server) -> None:
    """Each with a database of its own, and no word between them while both administer the same ids. Then each is given
    the other's journal, as files: both serve the same, what either deleted stays deleted, and can be made again."""
    databases = {}
    for name in ("a", "b"):
        server.execute(f"CREATE DATABASE apart_{name}")
        databases[name] = make_conninfo(server.conninfo, dbname=f"apart_{name}")
    keyring(settings(tmp_path / "a"))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / FILE_NAME).write_bytes((tmp_path / "a" / FILE_NAME).read_bytes())
    async with plane(tmp_path / "a", databases["a"], "a") as a, plane(tmp_path / "b", databases["b"], "b") as b:
        for node in (a, b):
            node.administration.create("account", "both", ACCOUNT, SYSTEM)
            node.administration.create("key", "shared", {}, SYSTEM)
        a.administration.patch("account", "both", {"max_concurrency": 5}, SYSTEM)
        b.administration.delete("account", "both", SYSTEM)
        a.administration.delete("key", "shared", SYSTEM)
        b.administration.create("account", "of-b", ACCOUNT, SYSTEM)
        # Each makes a secret of sessions once it has read its log; made later, it would be in one journal alone.
        await until(lambda: all(node.replica.map.get("secret", "session") for node in (a, b)))
        await until(lambda: a.feeder.backlog() == b.feeder.backlog() == 0)
    for here, there in (("a", "b"), ("b", "a")):
        shutil.copytree(tmp_path / here / "spool" / "control", tmp_path / there / "spool" / f"control-of-{here}")
        (tmp_path / there / "spool" / f"control-of-{here}" / "mark").unlink(missing_ok=True)
    async with plane(tmp_path / "a", databases["a"], "a") as a, plane(tmp_path / "b", databases["b"], "b") as b:
        await until(lambda: a.replica.map.digest() == b.replica.map.digest())
        await until(lambda: a.current().version == b.current().version)
        # The later of two incarnations stays with what was done to it alone: B made its account later, and deleted it.
        assert ["filed", "of-b"] == accounts(a)
        held = {kind: sorted(a.replica.ids(kind)) for kind in ("account", "key")}
        assert held == {kind: sorted(b.replica.ids(kind)) for kind in ("account", "key")}
        a.administration.create("account", "both", {**ACCOUNT, "pool": "again"}, SYSTEM)
        assert ["both", "filed", "of-b"] == accounts(a)
    # The old journals once more: nothing comes back, and nothing that was made since goes.
    for folder in ("a", "b"):
        for mark in (tmp_path / folder / "spool").glob("control*/mark"):
            mark.unlink()
    async with plane(tmp_path / "a", databases["a"], "a") as a:
        await until(lambda: a.database.prepared.is_set() and a.feeder.backlog() == 0)
        assert ["both", "filed", "of-b"] == accounts(a)
        assert "again" == a.current().accounts["both"].pool
