"""contract.md, "Configuration". What `gateway check` says by line is in `tests/process` and the gateway's own tests."""

from __future__ import annotations

import hashlib

import pytest

from llmgw_control import Control
from llmgw_gateway.check import examine
from llmgw_gateway.config import load, read
from llmgw_gateway.problems import ConfigError, Unreadable
from llmgw_gateway.secrets import Secrets

KEY = "gw-another-key"
HASH = "sha256:" + hashlib.sha256(KEY.encode()).hexdigest()
KEYS = "GATEWAY_KEYS__1__"
NEW_KEY = {f"{KEYS}ID": "second", f"{KEYS}HASH": HASH}
MODELS = "GATEWAY_MODELS__4__"


@pytest.fixture
def opened(open_stack, caller):
    """A stack whose configuration is changed by variables alone: `async with opened(NAME="value") as call`."""
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def opener(**environ: str):
        async with open_stack(environ=environ) as stack:
            yield caller(stack)

    return opener


def as_second() -> dict[str, str]:
    return {"authorization": f"Bearer {KEY}"}


# --- [server] by its environment names --------------------------------------------------------------------------------


async def test_server_binds(opened):
    """GATEWAY_SERVER__DATA_BIND and ADMIN_BIND say where the listeners are."""
    async with opened(GATEWAY_SERVER__DATA_BIND="[::1]:0", GATEWAY_SERVER__ADMIN_BIND="127.0.0.2:0") as call:
        assert call.stack.base.startswith("http://[::1]:")
        assert call.stack.admin.startswith("http://127.0.0.2:")
        assert (await call()).status == 200


async def test_server_admin_hosts(opened):
    """GATEWAY_SERVER__ADMIN_HOSTS adds names under which the admin pages are asked for."""
    async with opened(GATEWAY_SERVER__ADMIN_HOSTS='["llm.example"]') as call:
        stack = call.stack
        for host, status in (("llm.example", 200), ("other.example", 421)):
            async with stack.http.get(f"{stack.admin}/", headers={"host": host}) as response:
                assert response.status == status


async def test_server_engine(opened):
    """GATEWAY_SERVER__ENGINE chooses the HTTP server."""
    async with opened(GATEWAY_SERVER__ENGINE="uvicorn") as call:
        assert "UvicornEngine" in type(call.stack.gateway.data._engine).__name__
        assert (await call()).status == 200


async def test_server_max_body_bytes(opened):
    """GATEWAY_SERVER__MAX_BODY_BYTES bounds a body."""
    async with opened(GATEWAY_SERVER__MAX_BODY_BYTES="500") as call:
        assert [(await call(text="x" * n)).status for n in (10, 1000)] == [200, 413]


async def test_server_max_buffered_bytes(opened):
    """GATEWAY_SERVER__MAX_BUFFERED_BYTES bounds all bodies together."""
    async with opened(GATEWAY_SERVER__MAX_BUFFERED_BYTES="500") as call:
        assert [(await call(text="x" * n)).status for n in (10, 1000)] == [200, 503]


async def test_server_stream_errors(opened):
    """GATEWAY_SERVER__STREAM_ERRORS is the form of broken chat streams."""
    async with opened(GATEWAY_SERVER__STREAM_ERRORS="strict") as call:
        await call.fault(eof_events=4)
        assert b'"finish_reason":"error"' not in (await call(stream=True)).raw


# --- [[accounts]] -----------------------------------------------------------------------------------------------------


async def test_an_account_by_names(opened):
    """Keys of [[accounts]]: the id, the credential's reference, the base URL."""
    changed = {"GATEWAY_ACCOUNTS__0__ID": "renamed", "GATEWAY_ACCOUNTS__0__CREDENTIAL": "env:OTHER", "OTHER": "sk-b"}
    async with opened(**changed) as call:
        assert (await call()).headers["x-gw-account"] == "renamed"
        assert (await call.stack.upstream_saw())[-1]["credential"] == "sk-b"


async def test_a_whole_account_in_one_variable(opened):
    """A name may stop at the array; its value is TOML, as is that of [[models]]."""
    async with opened(GATEWAY_ACCOUNTS__0__ENABLED="false") as first:
        url = first.stack.simulator.base_url
        accounts = (
            f'[{{id = "one", provider = "openai", credential = "env:UP_KEY", base_url = "{url}/v1", pool = "p"}}]'
        )
        models = '[{"name": "only", "targets": [{"pool": "p", "model": "m"}]}]'
        async with opened(GATEWAY_ACCOUNTS=accounts, GATEWAY_MODELS=models) as call:
            answer = await call(model="only")
            assert (answer.status, answer.headers["x-gw-account"]) == (200, "one")
            assert (await call(model="sim/gpt")).status == 404


