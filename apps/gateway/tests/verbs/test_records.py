from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from llmgw_gateway.verbs import client

ACCOUNT = ("accounts", "create", "a", "--provider", "openai", "--pool", "p", "--credential", "env:K")


def test_an_account_from_its_creation_to_its_deletion(gateway: Any) -> None:
    """Every verb does what it says, and says what it did."""
    made = gateway(*ACCOUNT, "--max-concurrency", "7")
    assert (0, "") == (made.code, made.err)
    assert [["id", "a"], ["provider", "openai"], ["max_concurrency", "7"]] == [
        row for row in made.rows if row[0] in ("id", "provider", "max_concurrency")
    ]
    assert [
        ["ID", "PROVIDER", "POOL", "STATE", "MAX", "CONCURRENCY", "ORIGIN"],
        ["a", "openai", "p", "ready", "7", "log"],
        ["filed", "openai", "filed", "ready", "-", "file"],
    ] == (gateway("accounts", "list").rows)
    assert "draining" in gateway("accounts", "drain", "a").out
    assert "draining" == gateway("accounts", "list").rows[1][3]
    assert (0, 0) == (gateway("accounts", "undrain", "a").code, gateway("accounts", "disable", "a").code)
    assert "disabled" == gateway("accounts", "list").rows[1][3]
    assert 0 == gateway("accounts", "enable", "a").code
    assert 0 == gateway("accounts", "disable", "a", "--reason", "moved").code
    assert ["disabled:", "moved"] == gateway("accounts", "list").rows[1][3:5]
    assert 0 == gateway("accounts", "enable", "a").code
    assert 3 == gateway("accounts", "set", "a", "--max-concurrency", "3", "--json").json["max_concurrency"]
    assert None is gateway("accounts", "patch", "a", "--unset", "max-concurrency", "--json").json["max_concurrency"]
    assert "account a: deleted\n" == gateway("accounts", "delete", "a").out
    gone = gateway("accounts", "get", "a")
    assert (1, "", "There is no account 'a'.\n") == (gone.code, gone.out, gone.err)


def test_lists_and_tables_have_short_forms(gateway: Any) -> None:
    """Targets as name=value, several times; lists with commas; both as TOML and JSON too."""
    gateway(*ACCOUNT)
    made = gateway(
        "models",
        "create",
        "openai/gpt",
        "--targets",
        "pool=p,model=x",
        "--targets",
        "pool=p,model=y,priority=2",
        "--json",
    )
    targets = [(t["pool"], t["model"], t["priority"]) for t in made.json["targets"]]
    assert ("openai/gpt", [("p", "x", 1), ("p", "y", 2)]) == (made.json["name"], targets)
    assert [["p/x,", "p/y", "(priority", "2)"]] == [row[1:5] for row in gateway("models", "list").rows[1:]]
    toml = gateway(
        "models",
        "set",
        "openai/gpt",
        "--targets",
        '[{ pool = "p", model = "z" }]',
        "--deadlines",
        "gap_seconds=30",
        "--json",
    )
    assert (["z"], 30.0) == ([t["model"] for t in toml.json["targets"]], toml.json["deadlines"]["gap_seconds"])
    policy = gateway(
        "policies", "create", "narrow", "--models", "openai/*,sim/gpt", "--hide-accounts", "TRUE", "--json"
    )
    assert (["openai/*", "sim/gpt"], True) == (policy.json["models"], policy.json["hide_accounts"])
    assert 0 == gateway("models", "delete", "openai/gpt").code


def test_a_key_is_shown_once(gateway: Any) -> None:
    """Its text is printed when it is made, with the advice to keep it, and never again."""
    made = gateway("keys", "create", "--name", "ci")
    [secret] = re.findall(r"^secret +(gw-\S+)$", made.out, re.M)
    assert "shown this once" in made.out
    record_id = dict(row for row in made.rows if len(row) == 2)["id"]
    again = gateway("keys", "get", record_id).out + gateway("keys", "list", "--json").out
    assert (True, False) == ("ci" in again, secret in again)


