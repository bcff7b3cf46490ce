"""Starts that can't work say why, and end with the documented code."""

from __future__ import annotations

import socket
import subprocess

BROKEN = """\
[server]
drain_seconds = -1
wrokers = 2

[[accounts]]
id = "a"
provider = "openai"
credential = "sk-written-out"
pool = "openai"

[[models]]
name = "m"
targets = [{ pool = "opnai", model = "gpt" }]

[database]
url = "mysql://"
"""


def test_an_address_in_use_is_named(start):
    """The message names the address; exit code 1."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for variable in ("GATEWAY_SERVER__DATA_BIND", "GATEWAY_SERVER__ADMIN_BIND"):
            gateway = start("gateway", **{variable: address})
            assert gateway.ended() == 1
            assert address in gateway.err
            assert "in use" in gateway.err
            assert "Traceback" not in gateway.err


def test_a_broken_configuration_is_told_by_line(start, tmp_path):
    """Every problem with file and line, a written-out secret without its text; exit code 1, of check and of serve."""
    file = tmp_path / "g.toml"
    file.write_text(BROKEN)
    for command in ("check", "serve"):
        gateway = start("gateway", command, "--config", str(file), GATEWAY_DATABASE__URL="")
        assert gateway.ended() == 1
        problems = gateway.err.splitlines()
        assert sorted(int(line.split(":")[1]) for line in problems) == [2, 3, 8, 13, 16]
        assert all(line.startswith(f"{file}:") for line in problems)
        assert "did you mean 'openai'" in gateway.err
        assert "written-out" not in gateway.err


def test_what_cannot_be_read_is_code_2(start, tmp_path):
    """No such file, a folder, and what is no TOML: exit code 2 and the file's name."""
    (tmp_path / "no.toml").write_text("[server\n")
    for name in ("missing.toml", "", "no.toml"):
        gateway = start("gateway", "--config", str(tmp_path / name))
        assert gateway.ended() == 2
        assert str(tmp_path / name).rstrip("/") in gateway.err
        assert "Traceback" not in gateway.err


def test_a_wrong_command_line_is_code_2(start):
    """An unknown option is refused with the usage."""
    gateway = start("gateway", "serve", "--port", "1")
    assert gateway.ended() == 2
    assert "usage:" in gateway.err


def test_an_unknown_environment_name_is_refused(start):
    """A variable that leads nowhere is an error that shows the nearest name; exit code 1."""
    gateway = start("gateway", GATEWAY_SERVER__DATA_BINDD="127.0.0.1:0")
    assert gateway.ended() == 1
    assert "GATEWAY_SERVER__DATA_BINDD: there is no such key; did you mean GATEWAY_SERVER__DATA_BIND?" in gateway.err


def test_the_admin_pages_are_not_opened_to_other_machines_without_a_token(start):
    """An admin listener beyond loopback needs a token; exit code 1."""
    gateway = start("gateway", GATEWAY_SERVER__ADMIN_BIND="0.0.0.0:0")
    assert gateway.ended() == 1
    assert "GATEWAY_ADMIN_TOKEN" in gateway.err


def test_an_unusable_data_folder_is_named(start, tmp_path):
    """A data folder that can't be made is told in a line, by serve and by seal; exit code 1."""
    (tmp_path / "file").write_text("no folder")
    there = tmp_path / "file" / "data"
    for command in ("serve", "seal"):
        gateway = start("gateway", command, options={"stdin": subprocess.PIPE}, GATEWAY_DATA_DIR=str(there))
        gateway.process.stdin.write(b"sk-secret")
        gateway.process.stdin.close()
        assert gateway.ended() == 1
        assert str(there) in gateway.err
        assert len(gateway.err.splitlines()) == 1
