from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import pytest

from llmgw_control import (
    AccountRecord,
    KeyRecord,
    ModelRecord,
    PolicyRecord,
    Records,
    Refused,
    TargetRecord,
    Unrevealed,
    compile_catalog,
)
from llmgw_control.records import AwsKeysRecord, DeadlinesRecord, FallbackRecord
from llmgw_domain import Deadlines, Policy, Provider, Secret, StreamErrors
from llmgw_domain.accounts import Ambient, AwsKeys, Platform
from llmgw_domain.models import Fallback
from llmgw_domain.servers import GENERIC, Server

SECRETS = {"env:A": "sk-a", "env:B": "sk-b", "env:KEY": "gw-key", "env:EMPTY": "", "env:BROKEN": "two words"}


def reveal(reference: str) -> Secret:
    try:
        return Secret(SECRETS[reference])
    except KeyError:
        raise Unrevealed(f"nothing is at {reference}") from None


def account(id: str = "a", **changes: Any) -> AccountRecord:
    given: dict[str, Any] = {"provider": "openai", "credential": "env:A", "pool": "openai", **changes}
    return AccountRecord(id=id, **given)


def model(name: str = "m", *targets: TargetRecord, **changes: Any) -> ModelRecord:
    return ModelRecord(name=name, targets=targets or (TargetRecord(pool="openai", model="gpt"),), **changes)


def fallback(other: str, *on: str) -> FallbackRecord:
    return FallbackRecord(model=other, on=on)


def records(
    accounts: Iterable[AccountRecord] = (),
    models: Iterable[ModelRecord] = (),
    keys: Iterable[KeyRecord] = (),
    policies: Iterable[PolicyRecord] = (),
    servers: Iterable[Server] = (),
) -> Records:
    return Records(
        accounts=tuple(accounts),
        models=tuple(models),
        keys=tuple(keys),
        policies=tuple(policies),
        servers=tuple(servers),
    )


def refused(wrong: Records) -> dict[str, str]:
    """Path to message of every reason; the last one wins where a path has several."""
    with pytest.raises(Refused) as caught:
        compile_catalog(wrong, reveal)
    return {reason.path: reason.message for reason in caught.value.reasons}


HASH = "sha256:" + hashlib.sha256(b"gw-other").hexdigest()


def test_records_become_their_domain_forms() -> None:
    """Every field of every record arrives in the catalog."""
    catalog = compile_catalog(
        records(
            [
                account(
                    max_concurrency=3,
                    requests_per_minute=4,
                    tokens_per_minute=5,
                    weight=2.0,
                    enabled=False,
                    base_url="https://proxy.example/v1/",
                    deadlines=DeadlinesRecord(connect_seconds=1.5, gap_seconds=0),
                )
            ],
            [model("x/*", TargetRecord(pool="openai", model="*", priority=2, api="chat"), max_output_tokens=6)],
            [KeyRecord(id="k", value="env:KEY", tenant="acme", policy="p", enabled=False)],
            [
                PolicyRecord(
                    id="p", models=("x/*",), hide_accounts=True, max_body_bytes=7, stream_errors=StreamErrors.RAISE
                )
            ],
        ),
        reveal,
    )
    made = catalog.accounts["a"]
    assert (Provider.OPENAI, "https://proxy.example/v1", Secret("sk-a")) == (
        made.provider,
        made.base_url,
        made.credential,
    )
    assert (3, 4, 5, 2.0, False) == (
        made.max_concurrency,
        made.requests_per_minute,
        made.tokens_per_minute,
        made.weight,
        made.enabled,
    )
    assert Deadlines(connect=1.5, gap=None) == made.deadlines
    pattern = catalog.patterns[0]
    assert ("x/*", 6) == (pattern.name, pattern.max_output_tokens)
    target = pattern.targets[0]
    assert ("openai", "*", 2, "chat") == (target.pool, target.model, target.priority, target.api)
    key = next(iter(catalog.keys.values()))
    assert ("k", "acme", hashlib.sha256(b"gw-key").digest(), "p", False) == (
        key.id,
        key.tenant,
        key.digest,
        key.policy,
        key.enabled,
    )
    expected = Policy(id="p", models=("x/*",), hide_accounts=True, max_body_bytes=7, stream_errors=StreamErrors.RAISE)
    assert expected == catalog.policies["p"]
    assert {"default", "acme"} == set(catalog.tenants)


