"""A server runs as somebody who can do little, and whether that user reaches a folder is known before it starts."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
from pathlib import Path

import pytest

from llmgw_postgres._users import unprivileged

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="llmgw-") as made:
        yield Path(made)


@pytest.mark.skipif(os.geteuid() == 0, reason="is about a plain user")
def test_a_plain_user_stays_who_it_is(folder):
    """Without root, programs run as the caller."""
    user = unprivileged(folder)
    assert (os.geteuid(), {}) == (user.uid, user.spawn())
    assert user.enters(folder)


@as_root
def test_root_becomes_nobody(folder):
    """Programs that root starts run as an unprivileged user, with no group but its own."""
    user = unprivileged(folder)
    assert 0 != user.uid
    for flag, expected in (("-u", user.uid), ("-G", user.gid)):
        said = subprocess.run(["id", flag], capture_output=True, text=True, check=True, **user.spawn())
        assert f"{expected}\n" == said.stdout


@as_root
def test_a_folder_of_a_plain_user_is_served_as_that_user(folder):
    """A server in somebody's folder belongs to them, so that they can run it without root another day."""
    games = pwd.getpwnam("games")
    os.chown(folder, games.pw_uid, games.pw_gid)
    assert "games" == unprivileged(folder).name


@as_root
def test_a_folder_behind_a_closed_one_is_out_of_reach(folder):
    """What the user can't enter is known, and entering is possible once the way is open."""
    inner = folder / "inner"
    inner.mkdir(mode=0o755)
    user = unprivileged()
    assert not user.enters(inner)
    folder.chmod(0o711)
    assert user.enters(inner)
    inner.chmod(0o700)
    assert not user.enters(inner)


@as_root
def test_the_user_of_our_name_comes_before_nobody(monkeypatch):
    """An operator who made a user for the gateway has its server run as that one."""
    games = pwd.getpwnam("games")
    real = pwd.getpwnam
    monkeypatch.setattr(pwd, "getpwnam", lambda name: games if name == "llmgw" else real(name))
    assert "games" == unprivileged().name
