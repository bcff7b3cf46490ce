"""Secrets through the whole product: in plain only where they are given out, and safe from a wrong master key."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from llmgw_gateway.sealing import FILE_NAME

from .conftest import CLIENT_KEY, COMMANDS, Node, Simulated, ask, rows, until

CREDENTIAL = "sk-canary-credential-0123456789"
PART = "canary-part-of-aws-keys-0123456789"


def verb(node: Node, *arguments: str) -> str:
    """What a command prints, wherever it prints it."""
    environ = {
        "PATH": os.environ["PATH"],
        "GATEWAY_ADMIN_URL": f"http://127.0.0.1:{node.admin}",
        "GATEWAY_DATA_DIR": str(node.data_dir),
    }
    ran = subprocess.run(
        [COMMANDS / "gateway", *arguments], env=environ, cwd=node.folder, capture_output=True, timeout=20, check=False
    )
    return (ran.stdout + ran.stderr).decode()


def tables(conninfo: str) -> str:
    """Every row of every table of the gateway, as text."""
    names = rows(conninfo, "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'llmgw'")
    assert len(names) > 5
    # The log's bodies are bytes, which text shows in hexadecimal; 'escape' shows what can be read.
    readable = make_conninfo(conninfo, options="-c bytea_output=escape")
    return "\n".join(str(rows(readable, f"SELECT t::text FROM {name} t")) for (name,) in names)


def files_with(folder: Path, texts: list[str]) -> list[str]:
    """Files below `folder` that hold one of the texts; those that are the secrets' own home left out."""
    homes = {FILE_NAME, "owner.token", "ballast"}
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in homes:
            content = path.read_bytes()
            found += [f"{path.name}: {text[:12]}" for text in texts if text.encode() in content]
    return found


def test_no_secret_is_anywhere_in_plain(simulated: Callable[..., Simulated], node: Callable[..., Node]) -> None:
    """Credentials, the texts of keys and tokens: not in answers, but that which makes them, the log, the metrics, what
    commands print, the database, its files, the spools and the snapshot.
    """
    simulator = simulated()
    gateway = node(simulator.url, workers=1)
    gateway.start()
    gateway.ready()
    account = {"id": "canary", "provider": "openai", "pool": "canary", "credential": CREDENTIAL}
    aws = {"access_key_id": "AKIACANARY", "secret_access_key": PART}
    bedrock = {"id": "aws", "provider": "bedrock", "pool": "aws", "region": "us-east-1", "credential": aws}
    answers = [
        gateway.command("POST", "accounts", {**account, "base_url": f"{simulator.url}/v1"}),
        gateway.command("POST", "accounts", bedrock),
        gateway.command("POST", "models", {"name": "canary", "targets": [{"pool": "canary", "model": "bad"}]}),
        gateway.command("POST", "accounts", {**account, "id": "refused", "provider": "nobody"}),
        gateway.command("PATCH", "accounts/canary", {"credential": {"secret_access_key": PART}}),
    ]
    assert [201, 201, 201, 400, 400] == [answer.status for answer in answers], answers
    key = gateway.command("POST", "keys", {"id": "canary-key"}).json()["secret"]
    token = gateway.command("POST", "tokens", {"id": "canary-token", "role": "viewer"}).json()["secret"]
    body = {"model": "canary", "messages": [{"role": "user", "content": "hi"}]}
    headers = {"authorization": f"Bearer {CLIENT_KEY}"}

    def called() -> int:
        answers.append(ask(gateway.data, "POST", "/v1/chat/completions", body, headers))
        return answers[-1].status

    until(lambda: called() == 200, 5)
    ask(simulator.port, "POST", "/_sim/faults", {"status": 401, "times": 1})
    called()
    answers += [gateway.command("GET", path) for path in ("accounts", "keys", "tokens", "events?limit=500", "catalog")]
    owner = (gateway.data_dir / "owner.token").read_text().strip()
    answers += [
        ask(gateway.admin, "GET", path, None, {"authorization": f"Bearer {owner}"}) for path in ("/", "/metrics")
    ]
    # The canary did come to the provider: what is looked for is what is used.
    assert CREDENTIAL in {entry["credential"] for entry in simulator.look().values()}
    until(lambda: gateway.spooled() == 0, 20)
    said = [answer.body.decode() for answer in answers]
    said += [verb(gateway, *line) for line in (("accounts", "list"), ("keys", "list", "--json"), ("events",))]
    said += [tables(gateway.conninfo), (gateway.folder / "log").read_text()]
    assert "canary" in said[-2]
    secrets = [CREDENTIAL, PART, key, token, owner]
    assert [] == [(text[:12], each[:80]) for each in said for text in secrets if text in each]
    gateway.stop()
    assert "sealed:v1:" in (gateway.data_dir / "state.snapshot").read_text()
    assert [] == files_with(gateway.data_dir, secrets)