def test_accounts_in_clouds_become_their_domain_forms() -> None:
    """Credentials of several parts, the place, and the address that follows from it."""
    catalog = compile_catalog(
        records(
            [
                account(
                    "azure",
                    provider="azure",
                    pool="azure",
                    base_url="https://r.openai.azure.com/openai/v1",
                    api_version="2024-10-21",
                    deployments={"gpt-4.1": "chat"},
                ),
                account("vertex", provider="vertex", pool="vertex", credential="default", project="p", location="eu"),
                account(
                    "bedrock",
                    provider="bedrock",
                    pool="bedrock",
                    credential=AwsKeysRecord(access_key_id="env:A", secret_access_key="env:B"),
                    region="eu-west-1",
                ),
                account(
                    "vllm", provider="openai-compatible", pool="own", base_url="http://vllm:8000/v1", server="vllm"
                ),
            ],
            servers=[Server(name="vllm")],
        ),
        reveal,
    )
    got = [(a.id, a.base_url, a.credential, a.platform, a.server) for a in catalog.accounts.values()]
    azure = Platform(api_version="2024-10-21", deployments={"gpt-4.1": "chat"})
    keys = AwsKeys(access_key_id="sk-a", secret_access_key=Secret("sk-b"))
    vertex = Platform(project="p", location="eu")
    bedrock = Platform(region="eu-west-1")
    assert [
        ("azure", "https://r.openai.azure.com", Secret("sk-a"), azure, GENERIC),
        ("bedrock", "https://bedrock-runtime.eu-west-1.amazonaws.com", keys, bedrock, GENERIC),
        ("vertex", "https://aiplatform.eu.rep.googleapis.com", Ambient(), vertex, GENERIC),
        ("vllm", "http://vllm:8000/v1", Secret("sk-a"), Platform(), Server(name="vllm")),
    ] == got


@pytest.mark.parametrize("api", ["auto", "chat", "responses"])
def test_a_target_says_which_of_openai_s_apis(api: str) -> None:
    """At providers that have them; another one is asked in its own dialect, whatever the target says."""
    target = TargetRecord(pool="openai", model="m", api=api)
    assert api == compile_catalog(records([account()], [model("m", target)]), reveal).models["m"].targets[0].api
    wrong = records([account(provider="anthropic")], [model("m", target)])
    if api != "auto":
        said = f"{api!r} is one of OpenAI's APIs, which 'anthropic' has not; leave it out"
        assert {"models[0].targets[0].api": said} == refused(wrong)


def test_a_policy_says_what_else_may_be_passed_through() -> None:
    """Endpoints beyond models, and whether responses may be kept."""
    policy = PolicyRecord(id="p", stored_responses=True, endpoints=("images", "*"))
    made = compile_catalog(records(policies=[policy]), reveal).policies["p"]
    assert (True, ("images", "*")) == (made.stored_responses, made.endpoints)


def test_no_records_are_an_empty_catalog() -> None:
    """Nothing configured is valid and serves nothing."""
    catalog = compile_catalog(Records(), reveal)
    assert (0, 0, 0) == (len(catalog.accounts), len(catalog.models), len(catalog.keys))


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        ("openai", "https://api.openai.com/v1"),
        ("anthropic", "https://api.anthropic.com"),
        ("google", "https://generativelanguage.googleapis.com"),
    ],
)
def test_a_provider_has_its_own_address(provider: str, expected: str) -> None:
    """Without base_url an account goes where the provider's own SDK goes."""
    catalog = compile_catalog(records([account(provider=provider)]), reveal)
    assert expected == catalog.accounts["a"].base_url


def test_an_account_takes_the_address_of_its_server() -> None:
    """Unless it gives one itself; a server that is wrong is told by its own path."""
    named = (
        account("a", provider="openai-compatible", server="s"),
        account("b", provider="openai-compatible", server="s"),
    )
    own = msgspec.structs.replace(named[1], base_url="http://proxy/v1")
    catalog = compile_catalog(records([named[0], own], servers=[Server(name="s", base_url="https://s/v1/")]), reveal)
    assert ["https://s/v1", "http://proxy/v1"] == [a.base_url for a in catalog.accounts.values()]
    wrong = records([named[0]], servers=[Server(name="s", base_url="s"), Server(name="s")])
    assert {"servers[0].base_url", "servers[1].name", "accounts[0].base_url"} == set(refused(wrong))