def test_a_secret_comes_from_standard_input(gateway: Any) -> None:
    """`-` reads it; in the clear it is refused before anything is sent, and is not repeated."""
    account = ("accounts", "create", "b", "--provider", "openai", "--pool", "p", "--credential")
    assert 0 == gateway(*account, "-", stdin="sk-canary\n").code
    refused = gateway(*account, "sk-canary")
    assert (2, False, True) == (refused.code, "sk-canary" in refused.err, "standard input" in refused.err)
    assert 2 == gateway(*account, "-", stdin="").code


def test_fields_of_a_file(gateway: Any, tmp_path: Path) -> None:
    """A TOML or JSON document gives fields, options stand over it."""
    (tmp_path / "a.toml").write_text('provider = "openai"\npool = "p"\ncredential = "env:K"\n')
    made = gateway("accounts", "create", "t", "--file", str(tmp_path / "a.toml"), "--pool", "q", "--json")
    assert ("openai", "q") == (made.json["provider"], made.json["pool"])
    document = '{"provider": "openai", "pool": "p", "credential": "env:K"}'
    assert 0 == gateway("accounts", "create", "j", "--file", "-", stdin=document).code
    assert 2 == gateway("accounts", "create", "n", "--file", "-", stdin="{").code
    assert 2 == gateway("accounts", "create", "n", "--file", str(tmp_path / "none")).code


def test_a_version_can_be_insisted_on(gateway: Any) -> None:
    """A record that was changed since is left alone."""
    version = gateway(*ACCOUNT, "--json").json["version"]
    assert 0 == gateway("accounts", "set", "a", "--weight", "2", "--if-version", version).code
    late = gateway("accounts", "delete", "a", "--if-version", version)
    assert (1, True) == (late.code, "changed since" in late.err)


def test_a_dry_run_changes_nothing(gateway: Any) -> None:
    """It says what would differ."""
    gateway(*ACCOUNT)
    tried = gateway(
        "accounts", "create", "x", "--provider", "openai", "--pool", "p", "--credential", "env:K", "--dry-run"
    )
    assert (0, True) == (tried.code, "account/x" in tried.out)
    assert 0 == gateway("accounts", "set", "a", "--weight", "3", "--dry-run").code
    assert 0 == gateway("accounts", "delete", "a", "--dry-run").code
    assert [("a", 1.0), ("filed", 1.0)] == [(r["id"], r["weight"]) for r in gateway("accounts", "list", "--json").json]


def test_a_long_list_is_whole(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list follows its pages to the end, or to the limit, and goes on after an id."""
    monkeypatch.setattr(client, "PAGE", 2)
    for n in range(5):
        gateway("policies", "create", f"p{n}")

    def ids(*options: str) -> list[str]:
        return [
            record["id"] for record in gateway("policies", "list", "--json", *options).json if record["id"] != "default"
        ]

    assert ["p0", "p1", "p2", "p3", "p4"] == ids()
    assert (["p1", "p2", "p3"], []) == (ids("--after", "p0", "--limit", "3"), ids("--after", "p4"))


def test_an_empty_list_says_so(gateway: Any) -> None:
    """Not an empty table; in JSON an empty list."""
    assert ("no prices\n", []) == (gateway("prices", "list").out, gateway("prices", "list", "--json").json)


@pytest.mark.parametrize(
    "arguments",
    [
        ("accounts",),
        ("accounts", "list", "--limit", "0"),
        ("accounts", "list", "--limit", "x"),
        ("accounts", "patch", "a"),
        ("accounts", "create", "a", "--max-concurrency", "many"),
        ("models", "create", "m", "--targets", "p/x"),
        ("models", "create", "m", "--targets", "pol=p"),
        ("models", "drain", "m"),
        ("accounts", "rename", "a"),
    ],
)
def test_wrong_usage_is_exit_code_2(gateway: Any, arguments: tuple[str, ...]) -> None:
    """Nothing is sent, and what would be right is said."""
    said = gateway(*arguments)
    assert (2, "", True) == (said.code, said.out, bool(said.err))


def test_a_viewer_is_told_what_its_role_may_not(gateway: Any, environ: dict[str, str], running: Any) -> None:
    """The gateway's own words, on standard error."""
    environ["GATEWAY_ADMIN_TOKEN"] = running.viewer
    said = gateway(*ACCOUNT)
    assert (1, "", True) == (said.code, said.out, "viewer" in said.err)
    assert 0 == gateway("accounts", "list").code
