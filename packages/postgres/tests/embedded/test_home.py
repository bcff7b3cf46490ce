"""Where a server lies: found again, owned by one, left alone by the wrong ones."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess

import pytest

from llmgw_postgres._users import RunAs
from llmgw_postgres.embedded._home import SOCKET_NAME, SOCKET_PATH_BYTES, open_home
from llmgw_postgres.embedded.errors import InUse, OutOfReach

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def by_path(monkeypatch):
    """As on a system where folders can't be handed over."""
    monkeypatch.setattr(RunAs, "takes_open_folders", lambda user: False)


def test_a_home_is_made_in_the_data_folder(folder):
    """Where the way is open, everything is in the data folder, which nobody else can look into."""
    home = open_home(folder / "a" / "data", folder / "shelf")
    assert folder / "a" / "data" / "postgres" == home.folder
    assert 0 == stat.S_IMODE((folder / "a" / "data").stat().st_mode) & 0o066
    assert not (folder / "shelf").exists()
    assert home == open_home(folder / "a" / "data", folder / "shelf")


def test_the_lock_names_its_holder_and_is_free_after(folder):
    """Who comes second learns the first one's pid; when that one is through, the lock is free."""
    home = open_home(folder / "data", folder / "shelf")
    with home.owned():
        with pytest.raises(InUse) as refused, home.owned():
            pass
        assert str(os.getpid()) == refused.value.owner
    with home.owned():
        pass


@pytest.mark.parametrize("runtime", ["", "relative", "/nowhere", "{folder}/run", "{folder}/" + "long" * 40])
def test_the_sockets_folder_is_short_whatever_the_environment_says(folder, monkeypatch, runtime):
    """The path fits, also if the runtime folder is missing, wrong or too deep, and the folder is private."""
    named = runtime.format(folder=folder)
    if named.startswith(str(folder)):
        os.makedirs(named)
    monkeypatch.setenv("XDG_RUNTIME_DIR", named)
    home = open_home(folder / "data", folder / "shelf")
    made = home.make_socket_folder()
    assert SOCKET_PATH_BYTES >= len(os.fsencode(f"{made}{SOCKET_NAME}"))
    assert (0o700, home.user.uid) == (stat.S_IMODE(made.stat().st_mode), made.stat().st_uid)
    home.remove_socket_folder()
    assert not made.exists()


def test_only_a_folder_of_ours_is_removed(folder):
    """A note that leads anywhere else removes nothing."""
    home = open_home(folder / "data", folder / "shelf")
    (folder / "precious").mkdir()
    (folder / "llmgw-link").symlink_to(folder / "precious")
    for noted in (folder / "precious", folder / "llmgw-link", folder / "missing", ""):
        home.socket_note.write_text(f"{noted}\n")
        home.remove_socket_folder()
    assert (folder / "precious").is_dir()
    home.remove_socket_folder()


def test_a_link_to_nothing_is_not_taken_for_a_new_database(folder):
    """If what the link leads to is away, a gateway doesn't begin with an empty database in its place."""
    (folder / "data").mkdir()
    (folder / "data" / "postgres").symlink_to(folder / "away")
    with pytest.raises(OutOfReach, match=r"is a link to .*/away, which is not there: put the database back"):
        open_home(folder / "data", folder / "shelf")
    assert not (folder / "away").exists()


def test_a_data_folder_that_is_a_file_is_named(folder):
    """What can't be a data folder is said to be none."""
    (folder / "data").write_text("")
    with pytest.raises(OutOfReach, match=r"can't be made or opened: .*data"):
        open_home(folder / "data", folder / "shelf")


@as_root
def test_the_socket_is_not_where_the_servers_user_cannot_go(folder, monkeypatch):
    """Root's own folder for temporary files is no place for a socket of somebody else."""
    (folder / "closed").mkdir(mode=0o700)
    monkeypatch.setattr("tempfile.tempdir", str(folder / "closed"))
    home = open_home(folder / "data", folder / "shelf")
    made = home.make_socket_folder()
    assert home.user.enters(made)
    home.remove_socket_folder()


@as_root
def test_a_home_whose_way_was_closed_later_says_how_to_open_it(folder, by_path):
    """A database that root's server could reach once is not left for an empty one elsewhere."""
    (folder / "above").mkdir()
    open_home(folder / "above" / "data", folder / "shelf")
    (folder / "above").chmod(0o700)
    with pytest.raises(OutOfReach, match=r"can't enter .*/data/postgres: open the folders above it"):
        open_home(folder / "above" / "data", folder / "shelf")


@as_root
def test_a_data_folder_that_is_shared_with_a_group_stays_shared(folder, by_path):
    """An operator's group keeps its way in; the server's user gets one of its own."""
    data_dir = folder / "data"
    data_dir.mkdir()
    games = pwd.getpwnam("games")
    os.chown(data_dir, 0, games.pw_gid)
    data_dir.chmod(0o750)
    home = open_home(data_dir, folder / "shelf")
    assert (games.pw_gid, 0o751) == (data_dir.stat().st_gid, stat.S_IMODE(data_dir.stat().st_mode))
    assert home.user.enters(home.folder)


@as_root
def test_a_database_keeps_the_user_that_it_was_made_for(folder, monkeypatch):
    """Root goes on as the user that the files belong to, whoever it would choose for new ones."""
    home = open_home(folder / "data", folder / "shelf")
    home.cluster.mkdir()
    games = pwd.getpwnam("games")
    os.chown(home.cluster, games.pw_uid, games.pw_gid)
    assert "games" == open_home(folder / "data", folder / "shelf").user.name
    monkeypatch.setattr(RunAs, "takes_open_folders", lambda user: False)
    again = open_home(folder / "data", folder / "shelf")
    assert "games" == again.user.name
    assert again.user.enters(again.folder)


@as_root
def test_a_folder_behind_a_closed_one_is_handed_over(folder):
    """A program of the server's user works in a folder that it can't reach by its path."""
    (folder / "closed").mkdir(mode=0o700)
    home = open_home(folder / "closed" / "data", folder / "shelf")
    home.cluster.mkdir(mode=0o700)
    home.user.own(home.cluster)
    assert home.hands_over
    assert not home.user.enters(home.cluster)
    with home.given(["/bin/sh", "-c", 'cd "$1" && touch made', "sh", home.cluster]) as (words, how):
        subprocess.run(words, check=True, cwd="/", **how)
    assert home.user.uid == (home.cluster / "made").stat().st_uid
