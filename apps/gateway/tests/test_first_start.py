from __future__ import annotations

import re
import shlex
import stat
from pathlib import Path

import msgspec
import pytest

from llmgw_control import AccountRecord, KeyRecord, ModelRecord, Records, TargetRecord, compile_catalog
from llmgw_domain import Provider
from llmgw_gateway import first_start
from llmgw_gateway.bind import Bind
from llmgw_gateway.config import Config
from llmgw_gateway.first_start import FirstKey
from llmgw_gateway.secrets import Secrets

DATA, ADMIN = Bind("127.0.0.1", 8080), Bind("127.0.0.1", 8081)
KEY = FirstKey("gw-abc", Path("/data/client-key"), made=True)
OWN = AccountRecord(id="own", provider="openai", credential="env:OWN", pool="own")


def model(name: str, pool: str = "own", target: str = "x") -> ModelRecord:
    return ModelRecord(name=name, targets=(TargetRecord(pool=pool, model=target),))


def welcome(records: Records, key: FirstKey | None = KEY, simulated: bool = False) -> str:
    return first_start.welcome(
        endpoint=DATA.url(), dashboard=ADMIN.url(), records=records, key=key, simulated=simulated, version="1.2"
    )


def test_accounts_of_the_environment() -> None:
    """Each provider whose key is set gets an account and a star route; empty variables count as not set."""
    environ = {"OPENAI_API_KEY": "sk-1", "GEMINI_API_KEY": "AI-1", "ANTHROPIC_API_KEY": ""}
    records = first_start.complete(Config(), environ)
    assert [("openai", "openai", "env:OPENAI_API_KEY"), ("gemini", "google", "env:GEMINI_API_KEY")] == [
        (a.id, a.provider, a.credential) for a in records.accounts
    ]
    assert ["openai/*", "gemini/*"] == [m.name for m in records.models]
    catalog = compile_catalog(records, Secrets(environ, Path(), Path()).reveal)
    route = catalog.route("gemini/gemini-2.5-pro", catalog.policies["default"])
    assert [("gemini", "gemini-2.5-pro")] == [(c.account.id, c.model) for c in route]


def test_the_simulator_where_there_is_nothing() -> None:
    """Without any key the three simulated accounts speak their own dialects at the simulator's address."""
    assert (True, False, False) == (
        first_start.needs_simulator(Config(), {}),
        first_start.needs_simulator(Config(), {"OPENAI_API_KEY": "x"}),
        first_start.needs_simulator(Config(accounts=(OWN,)), {}),
    )
    records = first_start.complete(Config(), {}, "http://127.0.0.1:9001")
    catalog = compile_catalog(records, Secrets({}, Path(), Path()).reveal)
    served = {
        name: next(iter(catalog.route(name, catalog.policies["default"]))).account
        for name in ("sim/gpt", "sim/claude", "sim/gemini")
    }
    assert {
        "sim/gpt": (Provider.OPENAI, "http://127.0.0.1:9001/v1"),
        "sim/claude": (Provider.ANTHROPIC, "http://127.0.0.1:9001"),
        "sim/gemini": (Provider.GOOGLE, "http://127.0.0.1:9001"),
    } == {name: (account.provider, account.base_url) for name, account in served.items()}
    assert 3 == len({account.credential.reveal() for account in served.values()})


def test_what_is_configured_stands() -> None:
    """Configured accounts keep the environment's out, and configured models keep their names."""
    environ = {"OPENAI_API_KEY": "sk-1"}
    config = Config(accounts=(OWN,), models=(model("m"),))
    assert config.records() == first_start.complete(config, environ)
    mine = model("openai/*", "openai", "gpt")
    assert (mine,) == first_start.complete(Config(models=(mine,)), environ).models


