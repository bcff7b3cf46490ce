from __future__ import annotations

from typing import Any

import pytest

from llmgw_control import AccountRecord
from llmgw_control._platforms import address, platform, server
from llmgw_control._report import Report
from llmgw_domain import Provider, Secret
from llmgw_domain.accounts import Ambient, AwsKeys, Platform, ServiceAccount
from llmgw_domain.servers import GENERIC, Server

KEY = Secret("k")
AWS = AwsKeys(access_key_id="A", secret_access_key=Secret("s"))
ROBOT = ServiceAccount(client_email="e", private_key=Secret("p"), project="from-file")
STRANGER = ServiceAccount(client_email="e", private_key=Secret("p"))


def place(provider: str, credential: Any = KEY, **given: Any) -> tuple[Platform, dict[str, str]]:
    report = Report()
    record = AccountRecord(id="a", provider=provider, pool="p", **given)
    made = platform(report, record, Provider(provider), credential)
    return made, {reason.path: reason.message for reason in report.reasons}


# --- what a provider has ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "owner"),
    [
        ("region", "us-east-1", "bedrock"),
        ("project", "p", "vertex"),
        ("location", "global", "vertex"),
        ("api_version", "v1", "azure"),
        ("deployments", {"m": "d"}, "azure"),
        ("server", "vllm", "openai-compatible"),
    ],
)
def test_a_key_of_another_provider_is_refused(key: str, value: Any, owner: str) -> None:
    """What would have no effect is not passed over in silence."""
    for other in Provider:
        reasons = place(other.value, **{key: value})[1]
        said = f"means nothing to {other.value!r}; only accounts of {owner!r} have it"
        assert (said == reasons.get(key)) == (other.value != owner)


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "openai-compatible"])
def test_some_providers_have_one_place(provider: str) -> None:
    """Nothing is asked for there."""
    assert (Platform(), {}) == place(provider)


# --- Azure ------------------------------------------------------------------------------------------------------------


def test_azure_s_version_and_deployments() -> None:
    """The version defaults to that without a date."""
    assert (Platform(api_version="v1"), {}) == place("azure")
    given = {"api_version": "2024-10-21", "deployments": {"gpt-4.1": "chat"}}
    assert (Platform(**given), {}) == place("azure", **given)


@pytest.mark.parametrize(
    ("given", "path", "words"),
    [
        ({"api_version": "2024"}, "api_version", "must be 'v1', 'preview', or a date such as '2024-10-21', not '2024'"),
        ({"api_version": ""}, "api_version", "not ''"),
        ({"deployments": {"m": ""}}, "deployments.m", "visible ASCII"),
        ({"deployments": {"m": "a b"}}, "deployments.m", "visible ASCII"),
    ],
)
def test_a_wrong_azure_account(given: dict[str, Any], path: str, words: str) -> None:
    """A version that no path has, and a deployment that no name can be."""
    reasons = place("azure", **given)[1]
    assert [path] == list(reasons)
    assert words in reasons[path]


# --- Vertex -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("credential", "given", "expected"),
    [
        (ROBOT, {"location": "global"}, Platform(project="from-file", location="global")),
        (ROBOT, {"location": "eu", "project": "mine"}, Platform(project="mine", location="eu")),
        (Ambient(), {"location": "us-central1", "project": "p"}, Platform(project="p", location="us-central1")),
        (KEY, {}, Platform()),
        (KEY, {"project": "p", "location": "us"}, Platform(project="p", location="us")),
    ],
)
def test_a_vertex_account_has_a_project_and_a_location(credential: Any, given: Any, expected: Platform) -> None:
    """The project is configured or the file's; an API key alone needs neither."""
    assert (expected, {}) == place("vertex", credential, **given)