def test_a_compatible_server_may_need_no_credential() -> None:
    """A server of one's own works without a secret, but not without an address."""
    local = account(provider="openai-compatible", credential=None, base_url="http://localhost:11434/v1")
    assert Secret("") == compile_catalog(records([local]), reveal).accounts["a"].credential
    assert {"accounts[0].base_url"} == set(refused(records([account(provider="openai-compatible")])))


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ({"max_concurrency": -1}, "max_concurrency", "must be a positive integer, not -1"),
        ({"max_concurrency": 0}, "max_concurrency", "must be a positive integer, not 0"),
        ({"requests_per_minute": 0}, "requests_per_minute", "positive"),
        ({"tokens_per_minute": -5}, "tokens_per_minute", "positive"),
        ({"organization": "an organisation"}, "organization", "1 to 64 letters"),
        ({"enabled": False, "disabled_reason": "two\nlines"}, "disabled_reason", "on one line"),
        ({"weight": 0.0}, "weight", "above 0"),
        ({"weight": float("nan")}, "weight", "above 0"),
        ({"provider": "azure"}, "base_url", "has no address of its own"),
        ({"provider": "vertex", "project": "p"}, "location", "missing"),
        ({"provider": "bedrock"}, "region", "missing"),
        ({"region": "us-east-1"}, "region", "only accounts of 'bedrock' have it"),
        ({"server": "vllm"}, "server", "only accounts of 'openai-compatible' have it"),
        ({"provider": "antropic"}, "provider", "did you mean 'anthropic'?"),
        ({"pool": "a pool"}, "pool", "1 to 64 letters"),
        ({"credential": None}, "credential", "missing"),
        ({"credential": "env:NONE"}, "credential", "account 'a': nothing is at env:NONE"),
        ({"credential": "env:EMPTY"}, "credential", "account 'a': the secret is empty"),
        ({"credential": "env:BROKEN"}, "credential", "white space"),
        ({"deadlines": DeadlinesRecord(total_seconds=-1)}, "deadlines.total_seconds", "not -1"),
        ({"deadlines": DeadlinesRecord(gap_seconds=float("inf"))}, "deadlines.gap_seconds", "0 for no limit"),
    ],
)
def test_a_wrong_account_is_refused(changes: dict[str, Any], path: str, words: str) -> None:
    """Each wrong value is refused at its own path, with what would be right."""
    reasons = refused(records([account(**changes)]))
    assert [f"accounts[0].{path}"] == list(reasons)
    assert words in reasons[f"accounts[0].{path}"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://x.example", "http:// or https://"),
        ("api.openai.com/v1", "http:// or https://"),
        ("https://", "name a host"),
        ("https://x.example:0/v1", "valid port"),
        ("https://x.example:99999/v1", "not a valid URL"),
        ("https://x.example/v1?key=1", "query"),
        ("https://x.example/v1#top", "fragment"),
        ("https://x.example/v1 ", "white space"),
        ("https://user:pass@x.example/v1", "credential"),
        ("https://x.example/a/../v1", "'..'"),
    ],
)
def test_a_wrong_base_url_is_refused(url: str, words: str) -> None:
    """An address is http or https with a host, and nothing that would be lost or leaked when paths are added."""
    assert words in refused(records([account(base_url=url)]))["accounts[0].base_url"]


@pytest.mark.parametrize(
    ("provider", "url"),
    [
        ("anthropic", "https://api.anthropic.com/v1"),
        ("google", "https://generativelanguage.googleapis.com/v1beta/"),
        ("vertex", "https://aiplatform.googleapis.com/v1beta1"),
    ],
)
def test_a_version_is_refused_where_the_sdk_adds_it(provider: str, url: str) -> None:
    """A base address with the version would be called as /v1/v1/..., so it is refused before that."""
    reasons = refused(records([account(provider=provider, base_url=url)]))
    assert "without the version" in reasons["accounts[0].base_url"]