@pytest.mark.parametrize("key", [None, base64.b64encode(b"9" * 32).decode()], ids=["missing", "wrong"])
def test_a_gateway_without_its_master_key_does_not_start(
    simulated: Callable[..., Simulated], node: Callable[..., Node], key: str | None
) -> None:
    """It says which key is wanted; no file of the state is another one afterwards, and no key is made."""
    simulator = simulated()
    gateway = node(simulator.url, workers=1, environ={"GATEWAY_DATABASE__URL": "none"})
    gateway.start()
    gateway.ready()
    assert gateway.command("POST", "accounts", {"id": "a", "provider": "openai", "pool": "p", "credential": CREDENTIAL})
    gateway.stop()
    path = gateway.data_dir / FILE_NAME
    right = path.read_text()
    path.unlink()
    if key is not None:
        path.write_text(key)
    before = (gateway.data_dir / "state.snapshot").read_bytes()
    gateway.start()
    until(lambda: gateway.over, 30, lambda: str(gateway.lines))
    said = (gateway.folder / "log").read_text()
    assert "sealed" in said
    assert "GATEWAY_MASTER_KEY" in said
    assert "Nothing was changed" in said
    assert before == (gateway.data_dir / "state.snapshot").read_bytes()
    assert (key or "") == (path.read_text() if path.exists() else "")
    path.write_text(right)
    gateway.start()
    gateway.ready()
    assert "a" in {each["id"] for each in gateway.command("GET", "accounts").json()["data"]}


@pytest.mark.slow
def test_a_rotation_by_command(simulated: Callable[..., Simulated], node: Callable[..., Node]) -> None:
    """`gateway rotate-master-key`, a restart, and the old key is not needed any more."""
    simulator = simulated()
    gateway = node(simulator.url, workers=1, environ={"GATEWAY_DATABASE__URL": "none"})
    gateway.start()
    gateway.ready()
    account = {
        "id": "a",
        "provider": "openai",
        "pool": "p",
        "credential": CREDENTIAL,
        "base_url": f"{simulator.url}/v1",
    }
    assert 201 == gateway.command("POST", "accounts", account).status
    assert 201 == gateway.command("POST", "models", {"name": "m", "targets": [{"pool": "p", "model": "x"}]}).status
    gateway.stop()
    old = (gateway.data_dir / FILE_NAME).read_text()
    assert "made master key" in verb(gateway, "rotate-master-key")
    gateway.start()
    gateway.ready()
    until(lambda: any(line["event"] == "sealed anew" for line in gateway.lines), 20)
    gateway.stop()
    (gateway.data_dir / "master.key.previous").unlink()
    gateway.start()
    gateway.ready()
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    assert (
        200 == ask(gateway.data, "POST", "/v1/chat/completions", body, {"authorization": f"Bearer {CLIENT_KEY}"}).status
    )
    assert CREDENTIAL in {entry["credential"] for entry in simulator.look().values()}
    assert old != (gateway.data_dir / FILE_NAME).read_text()
