"""The first minutes of a user: no configuration at all, the lines that are printed, and where secrets go."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import msgspec
import pytest


def printed(program) -> dict[str, str]:
    """What the greeting says, by its labels."""
    program.until(lambda: "data-raw" in program.out or program.out.count("curl ") == 2)
    pairs = (line.strip().split("  ", 1) for line in program.out.splitlines() if line.startswith("  "))
    return {pair[0]: pair[1].strip() for pair in pairs if len(pair) == 2}


def started_twice(start, folder, **options) -> tuple[float, float]:
    """Seconds until it is ready, with its own database: the first time, and the best of two later ones."""
    taken = []
    for _ in range(3):
        gateway = start("gateway", GATEWAY_DATABASE__URL="", GATEWAY_DATA_DIR=str(folder), **options)
        gateway.event("ready", 20)
        taken.append(time.monotonic() - gateway.began)
        gateway.terminate()
        assert gateway.ended(30) == 0
        assert (folder / "postgres").exists()
    print(f"ready after {taken[0]:.2f} s, then {', '.join(f'{each:.2f}' for each in taken[1:])} s")
    return taken[0], min(taken[1:])


@pytest.mark.alone
@pytest.mark.parametrize("where", ["data", "x" * 110 + "/data", "home/clone/data"], ids=["plain", "long", "private"])
def test_the_first_start_is_ready_in_10_s_and_the_second_in_3(start, tmp_path, where):
    """With an empty data folder and no configuration, its own PostgreSQL included; in a path of 150 characters and
    more, and below a home folder that no other user may enter."""
    folder = tmp_path / where
    folder.parent.mkdir(parents=True, exist_ok=True)
    if where.startswith("home"):
        (tmp_path / "home").chmod(0o700)
    first, second = started_twice(start, folder)
    assert first < 10
    assert second < 3


@pytest.mark.alone
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root, to become somebody else")
def test_the_first_start_as_a_plain_user(start):
    """As above: it needs no privileges. (To read an interpreter that lies in root's home it is given the right to.)"""
    nobody, reading = pwd.getpwnam("nobody"), "+dac_read_search"
    before = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    before += [f"--inh-caps={reading}", f"--ambient-caps={reading}"]
    # The tests' own folders are root's, and closed.
    with tempfile.TemporaryDirectory() as own:
        os.chown(own, nobody.pw_uid, nobody.pw_gid)
        first, second = started_twice(start, Path(own) / "data", before=before)
        assert (Path(own) / "data" / "postgres").stat().st_uid == nobody.pw_uid
    assert first < 10
    assert second < 3


def test_a_second_gateway_on_a_folder_says_so_and_leaves_it_alone(start, tmp_path):
    """The first one serves on, with its database."""
    first = start("gateway", GATEWAY_DATABASE__URL="")
    first.event("ready")
    second = start("gateway", GATEWAY_DATABASE__URL="")
    assert second.ended() == 1
    assert f"in use by another gateway (process {first.pid})" in second.err
    assert chat(first, (tmp_path / "data" / "client-key").read_text().strip(), "sim/gpt")[0] == 200


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed, and the lines to run are curl lines")
def test_the_printed_curl_lines_work_when_pasted(start):
    """The start prints the endpoint, a key, the dashboard and two curl lines, which a shell runs as they stand."""
    gateway = start("gateway", GATEWAY_PRINT_SECRETS="1")
    host, port = gateway.ready()
    said = printed(gateway)
    assert said["endpoint"] == f"http://{host}:{port}/v1"
    assert said["client key"].startswith("gw-")
    assert said["dashboard"] == f"http://{gateway.event('ready')['admin']}/"
    whole, streamed = (pasted(line) for line in gateway.out.splitlines() if line.startswith("curl "))
    answer = msgspec.json.decode(whole)
    assert "You said: Hello!" in answer["choices"][0]["message"]["content"]
    assert answer["choices"][0]["finish_reason"] == "stop"
    frames = [line for line in streamed.split("\n\n") if line]
    assert all(frame.startswith("data: ") for frame in frames)
    assert frames[-1] == "data: [DONE]"


def pasted(line: str) -> str:
    return subprocess.run(["bash", "-c", line], check=True, capture_output=True, text=True, timeout=20).stdout


def test_without_a_terminal_the_key_is_in_a_private_file_and_in_no_output(start, tmp_path):
    """The key's file has mode 0600, its path is logged, its text is not; the folder is the owner's alone."""
    gateway = start("gateway")
    gateway.ready()
    file = tmp_path / "data" / "client-key"
    gateway.until(lambda: str(file) in gateway.err)
    key = file.read_text().strip()
    assert len(key) > 30
    assert key not in gateway.out + gateway.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert chat(gateway, key, "sim/claude")[0] == 200
    assert key not in gateway.out + gateway.err


@pytest.mark.parametrize(
    ("variable", "provider", "models"),
    [("OPENAI_API_KEY", "openai", 1), ("ANTHROPIC_API_KEY", "anthropic", 1), ("GEMINI_API_KEY", "google", 1)],
)
def test_provider_keys_of_the_environment_make_accounts(start, variable, provider, models):
    """`gateway check` counts an account for each known key and does not speak of the simulator."""
    check = start("gateway", "check", **{variable: "sk-not-shown"})
    assert check.ended() == 0
    assert f"1 accounts, {models} models" in check.out
    assert "simulator" not in check.out
    assert "sk-not-shown" not in check.out + check.err


def test_without_any_provider_key_the_simulator_serves(start):
    """`gateway check` says that the simulator will serve, and which models."""
    check = start("gateway", "check")
    assert check.ended() == 0
    assert "built-in simulator will serve sim/gpt, sim/claude, sim/gemini" in check.out


def chat(gateway, key: str, model: str) -> tuple[int, bytes]:
    connection = gateway.connect()
    body = msgspec.json.encode({"model": model, "messages": [{"role": "user", "content": "Hi"}]})
    connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {key}"})
    response = connection.getresponse()
    answer = response.status, response.read()
    connection.close()
    return answer