@pytest.mark.parametrize(
    ("credential", "given", "paths"),
    [
        (ROBOT, {}, ["location"]),
        (STRANGER, {"location": "global"}, ["project"]),
        (Ambient(), {}, ["project", "location"]),
        (KEY, {"project": "p"}, ["location"]),
        (None, {}, ["location"]),
        (ROBOT, {"location": "US Central"}, ["location"]),
        (ROBOT, {"location": "x.evil.example/"}, ["location"]),
        (ROBOT, {"location": "global", "project": "a/b"}, ["project"]),
    ],
)
def test_what_a_vertex_account_lacks(credential: Any, given: Any, paths: list[str]) -> None:
    """What the paths need is asked for, and nothing that would lead elsewhere is taken."""
    assert paths == list(place("vertex", credential, **given)[1])


# --- Bedrock ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("credential", "given", "region"),
    [
        (AWS, {"region": "eu-west-1"}, "eu-west-1"),
        (Ambient(), {"base_url": "https://bedrock-runtime.eu-west-1.amazonaws.com"}, "eu-west-1"),
        (AWS, {"base_url": "https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com/"}, "us-east-1"),
        (AWS, {"base_url": "https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com"}, "us-gov-west-1"),
        (AWS, {"base_url": "https://proxy.example", "region": "us-east-1"}, "us-east-1"),
        (KEY, {"base_url": "https://proxy.example"}, None),
    ],
)
def test_a_bedrock_account_has_a_region(credential: Any, given: Any, region: str | None) -> None:
    """Configured, or read from the host; a key that signs nothing behind a proxy needs none."""
    assert (Platform(region=region), {}) == place("bedrock", credential, **given)


@pytest.mark.parametrize(
    ("credential", "given"),
    [
        (AWS, {}),
        (KEY, {}),
        (AWS, {"base_url": "https://proxy.example"}),
        (AWS, {"base_url": "https://proxy.example/bedrock.eu-west-1.x"}),
        (AWS, {"region": "US"}),
        (AWS, {"region": "x.evil.example/"}),
    ],
)
def test_what_a_bedrock_account_lacks(credential: Any, given: Any) -> None:
    """A region that is nowhere to be found, or is none."""
    assert ["region"] == list(place("bedrock", credential, **given)[1])


# --- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "place", "expected"),
    [
        ("openai", Platform(), "https://api.openai.com/v1"),
        ("anthropic", Platform(), "https://api.anthropic.com"),
        ("google", Platform(), "https://generativelanguage.googleapis.com"),
        ("azure", Platform(), None),
        ("openai-compatible", Platform(), None),
        ("vertex", Platform(), "https://aiplatform.googleapis.com"),
        ("vertex", Platform(location="global"), "https://aiplatform.googleapis.com"),
        ("vertex", Platform(location="us"), "https://aiplatform.us.rep.googleapis.com"),
        ("vertex", Platform(location="eu"), "https://aiplatform.eu.rep.googleapis.com"),
        ("vertex", Platform(location="us-central1"), "https://us-central1-aiplatform.googleapis.com"),
        ("bedrock", Platform(region="us-east-1"), "https://bedrock-runtime.us-east-1.amazonaws.com"),
        ("bedrock", Platform(region="cn-north-1"), "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_where_the_provider_s_own_sdk_goes(provider: str, place: Platform, expected: str | None) -> None:
    """By location and region; where only the operator can know it there is none."""
    assert expected == address(Provider(provider), place)


def test_a_server_is_looked_up_by_its_name() -> None:
    """One that nobody described is told, with the nearest name; none is the generic one."""
    vllm = Server(name="vllm")
    report = Report()
    assert (GENERIC, vllm) == (server(report, None, {}), server(report, "vllm", {"vllm": vllm}))
    assert report.reasons == []
    assert GENERIC == server(report.at("server"), "vlm", {"vllm": vllm})
    assert [("server", "there is no server 'vlm'; did you mean 'vllm'?")] == [
        (r.path, r.message) for r in report.reasons
    ]


def test_the_address_of_a_server() -> None:
    """A public server has one; a server of one's own has none."""
    public = Server(name="s", base_url="https://s/v1")
    assert ("https://s/v1", None) == (
        address(Provider.OPENAI_COMPATIBLE, Platform(), public),
        address(Provider.OPENAI_COMPATIBLE, Platform()),
    )