@pytest.mark.parametrize(
    ("wrong", "path", "words"),
    [
        (model("m", TargetRecord(pool="opena", model="x")), "targets[0].pool", "did you mean 'openai'?"),
        (model("m", TargetRecord(pool="openai", model="x", max_concurrency=0)), "targets[0].max_concurrency", "not 0"),
        (
            model("m", TargetRecord(pool="openai", model="x", tokens_per_minute=-1)),
            "targets[0].tokens_per_minute",
            "-1",
        ),
        (
            model("m", TargetRecord(pool="openai", model="x", requests_per_minute=0)),
            "targets[0].requests_per_minute",
            "not 0",
        ),
        (model("m", TargetRecord(pool="openai", model="*")), "targets[0].model", "'m' has none"),
        (model("m/*", TargetRecord(pool="openai", model="*-*")), "targets[0].model", "at most one '*'"),
        (model("*/m/*"), "name", "at most one '*'"),
        (model(""), "name", "1 to 200 visible"),
        (ModelRecord(name="m"), "targets", "needs at least one"),
        (model("m", TargetRecord(pool="openai", model="x", priority=0)), "targets[0].priority", "positive"),
        (model("m", TargetRecord(pool="openai", model="x", api="soap")), "targets[0].api", "must be one of"),
        (model("m", max_output_tokens=0), "max_output_tokens", "positive"),
    ],
)
def test_a_wrong_model_is_refused(wrong: ModelRecord, path: str, words: str) -> None:
    """A model leads somewhere, and a star stands for something."""
    reasons = refused(records([account()], [wrong]))
    assert [f"models[0].{path}"] == list(reasons)
    assert words in reasons[f"models[0].{path}"]


@pytest.mark.parametrize(
    ("wrong", "path", "words"),
    [
        ([fallback("ma", "refused")], "[0].model", "there is no model 'ma'; did you mean 'm'?"),
        ([fallback("m", "refused")], "[0].model", "is the model itself"),
        ([fallback("x/*a", "refused")], "[0].model", "without '*'"),
        ([fallback("x/a")], "[0].on", "at least one cause"),
        ([fallback("x/a", "refused", "overload")], "[0].on[1]", "did you mean 'overloaded'?"),
        ([fallback("x/a", "refused"), fallback("x/a", "overloaded")], "[1].model", "stands above already"),
    ],
)
def test_a_wrong_fallback_is_refused(wrong: list[FallbackRecord], path: str, words: str) -> None:
    """A fallback is another model, by its name or by a pattern, for causes that there are, and stands once."""
    pattern = model("x/*", TargetRecord(pool="openai", model="*"))
    reasons = refused(records([account()], [model("m", fallbacks=tuple(wrong)), pattern]))
    assert [f"models[0].fallbacks{path}"] == list(reasons)
    assert words in reasons[f"models[0].fallbacks{path}"]


def test_a_model_has_its_limits_and_fallbacks() -> None:
    """In their order, causes as a set; the limits of a target are beside those of its accounts."""
    target = TargetRecord(pool="openai", model="g", max_concurrency=1, requests_per_minute=2, tokens_per_minute=3)
    others = (fallback("x/a", "refused", "context_too_long", "refused"), fallback("n", "overloaded"))
    models = [model("m", target, fallbacks=others), model("n"), model("x/*", TargetRecord(pool="openai", model="*"))]
    made = compile_catalog(records([account(organization="org-1")], models), reveal)
    [limited] = made.models["m"].targets
    assert (1, 2, 3) == (limited.max_concurrency, limited.requests_per_minute, limited.tokens_per_minute)
    expected = (
        Fallback(model="x/a", on=frozenset({"context_too_long", "refused"})),
        Fallback(model="n", on=frozenset({"overloaded"})),
    )
    assert (expected, "org-1") == (made.models["m"].fallbacks, made.accounts["a"].organization)


@pytest.mark.parametrize(
    ("wrong", "path", "words"),
    [
        (KeyRecord(id="k"), "keys[0]", "needs either hash"),
        (KeyRecord(id="k", hash=HASH, value="env:KEY"), "keys[0]", "not both"),
        (KeyRecord(id="k", hash="sha256:12"), "keys[0].hash", "64 hex digits"),
        (KeyRecord(id="k", value="env:NONE"), "keys[0].value", "key 'k': nothing is at"),
        (KeyRecord(id="k", hash=HASH, policy="polcy"), "keys[0].policy", "there is no policy 'polcy'"),
        (KeyRecord(id="k", hash=HASH, tenant=""), "keys[0].tenant", "1 to 64"),
        (KeyRecord(hash=HASH), "keys[0].id", "1 to 64"),
        (KeyRecord(name="of my team", hash=HASH), "keys[0].name", "1 to 64"),
    ],
)
def test_a_wrong_key_is_refused(wrong: KeyRecord, path: str, words: str) -> None:
    """A key has an id, one proof of its text, and a policy that exists."""
    reasons = refused(records(keys=[wrong]))
    assert [path] == list(reasons)
    assert words in reasons[path]