async def test_an_accounts_limit_and_deadlines_by_names(opened):
    """max_concurrency, enabled, and the table of deadlines below it."""
    async with opened(GATEWAY_ACCOUNTS__0__DEADLINES__FIRST_EVENT_SECONDS="0.2") as call:
        await call.fault(think=20)
        assert (await call(stream=True)).status == 504
    async with opened(GATEWAY_ACCOUNTS__0__ENABLED="false") as call:
        assert (await call()).status == 503


def test_a_cloud_s_account_by_names(tmp_path):
    """Every key of a place, and an AWS key in parts."""
    file = tmp_path / "g.toml"
    file.write_text("")
    given = {
        "0": {
            "ID": "b",
            "PROVIDER": "bedrock",
            "POOL": "b",
            "REGION": "us-east-1",
            "CREDENTIAL__ACCESS_KEY_ID": "env:A",
        },
        "1": {"ID": "v", "PROVIDER": "vertex", "POOL": "v", "PROJECT": "p", "LOCATION": "eu", "CREDENTIAL": "default"},
        "2": {"ID": "z", "PROVIDER": "azure", "POOL": "z", "API_VERSION": "2024-10-21", "CREDENTIAL": "env:A"},
        "3": {"ID": "o", "PROVIDER": "openai-compatible", "POOL": "o", "SERVER": "vllm", "BASE_URL": "http://vllm/v1"},
    }
    given["0"]["CREDENTIAL__SECRET_ACCESS_KEY"] = "env:B"
    given["2"] |= {"DEPLOYMENTS": '{ m = "d" }', "BASE_URL": "https://r.openai.azure.com"}
    environ = {f"GATEWAY_ACCOUNTS__{i}__{key}": value for i, keys in given.items() for key, value in keys.items()}
    settings = load(file, {**environ, "A": "id", "B": "key"})
    assert [] == examine(settings)
    accounts = Control(Secrets.of(settings).reveal).load(settings.config.records()).accounts
    assert ["us-east-1", "p", "2024-10-21", "vllm"] == [
        accounts["b"].platform.region,
        accounts["v"].platform.project,
        accounts["z"].platform.api_version,
        accounts["o"].server.name,
    ]


WRONG_CLOUDS = [
    ('provider = "azure"\ncredential = "env:K"', 1, "accounts[0].base_url: missing"),
    ('provider = "vertex"\ncredential = "env:K"\nproject = "p"', 1, "accounts[0].location: missing"),
    ('provider = "bedrock"\ncredential = "env:K"', 1, "accounts[0].region: missing"),
    ('provider = "openai"\ncredential = "env:K"\nregion = "eu"', 6, "only accounts of 'bedrock' have it"),
    ('provider = "openai"\ncredential = "default"', 5, "'default' is for providers with a chain"),
    ('provider = "bedrock"\ncredential = { access_key_id = "env:K" }\nregion = "r"', 5, "secret_access_key: missing"),
    ('provider = "bedrock"\ncredential = "env:HALF"\nregion = "us-east-1"', 5, "must be ID:SECRET"),
    ('provider = "vertex"\ncredential = "env:JSON"\nlocation = "eu"', 5, "type must be 'service_account'"),
]


@pytest.mark.parametrize(("text", "line", "words"), WRONG_CLOUDS, ids=[w[2] for w in WRONG_CLOUDS])
def test_what_is_wrong_with_a_cloud_s_account(tmp_path, text, line, words):
    """`gateway check` says line and reason, and shows no secret."""
    file = tmp_path / "g.toml"
    file.write_text(f'[[accounts]]\nid = "a"\npool = "p"\n{text}\n')
    user = '{"type": "authorized_user", "client_email": "e", "private_key": "s3cret"}'
    settings, known = read(file, {"K": "s3cret", "HALF": "s3cret:", "JSON": user})
    (problem,) = examine(settings, known)
    assert line == problem.line
    assert words in str(problem)
    assert "s3cret" not in str(problem)


# --- [[models]], [[keys]], [[policies]] -------------------------------------------------------------------------------


async def test_a_model_by_names(opened):
    """A model and its target, added behind those of the file."""
    target = {f"{MODELS}TARGETS__0__POOL": "anthropic", f"{MODELS}TARGETS__0__MODEL": "claude-x"}
    async with opened(**{f"{MODELS}NAME": "added"}, **target) as call:
        answer = await call(model="added")
        assert (answer.status, answer.headers["x-gw-model"]) == (200, "claude-x")


async def test_a_models_output_limit_by_name(opened):
    """GATEWAY_MODELS__1__MAX_OUTPUT_TOKENS is what a provider that demands a limit gets."""
    async with opened(GATEWAY_MODELS__1__MAX_OUTPUT_TOKENS="123") as call:
        assert (await call("chat", model="sim/claude")).status == 200
        assert (await call.stack.upstream_saw())[-1]["body"]["max_tokens"] == 123


