"""The servers that tests run against: they come up, die, lag, fill up and change places as tests ask of them."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from llmgw_postgres._processes import processes_of
from llmgw_postgres.testing import Server, free_port, has_mounts


def test_a_server_is_there_in_the_block_and_nothing_of_it_after():
    """It takes connections over its socket, and leaves neither a process nor a folder."""
    with Server() as server:
        assert [(1,)] == server.execute("SELECT 1")
        assert [("UTF8",)] == server.execute("SHOW server_encoding")
    assert [] == processes_of(server.cluster)
    assert not server.folder.exists()


def test_what_was_committed_survives_every_way_to_stop():
    """A fast stop, an immediate one and SIGKILL keep what was committed, and the address stays the same."""
    with Server(tcp=True) as server:
        address = server.conninfo
        server.execute("CREATE TABLE t (n int)")
        for number, stop in enumerate((server.stop, lambda: server.stop("immediate"), server.kill)):
            server.execute(f"INSERT INTO t VALUES ({number})")
            stop()
            assert not server.running
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(address)
            server.start()
        assert [(0,), (1,), (2,)] == server.execute("SELECT n FROM t ORDER BY n")


def test_a_frozen_server_answers_when_it_is_thawed():
    """A statement sent to a frozen server gets no answer until it is thawed, then the right one."""
    with Server() as server, ThreadPoolExecutor() as threads, psycopg.connect(server.conninfo) as connection:
        server.freeze()
        answer = threads.submit(lambda: connection.execute("SELECT 1").fetchall())
        with pytest.raises(TimeoutError):
            answer.result(timeout=0.1)
        server.thaw()
        assert [(1,)] == answer.result(timeout=10)


def test_a_replica_lags_when_told_and_takes_over_without_what_it_missed():
    """Paused streaming loses what comes after it at a promotion; the new primary has a timeline of its own."""
    with Server() as primary, Server.replica_of(primary) as replica:
        primary.execute("CREATE TABLE t (n int)")
        primary.execute("INSERT INTO t VALUES (1)")
        replica.catch_up()
        replica.pause_streaming()
        primary.execute("INSERT INTO t VALUES (2)")
        primary.kill()
        replica.promote()
        replica.execute("INSERT INTO t VALUES (3)")
        assert [(1,), (3,)] == replica.execute("SELECT n FROM t ORDER BY n")
        assert [("00000002",)] == replica.execute("SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)")


def test_a_paused_replica_catches_up_when_it_is_resumed():
    """Neither pause loses anything for a replica that goes on: it ends with all that its primary has."""
    with Server() as primary, Server.replica_of(primary) as replica:
        primary.execute("CREATE TABLE t (n int)")
        replica.catch_up()
        for number, (pause, resume) in enumerate(
            ((replica.pause_streaming, replica.resume_streaming), (replica.pause_replay, replica.resume_replay))
        ):
            pause()
            primary.execute(f"INSERT INTO t VALUES ({number})")
            with pytest.raises(TimeoutError):
                replica.catch_up(timeout=0.1)
            resume()
            replica.catch_up()
        assert [(0,), (1,)] == replica.execute("SELECT n FROM t ORDER BY n")


def test_a_commit_waits_for_a_synchronous_replica():
    """With a synchronous replica away a commit is not confirmed; with it back it is."""
    with Server() as primary, Server.replica_of(primary, synchronous=True) as replica:
        primary.execute("CREATE TABLE t (n int)")
        replica.stop()
        with ThreadPoolExecutor() as threads:
            commit = threads.submit(primary.execute, "INSERT INTO t VALUES (1)")
            with pytest.raises(TimeoutError):
                commit.result(timeout=0.2)
            replica.start()
            commit.result(timeout=10)
        replica.catch_up()
        assert [(1,)] == replica.execute("SELECT n FROM t")


@pytest.mark.skipif(not has_mounts(), reason="needs the right to mount a file system")
def test_a_full_disk_refuses_writes_and_is_well_again_with_room():
    """Writes to a full disk fail with PostgreSQL's own error, and succeed once there is room."""
    with Server(disk_bytes=120 << 20) as server:
        server.execute("CREATE TABLE t (body text)")
        server.fill_disk(leave=1 << 20)
        with pytest.raises(psycopg.errors.DiskFull):
            server.execute("INSERT INTO t SELECT repeat(md5(i::text), 100) FROM generate_series(1, 20000) i")
        server.empty_disk()
        server.execute("INSERT INTO t VALUES ('room')")
        assert [("room",)] == server.execute("SELECT body FROM t")


def test_a_free_port_is_one_that_nobody_has_and_the_system_gives_to_nobody():
    """Each of many is another one; one that is taken is passed over, and those for connections lie above."""
    found = [free_port() for _ in range(500)]
    assert 500 == len(set(found))
    with socket.create_server(("127.0.0.1", found[0])):
        assert found[0] not in [free_port() for _ in range(1000)]
    with socket.create_server(("127.0.0.1", 0)) as given:
        assert max(found) < given.getsockname()[1]
