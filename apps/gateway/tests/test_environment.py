from __future__ import annotations

from typing import Any

import pytest

from llmgw_gateway.config import Config
from llmgw_gateway.environment import env_name, overlay
from llmgw_gateway.locate import Lines
from llmgw_gateway.problems import Origins


def merged(
    environ: dict[str, str], raw: dict[str, Any] | None = None
) -> tuple[dict[str, Any], list[str], dict[str, str]]:
    """The document with the environment over it, the problems as text, and where values came from."""
    document = raw or {}
    origins = Origins(file="g.toml", lines=Lines({}))
    problems = overlay(document, environ, Config, origins)
    return document, [str(p) for p in problems], origins.names


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("GATEWAY_SERVER__DATA_BIND", "0.0.0.0:1", {"server": {"data_bind": "0.0.0.0:1"}}),
        ("GATEWAY_SERVER__ENGINE", "uvicorn", {"server": {"engine": "uvicorn"}}),
        ("GATEWAY_SERVER__WORKERS", "0", {"server": {"workers": 0}}),
        ("GATEWAY_SERVER__DRAIN_SECONDS", "1.5", {"server": {"drain_seconds": 1.5}}),
        ("GATEWAY_SERVER__LOG_REQUESTS", "False", {"server": {"log_requests": False}}),
        ("GATEWAY_SERVER__ADMIN_HOSTS", '["a", "b"]', {"server": {"admin_hosts": ["a", "b"]}}),
        ("GATEWAY_SERVER", '{ engine = "uvicorn" }', {"server": {"engine": "uvicorn"}}),
        ("GATEWAY_ACCOUNTS__0__ID", "123", {"accounts": [{"id": "123"}]}),
        ("GATEWAY_ACCOUNTS", '[{ id = "a" }]', {"accounts": [{"id": "a"}]}),
        ("GATEWAY_ACCOUNTS", '[{"id": "a"}]', {"accounts": [{"id": "a"}]}),
        ("GATEWAY_ACCOUNTS__0__DEADLINES__GAP_SECONDS", "5", {"accounts": [{"deadlines": {"gap_seconds": 5}}]}),
        ("GATEWAY_MODELS__0__TARGETS__0__POOL", "p", {"models": [{"targets": [{"pool": "p"}]}]}),
        ("GATEWAY_DATA_DIR", "/data", {"server": {"data_dir": "/data"}}),
    ],
)
def test_a_name_leads_to_its_key(name: str, text: str, expected: dict[str, Any]) -> None:
    """Text stays text where text is wanted; everything else is read as TOML or JSON."""
    assert (expected, []) == merged({name: text})[:2]


def test_the_environment_wins_over_the_file() -> None:
    """A variable replaces the one value that it names and leaves the others."""
    raw = {"accounts": [{"id": "a", "pool": "p"}, {"id": "b", "pool": "p"}]}
    document, problems, names = merged({"GATEWAY_ACCOUNTS__1__POOL": "q"}, raw)
    assert ({"accounts": [{"id": "a", "pool": "p"}, {"id": "b", "pool": "q"}]}, []) == (document, problems)
    assert {"accounts[1].pool": "GATEWAY_ACCOUNTS__1__POOL"} == names


def test_the_finer_name_wins() -> None:
    """Whole tables come before what is in them, whatever the order of the variables."""
    environ = {
        "GATEWAY_ACCOUNTS__10__ID": "k",
        "GATEWAY_ACCOUNTS__9__ID": "j",
        "GATEWAY_ACCOUNTS": "[" + ",".join(f'{{id="{i}"}}' for i in range(9)) + "]",
    }
    document, problems, _ = merged(environ)
    assert ([*"012345678", "j", "k"], []) == ([a["id"] for a in document["accounts"]], problems)


def test_a_credential_is_text_or_a_table() -> None:
    """An AWS key can be given whole, part by part, or as one reference."""
    table = {"access_key_id": "env:A", "secret_access_key": "env:B"}
    for environ, expected in (
        ({"CREDENTIAL": "env:A"}, "env:A"),
        ({"CREDENTIAL": '{ access_key_id = "env:A", secret_access_key = "env:B" }'}, table),
        ({"CREDENTIAL": '{"access_key_id": "env:A", "secret_access_key": "env:B"}'}, table),
        ({"CREDENTIAL__ACCESS_KEY_ID": "env:A", "CREDENTIAL__SECRET_ACCESS_KEY": "env:B"}, table),
    ):
        document, problems, _ = merged({f"GATEWAY_ACCOUNTS__0__{name}": value for name, value in environ.items()})
        assert ([{"credential": expected}], []) == (document["accounts"], problems)