async def test_a_key_by_names(opened):
    """A key by its hash, or by a reference to its text."""
    for given in ({f"{KEYS}HASH": HASH}, {f"{KEYS}VALUE": "env:SECOND", "SECOND": KEY}):
        async with opened(**{f"{KEYS}ID": "second"}, **given) as call:
            assert (await call(headers=as_second())).status == 200
            assert call.stack.requests[-1]["key"] == "second"


async def test_a_policy_by_names(opened):
    """A policy and its key: which models, whether accounts are shown, the form of errors, the body's size."""
    policy = {
        "GATEWAY_POLICIES__0__ID": "narrow",
        "GATEWAY_POLICIES__0__MODELS": '["sim/gpt"]',
        "GATEWAY_POLICIES__0__HIDE_ACCOUNTS": "true",
        "GATEWAY_POLICIES__0__STREAM_ERRORS": "strict",
        "GATEWAY_POLICIES__0__MAX_BODY_BYTES": "500",
        "GATEWAY_POLICIES__0__STORED_RESPONSES": "true",
        "GATEWAY_POLICIES__0__ENDPOINTS": '["files", "images"]',
        f"{KEYS}POLICY": "narrow",
    }
    async with opened(**NEW_KEY, **policy) as call:
        made = call.stack.gateway.control.current().policies["narrow"]
        assert (made.stored_responses, made.endpoints) == (True, ("files", "images"))
        answer = await call(headers=as_second())
        assert (answer.status, answer.headers.get("x-gw-account")) == (200, None)
        assert (await call(headers=as_second(), model="sim/claude")).status == 403
        assert (await call(headers=as_second(), text="x" * 1000)).status == 413
        await call.fault(eof_events=4)
        assert b'"finish_reason":"error"' not in (await call(stream=True, headers=as_second())).raw
        assert (await call(text="x" * 1000)).headers["x-gw-account"] == "openai-a"


# --- unknown keys, references, the file -------------------------------------------------------------------------------

UNKNOWN = [
    ("[server]\ndrain = 1", 2, "drain"),
    ("[severs]", 1, "severs"),
    ('[[accounts]]\nid = "a"\nprovider = "openai"\npool = "p"\ncredential = "env:K"\nregoin = "eu"', 6, "regoin"),
    ('[[models]]\nname = "m"\ntarget = []', 3, "target"),
    ('[[keys]]\nid = "k"\nbudget = 1', 3, "budget"),
    ('[[policies]]\nid = "p"\nmodel = []', 3, "model"),
]


@pytest.mark.parametrize(("text", "line", "name"), UNKNOWN, ids=[u[2] for u in UNKNOWN])
def test_unknown_keys_are_errors(tmp_path, text, line, name):
    """In every table, with the line."""
    file = tmp_path / "g.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load(file, {"K": "sk"})
    assert any(p.line == line and name in str(p) for p in refused.value.problems)


@pytest.mark.parametrize("table", ["cluster"])
def test_tables_of_later_versions_are_refused(tmp_path, table):
    """What this version can't honour is not passed over in silence."""
    file = tmp_path / "g.toml"
    file.write_text(f"[{table}]\n")
    with pytest.raises(ConfigError, match="not available in this version"):
        load(file, {})


def test_the_configuration_is_found_by_its_variable(tmp_path):
    """GATEWAY_CONFIG, and an explicit path before it."""
    for name in ("a", "b"):
        (tmp_path / name).write_text(f'[server]\ndata_bind = "127.0.0.1:{ord(name)}"')
    environ = {"GATEWAY_CONFIG": str(tmp_path / "a")}
    assert load(None, environ).config.server.data_bind == "127.0.0.1:97"
    assert load(tmp_path / "b", environ).config.server.data_bind == "127.0.0.1:98"
    with pytest.raises(Unreadable):
        load(None, {"GATEWAY_CONFIG": str(tmp_path / "none")})


async def test_a_secret_in_a_file(opened, tmp_path):
    """`file:PATH` is relative to the configuration, and its last line end is no part of the secret."""
    (tmp_path / "secret").write_text("sk-from-file\n")
    async with opened(GATEWAY_ACCOUNTS__0__CREDENTIAL="file:secret") as call:
        assert (await call()).status == 200
        assert (await call.stack.upstream_saw())[-1]["credential"] == "sk-from-file"


@pytest.mark.parametrize("reference", ["env:NOT_THERE", "file:not-there", "sk-written-out", "sealed:v1:00000000:AAAA"])
async def test_a_reference_that_leads_nowhere_is_refused(opened, reference):
    """The start is refused with the reason, and without the text of what may be a secret."""
    from llmgw_control import Refused

    with pytest.raises(Refused) as refused:
        async with opened(GATEWAY_ACCOUNTS__0__CREDENTIAL=reference):
            pass
    assert "accounts[0].credential" in str(refused.value)
    assert "written-out" not in str(refused.value)


def test_the_example_is_valid():
    """The file that users start from names only keys that exist."""
    from pathlib import Path

    example = Path(__file__).resolve().parents[2] / "gateway.example.toml"
    assert load(example, {}).config.accounts
