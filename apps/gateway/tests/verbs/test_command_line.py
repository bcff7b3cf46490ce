from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llmgw_admin.api.resources import RESOURCES

VERBS = ("list", "get", "create", "patch", "delete")


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.kind)
def test_every_kind_has_every_verb(command: Any, resource: Any) -> None:
    """And each explains itself."""
    for verb in (*VERBS, "set", *resource.switches):
        said = command(resource.plural, verb, "--help")
        assert (0, True) == (said.code, "--admin-url" in said.out)


def test_where_nothing_listens(command: Any) -> None:
    """Exit code 3, and what to do, on standard error alone."""
    said = command("accounts", "list", "--admin-url", "http://127.0.0.1:9")
    assert (3, "", True) == (said.code, said.out, "gateway serve" in said.err)


def test_without_a_token_it_is_said_where_one_would_be(gateway: Any, environ: dict[str, str]) -> None:
    """Exit code 1 and the gateway's refusal, with what this machine knows of tokens."""
    del environ["GATEWAY_ADMIN_TOKEN"]
    said = gateway("accounts", "list")
    assert (1, "", True) == (
        said.code,
        said.out,
        "owner.token" in said.err and "GATEWAY_ADMIN_TOKEN is not set" in said.err,
    )


def test_a_wrong_token_is_not_repeated(gateway: Any, environ: dict[str, str]) -> None:
    """Only where it came from is said."""
    environ["GATEWAY_ADMIN_TOKEN"] = "gwa-canary"
    said = gateway("accounts", "list")
    assert (1, False, True) == (said.code, "canary" in said.err, "the value of GATEWAY_ADMIN_TOKEN" in said.err)


def test_a_configuration_that_can_not_be_read_is_exit_code_2(command: Any) -> None:
    """As for every command."""
    assert 2 == command("accounts", "list", "--config", "none.toml").code


def test_the_documented_commands_work(gateway: Any, running: Any) -> None:
    """Each line of the documentation's first block, in its order, does what it is there for."""
    running.requests.tell("0199a3c4-5d1e-7b2a-9c3d-4e5f60718293", 100.0)
    text = (Path(__file__).parents[4] / "docs" / "admin-api.md").read_text()
    lines = [line for line in text.split("```")[1].splitlines() if line.startswith("gateway ")]
    said = {line: gateway(*shlex.split(line, comments=True)[1:]) for line in lines}
    assert (15, {}) == (len(lines), {line: (done.code, done.err) for line, done in said.items() if done.code})


def test_a_process_of_its_own(running: Any) -> None:
    """The installed command, from its arguments to its exit code, with nothing but its environment."""
    environ = {"GATEWAY_ADMIN_URL": running.url, "GATEWAY_ADMIN_TOKEN": running.owner, "HOME": "/nowhere"}
    line = [
        sys.executable,
        "-c",
        "import sys; from llmgw_gateway.cli import main; sys.exit(main())",
        "accounts",
        "list",
    ]
    done = subprocess.run(line, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert (0, "", True) == (done.returncode, done.stderr, "filed" in done.stdout)