def test_a_name_serves_as_id() -> None:
    """A key without an id is known by its name."""
    catalog = compile_catalog(records(keys=[KeyRecord(name="ci", hash=HASH)]), reveal)
    assert ["ci"] == [k.id for k in catalog.keys.values()]


def test_a_hash_may_be_in_capitals() -> None:
    """Hex digits are read in either case."""
    catalog = compile_catalog(records(keys=[KeyRecord(id="k", hash="sha256:" + HASH[7:].upper())]), reveal)
    assert "k" == catalog.key_for("gw-other").id


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        (PolicyRecord(id="p", max_body_bytes=0), "policies[0].max_body_bytes"),
        (PolicyRecord(id="", models=()), "policies[0].id"),
        (PolicyRecord(id="p", models=("a*b",)), "policies[0].models[0]"),
        (PolicyRecord(id="p", endpoints=("files", "image")), "policies[0].endpoints[1]"),
    ],
)
def test_a_wrong_policy_is_refused(wrong: PolicyRecord, path: str) -> None:
    """A pattern that would never match, and a limit that lets nothing through, are mistakes."""
    assert [path] == list(refused(records(policies=[wrong])))


def test_all_problems_are_reported_at_once() -> None:
    """An operator sees every problem of every record in one run."""
    reasons = refused(
        records(
            [account("a", weight=-1.0), account("a", provider="anthropic", credential="env:NONE")],
            [model("m", TargetRecord(pool="none", model="x")), model("m")],
            [KeyRecord(id="k", value="env:KEY"), KeyRecord(id="k", value="env:KEY", policy="none")],
            [PolicyRecord(id="p"), PolicyRecord(id="p")],
        )
    )
    expected = {
        "accounts[0].weight",
        "accounts[1].id",
        "accounts[1].pool",
        "accounts[1].credential",
        "models[0].targets[0].pool",
        "models[1].name",
        "keys[1]",
        "keys[1].id",
        "keys[1].policy",
        "policies[1].id",
    }
    assert expected == set(reasons)


def test_a_refusal_shows_no_secret() -> None:
    """Whatever is wrong, no text of a refusal holds a secret or what was pasted in its place."""
    wrong = records(
        [account(credential="env:BROKEN"), account("b", base_url="sk-pasted")],
        keys=[KeyRecord(id="k", hash="gw-pasted")],
    )
    with pytest.raises(Refused) as caught:
        compile_catalog(wrong, reveal)
    assert [] == [word for word in ("two words", "sk-", "gw-pasted") if word in caught.value.message]


FULL: Mapping[str, Any] = {
    "accounts": [account("a"), account("b", credential="env:B")],
    "models": [model("m"), model("n/*")],
    "keys": [KeyRecord(id="k", value="env:KEY"), KeyRecord(id="l", hash=HASH)],
    "policies": [PolicyRecord(id="p"), PolicyRecord(id="q")],
}


def test_the_version_does_not_hang_on_order() -> None:
    """The same records in another order are the same catalog."""
    turned = {name: list(reversed(items)) for name, items in FULL.items()}
    assert compile_catalog(records(**FULL), reveal).version == compile_catalog(records(**turned), reveal).version


@pytest.mark.parametrize(
    "change",
    [
        {"accounts": [account("a"), account("b", credential="env:A")]},
        {"accounts": [account("a", weight=2.0), account("b", credential="env:B")]},
        {"models": [model("m")]},
        {"keys": [KeyRecord(id="k", value="env:KEY", enabled=False), KeyRecord(id="l", hash=HASH)]},
        {"policies": [PolicyRecord(id="p", hide_accounts=True), PolicyRecord(id="q")]},
    ],
)
def test_the_version_changes_with_the_content(change: dict[str, Any]) -> None:
    """Any change of what is served, also of a secret alone, is a new version."""
    before = compile_catalog(records(**FULL), reveal).version
    assert before != compile_catalog(records(**{**FULL, **change}), reveal).version


def test_records_can_be_shown() -> None:
    """A record holds references only, so its JSON has no secret."""
    text = msgspec.json.encode(records(**FULL))
    assert [] == [secret for secret in SECRETS.values() if secret and secret.encode() in text]