def test_the_first_key_is_made_once(tmp_path: Path) -> None:
    """The key is long and random, private, made by the first start and found by later ones."""
    folder = tmp_path / "data"
    first, second = first_start.first_key(Config(), folder), first_start.first_key(Config(), folder)
    assert first is not None
    assert second is not None
    assert re.fullmatch(r"gw-[A-Za-z0-9]{32}", first.text)
    assert (True, False, first.text) == (first.made, second.made, second.text)
    assert (0o600, 0o700) == (stat.S_IMODE(first.path.stat().st_mode), stat.S_IMODE(folder.stat().st_mode))


def test_the_first_key_opens_the_gateway(tmp_path: Path) -> None:
    """A caller with the key's text is let in."""
    key = first_start.first_key(Config(), tmp_path)
    assert key is not None
    records = first_start.complete(Config(), {"OPENAI_API_KEY": "x"}, key=key)
    catalog = compile_catalog(records, Secrets({"OPENAI_API_KEY": "x"}, Path(), Path()).reveal)
    assert "first" == catalog.key_for(key.text).id


def test_configured_keys_need_no_first_one(tmp_path: Path) -> None:
    """Where keys are configured none is made, and nothing is written."""
    config = Config(keys=(KeyRecord(id="k", value="env:K"),))
    assert (None, []) == (first_start.first_key(config, tmp_path), list(tmp_path.iterdir()))


def test_the_welcome_says_where_everything_is() -> None:
    """A person is told endpoint, key, dashboard and models."""
    text = welcome(first_start.complete(Config(), {}, "http://x"), simulated=True)
    wanted = [
        "http://127.0.0.1:8080/v1",
        "gw-abc",
        "/data/client-key",
        "http://127.0.0.1:8081/",
        "sim/claude",
        "simulator",
    ]
    assert [] == [word for word in wanted if word not in text]


def test_the_curl_lines_can_be_pasted() -> None:
    """Both lines stand at the start of a line, and a shell takes them apart into a valid request."""
    text = welcome(Records(accounts=(OWN,), models=(model("it's"),)))
    lines = [shlex.split(line) for line in text.splitlines() if line.startswith("curl ")]
    bodies = [msgspec.json.decode(line[line.index("-d") + 1]) for line in lines]
    assert [("it's", False), ("it's", True)] == [(b["model"], b.get("stream", False)) for b in bodies]
    assert all("http://127.0.0.1:8080/v1/chat/completions" in line for line in lines)
    assert all("Authorization: Bearer gw-abc" in line for line in lines)


def test_a_configured_key_is_not_shown() -> None:
    """Keys of the configuration are not the gateway's to print; the lines take theirs from the shell."""
    text = welcome(Records(accounts=(OWN,), models=(model("m"),)), key=None)
    assert (True, True) == ("as configured" in text, "Bearer $GATEWAY_KEY" in text)


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        ((model("b/*"), model("exact")), "exact"),
        ((model("b/*", target="*"),), "b/gpt-4.1-mini"),
        ((model("b/*", target="gpt"),), None),
        ((ModelRecord(name="b/*"),), None),
        ((), None),
    ],
)
def test_the_example_is_a_model_that_works(models: tuple[ModelRecord, ...], expected: str | None) -> None:
    """The example is an exact name, else a known model below a star; else there is no example."""
    assert expected == first_start.example_model(Records(accounts=(OWN,), models=models))


def test_no_example_no_curl_line() -> None:
    """Where nothing can be asked for, no line is shown that would fail."""
    assert "curl" not in welcome(Records())


@pytest.mark.parametrize(
    ("environ", "terminal", "expected"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"GATEWAY_PRINT_SECRETS": "1"}, False, True),
        ({"GATEWAY_PRINT_SECRETS": "0"}, False, False),
    ],
)
def test_who_may_see_secrets(environ: dict[str, str], terminal: bool, expected: bool) -> None:
    """Secrets are printed to a terminal or on demand, and else only kept in the file."""
    assert expected == first_start.wants_secrets(environ, terminal)


def test_a_log_learns_the_path_only() -> None:
    """What is logged of the key names its file and not its text, and neither does its repr."""
    assert "client key made and kept in /data/client-key" == first_start.whereabouts(KEY)
    assert "gw-abc" not in repr(KEY)