def test_a_table_of_names_is_given_whole() -> None:
    """Models' names are not in capitals, so no variable can name one."""
    given = {"GATEWAY_ACCOUNTS__0__DEPLOYMENTS": '{ "gpt-4.1" = "chat-eu" }'}
    assert [{"deployments": {"gpt-4.1": "chat-eu"}}] == merged(given)[0]["accounts"]
    deeper = "GATEWAY_ACCOUNTS__0__DEPLOYMENTS__GPT"
    assert [f"{deeper}: there is no such key"] == merged({deeper: "x"})[1]


def test_the_short_name_of_the_data_folder_wins() -> None:
    """GATEWAY_DATA_DIR comes before GATEWAY_SERVER__DATA_DIR."""
    document, _, names = merged({"GATEWAY_DATA_DIR": "/short", "GATEWAY_SERVER__DATA_DIR": "/long"})
    assert ("/short", "GATEWAY_DATA_DIR") == (document["server"]["data_dir"], names["server.data_dir"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("GATEWAY_SERVER__DATA_BINDD", "there is no such key; did you mean GATEWAY_SERVER__DATA_BIND?"),
        ("GATEWAY_SEVER__DATA_BIND", "there is no such key; did you mean GATEWAY_SERVER__DATA_BIND?"),
        ("GATEWAY_ACCOUNTS__0__POOOL", "there is no such key; did you mean GATEWAY_ACCOUNTS__0__POOL?"),
        ("GATEWAY_ACCOUNTS__ID", "there is no such key"),
        ("GATEWAY_SERVER__WORKERS__0", "there is no such key"),
        ("GATEWAY_FOO", "there is no such key"),
        ("GATEWAY_ACCOUNTS__3__ID", "there is no accounts[3]: the next free index is 0"),
        ("GATEWAY_KEYS", "is neither a TOML nor a JSON value"),
    ],
)
def test_a_name_that_leads_nowhere_is_a_problem(name: str, expected: str) -> None:
    """A mistyped name is told, with the nearest right one, and its value is not shown."""
    assert [f"{name}: {expected}"] == merged({name: "s3cret {"})[1]


@pytest.mark.parametrize(
    "name",
    [
        "GATEWAY_CONFIG",
        "GATEWAY_ADMIN_TOKEN",
        "GATEWAY_MASTER_KEY",
        "GATEWAY_CLUSTER_SECRET",
        "GATEWAY_PRINT_SECRETS",
        "GATEWAY_PORT",
        "GATEWAY_PORT_8080_TCP",
        "GATEWAY_PORT_8080_TCP_ADDR",
        "GATEWAY_SERVICE_HOST",
        "GATEWAY_SERVICE_PORT_HTTP",
        "GATEWAY_ADMIN_SERVICE_HOST",
        "GATEWAYS_ARE_NICE",
        "PATH",
    ],
)
def test_names_of_others_are_left_alone(name: str) -> None:
    """Reserved names, Kubernetes' service links and foreign variables are no keys and no problems."""
    assert ({}, [], {}) == merged({name: "x"})


def test_an_empty_variable_is_not_set() -> None:
    """Container tools pass empty variables for unset ones, so these change nothing."""
    assert ({}, [], {}) == merged({"GATEWAY_SERVER__DATA_BIND": "", "GATEWAY_NOTHING": ""})


def test_what_is_referred_to_as_a_secret_is_no_key() -> None:
    """A variable that a credential names may begin like ours, whether the file or the environment names it."""
    environ = {
        "GATEWAY_OPENAI": "sk-1",
        "GATEWAY_OTHER": "sk-2",
        "GATEWAY_ACCOUNTS__1__CREDENTIAL": "env:GATEWAY_OTHER",
    }
    assert [] == merged(environ, {"accounts": [{"credential": "env:GATEWAY_OPENAI"}]})[1]


def test_one_value_a_variable() -> None:
    """A value cannot bring further keys with it."""
    assert ["GATEWAY_SERVER: is neither a TOML nor a JSON value"] == merged({"GATEWAY_SERVER": '{}\nkeys = "x"'})[1]


def test_the_name_of_a_path() -> None:
    """Every path has one name."""
    assert "GATEWAY_MODELS__0__TARGETS__1__POOL" == env_name("models[0].targets[1].pool")
