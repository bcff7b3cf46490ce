from __future__ import annotations

from pathlib import Path

import pytest

from llmgw_control import server_problems
from llmgw_domain.servers import Server
from llmgw_gateway.check import examine
from llmgw_gateway.compatible import builtin
from llmgw_gateway.config import load, read

ACCOUNT = '[[accounts]]\nid = "a"\nprovider = "openai-compatible"\npool = "p"\nserver = "{}"\n'


def written(folder: Path, text: str = "", **servers: str) -> Path:
    """A configuration file, and files of servers beside it."""
    (folder / "servers.d").mkdir()
    for name, facts in servers.items():
        (folder / "servers.d" / f"{name}.toml").write_text(facts)
    path = folder / "gateway.toml"
    path.write_text(text)
    return path


def servers(path: Path) -> dict[str, Server]:
    return {server.name: server for server in load(path, {}).config.servers}


def problems(path: Path) -> list[str]:
    settings, found = read(path, {})
    return [str(p).replace(f"{path.parent}/", "") for p in examine(settings, found)]


@pytest.mark.parametrize("server", builtin(), ids=lambda s: s.name)
def test_what_comes_with_the_gateway_is_right(server: Server) -> None:
    """Each file keeps the rules that an operator's has to keep, and says more than a name."""
    assert [] == list(server_problems(server))
    assert Server(name=server.name) != server


def test_who_comes_with_the_gateway() -> None:
    """The servers that the documentation lists."""
    table = (Path(__file__).parents[3] / "docs" / "servers.md").read_text()
    assert [] == [s.name for s in builtin() if f"| `{s.name}` |" not in table]


def test_an_account_names_its_server(tmp_path: Path) -> None:
    """A server with an address is all that an account of it needs."""
    path = written(tmp_path, ACCOUNT.format("groq"))
    assert [] == problems(path)
    assert "https://api.groq.com/openai/v1" == servers(path)["groq"].base_url
    path.write_text(ACCOUNT.format("grok"))
    assert ["gateway.toml:5: accounts[0].server: there is no server 'grok'; did you mean 'groq'?"] == problems(path)[:1]


def test_a_file_is_a_provider(tmp_path: Path) -> None:
    """A new name is a new server."""
    path = written(tmp_path, ACCOUNT.format("acme"), acme='base_url = "https://acme/v1"\nrefuses = ["seed"]')
    assert [] == problems(path)
    assert Server(name="acme", base_url="https://acme/v1", refuses=("seed",)) == servers(path)["acme"]


def test_a_fact_is_corrected_in_one_line(tmp_path: Path) -> None:
    """A file, and over it a table, change only what they give."""
    ours = next(s for s in builtin() if s.name == "groq")
    path = written(tmp_path, '[[servers]]\nname = "groq"\nmessage_names = true', groq="has_responses = false")
    made = servers(path)["groq"]
    assert (False, True) == (made.has_responses, made.message_names)
    assert (ours.base_url, ours.refuses, ours.variants) == (made.base_url, made.refuses, made.variants)
    assert len(builtin()) == len(servers(path))


def test_tables_come_from_the_environment_too(tmp_path: Path) -> None:
    """As every other key."""
    environ = {"GATEWAY_SERVERS__0__NAME": "acme", "GATEWAY_SERVERS__0__REFUSES": '["seed"]'}
    assert Server(name="acme", refuses=("seed",)) == load(written(tmp_path), environ).config.servers[0]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ("\nrefuse = []", "servers.d/x.toml:2: refuse: there is no such key; did you mean 'refuses'?"),
        ('reasoning = "hard"', "servers.d/x.toml:1: reasoning: must be one of 'effort', 'none',"),
        ('refuses = "n"', "servers.d/x.toml:1: refuses: must be an array of strings, not a string"),
        ("headers = 1", "servers.d/x.toml:1: headers: must be a table of strings, not an integer"),
        ("#\n[[variants]]\nmodels = []", "servers.d/x.toml:3: variants[0].models: none: say which models"),
        ('base_url = "x"', "servers.d/x.toml:1: base_url: must start with http://"),
        ('name = "y"', "servers.d/x.toml:1: name: must be the file's own name, 'x'; it can be left out"),
        ("a = ", "servers.d/x.toml:1: is not valid TOML: Invalid value"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_line(facts: str, expected: str, tmp_path: Path) -> None:
    """Once, and the accounts of that server are not told as well."""
    account = ACCOUNT.format("x") + 'base_url = "http://x"\n'
    (found,) = problems(written(tmp_path, account, x=facts))
    assert expected == found[: len(expected)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[servers]]\n", "gateway.toml:1: servers[0].name: must be 1 to 64 letters"),
        ('[[servers]]\nname = "x"\nrefuse = []', "gateway.toml:3: servers[0].refuse: there is no such key"),
        ('[[servers]]\nname = "x"\nbase_url = "x"', "gateway.toml:3: servers[0].base_url: must start with"),
        (
            '[[servers]]\nname = "x"\n[[servers]]\nname = "x"',
            "gateway.toml:4: servers[1].name: 'x' is taken by servers[0]",
        ),
        ("servers = 1", "gateway.toml:1: servers: must be an array of tables, not an integer"),
    ],
)
def test_what_is_wrong_in_a_table_is_told_with_its_line(text: str, expected: str, tmp_path: Path) -> None:
    """As in the rest of the file."""
    (found,) = problems(written(tmp_path, text))
    assert expected == found[: len(expected)]
