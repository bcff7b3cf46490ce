from __future__ import annotations

from typing import Any

import msgspec
import pytest

from llmgw_control import AccountRecord, Unrevealed
from llmgw_control._credentials import credential, revealed
from llmgw_control._report import Report
from llmgw_control.records import AwsKeysRecord
from llmgw_domain import Provider, Secret
from llmgw_domain.accounts import Ambient, AwsKeys, ServiceAccount

PEM = "-----BEGIN PRIVATE KEY-----\nbm90IGEga2V5\n-----END PRIVATE KEY-----\n"
FILE: dict[str, Any] = {
    "type": "service_account",
    "project_id": "p",
    "private_key_id": "k1",
    "private_key": PEM,
    "client_email": "gw@p.iam.gserviceaccount.com",
    "client_id": "1",
    "token_uri": "https://tokens.example/token",
}


def read(text: str | None, provider: str, given: Any = "env:A", **more: str) -> tuple[Any, dict[str, str]]:
    """What `env:A` (and `more`) lead to as an account's credential, and the reasons by path."""
    report = Report()
    secrets = {"env:A": text, **more}

    def reveal(reference: str) -> Secret:
        found = secrets.get(reference)
        if found is None:
            raise Unrevealed(f"nothing is at {reference}")
        return Secret(found)

    record = AccountRecord(id="a", provider=provider, pool="p", credential=given)
    made = credential(report.at("credential"), record, Provider(provider), reveal)
    return made, {reason.path: reason.message for reason in report.reasons}


def service_account(**changes: Any) -> str:
    fields = {name: value for name, value in {**FILE, **changes}.items() if value is not None}
    return msgspec.json.encode(fields).decode()


# --- one reference ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", [p.value for p in Provider])
def test_a_key_is_one_secret(provider: str) -> None:
    """Every provider can be known by a key alone: Vertex in express mode, Bedrock by its own API keys."""
    assert (Secret("some-key"), {}) == read("some-key", provider)


@pytest.mark.parametrize("text", ["ABSKQmVkcm9ja0FQSUtleS1:odd=", "bedrock-api-key-YmVk:rock", "ABSKQmVkcm9jaw=="])
def test_a_bedrock_key_is_known_by_its_shape(text: str) -> None:
    """A key of Bedrock's own is sent as it is, whatever characters it has."""
    assert (Secret(text), {}) == read(text, "bedrock")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AKIA1:s/e+c=", AwsKeys(access_key_id="AKIA1", secret_access_key=Secret("s/e+c="))),
        (
            "ASIA1:secret:tok/en==",
            AwsKeys(access_key_id="ASIA1", secret_access_key=Secret("secret"), session_token=Secret("tok/en==")),
        ),
    ],
)
def test_an_aws_key_in_one_text(text: str, expected: AwsKeys) -> None:
    """ID:SECRET, with a third part for a temporary one."""
    assert (expected, {}) == read(text, "bedrock")


@pytest.mark.parametrize("text", ["AKIA:", ":s", "AKIA:s:", "a:b:c:d", "AKIA::t"])
def test_an_aws_key_with_a_part_missing_is_refused(text: str) -> None:
    """A text with colons that is no AWS key is told from a key of Bedrock's."""
    made, reasons = read(text, "bedrock")
    assert (None, ["credential"]) == (made, list(reasons))
    assert "ID:SECRET or ID:SECRET:TOKEN" in reasons["credential"]


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "azure", "openai-compatible", "vertex"])
def test_a_colon_means_nothing_elsewhere(provider: str) -> None:
    """Only Bedrock has credentials of several parts in one text."""
    assert (Secret("a:b"), {}) == read("a:b", provider)


@pytest.mark.parametrize("provider", ["vertex", "bedrock"])
def test_default_is_what_the_cloud_s_chain_finds(provider: str) -> None:
    """It is no reference, so nothing is looked up."""
    assert (Ambient(), {}) == read(None, provider, "default")


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "azure", "openai-compatible"])
def test_default_needs_a_chain(provider: str) -> None:
    """A provider without one is told what to give instead."""
    made, reasons = read(None, provider, "default")
    assert made is None
    assert "'default' is for providers with a chain of credentials of their own" in reasons["credential"]


def test_what_is_missing() -> None:
    """Only a server of one's own can be without a credential."""
    assert (Secret(""), {}) == read(None, "openai-compatible", None)
    assert "missing" in read(None, "azure", None)[1]["credential"]
    assert "account 'a': nothing is at env:B" == read(None, "azure", "env:B")[1]["credential"]


# --- a table of AWS keys ----------------------------------------------------------------------------------------------


def test_a_table_of_references() -> None:
    """Each part of an AWS key from a place of its own."""
    table = AwsKeysRecord(access_key_id="env:A", secret_access_key="env:B", session_token="env:C")
    expected = AwsKeys(access_key_id="id", secret_access_key=Secret("key"), session_token=Secret("token"))
    assert (expected, {}) == read("id", "bedrock", table, **{"env:B": "key", "env:C": "token"})
    short = AwsKeysRecord(access_key_id="env:A", secret_access_key="env:B")
    assert (
        AwsKeys(access_key_id="id", secret_access_key=Secret("key"))
        == read("id", "bedrock", short, **{"env:B": "key"})[0]
    )


def test_every_part_that_is_wrong_is_told() -> None:
    """Each at its own path."""
    table = AwsKeysRecord(access_key_id="env:A", secret_access_key="env:B", session_token="env:C")
    made, reasons = read("two words", "bedrock", table, **{"env:C": ""})
    assert made is None
    assert {
        "credential.access_key_id": "account 'a': the secret holds white space or a character that can't be sent in a "
        "header",
        "credential.secret_access_key": "account 'a': nothing is at env:B",
        "credential.session_token": "account 'a': the secret is empty",
    } == reasons


def test_a_table_is_bedrock_s() -> None:
    """Other providers have no AWS keys."""
    table = AwsKeysRecord(access_key_id="env:A", secret_access_key="env:A")
    assert "is for 'bedrock'; for 'openai' give one reference" in read("k", "openai", table)[1]["credential"]


# --- service accounts -------------------------------------------------------------------------------------------------


def test_a_service_account_s_file() -> None:
    """What Google's console gives, with the project and the address of its tokens."""
    expected = ServiceAccount(
        client_email="gw@p.iam.gserviceaccount.com",
        private_key=Secret(PEM),
        private_key_id="k1",
        token_url="https://tokens.example/token",
        project="p",
    )
    assert (expected, {}) == read("\n" + service_account(), "vertex")


def test_what_a_file_may_leave_out() -> None:
    """The project is then configured; tokens come from Google."""
    made, _ = read(service_account(project_id=None, token_uri=None, private_key_id=None), "vertex")
    assert (None, "https://oauth2.googleapis.com/token", "") == (made.project, made.token_url, made.private_key_id)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not the JSON of a service account"),
        ("{}", "missing required field `type`"),
        (service_account(client_email=5), "`$.client_email`"),
        (service_account(type="authorized_user"), "type must be 'service_account'"),
        (service_account(client_email=""), "client_email is empty"),
        (service_account(private_key="bm90IGEga2V5"), "private_key is not in PEM"),
        (service_account(token_uri="file:///etc/passwd"), "token_uri must start with http:// or https://"),
    ],
)
def test_a_file_that_can_t_serve_is_refused(text: str, words: str) -> None:
    """With what is wrong in it, and without a piece of its key."""
    made, reasons = read(text, "vertex")
    assert made is None
    assert words in reasons["credential"]
    assert "bm90IGEga2V5" not in reasons["credential"]


def test_a_client_s_key_is_revealed_in_the_same_way() -> None:
    """One rule for what a header can hold."""
    report = Report()
    assert Secret("k") == revealed(report, "key 'k'", "env:A", lambda _: Secret("k"))
    assert revealed(report.at("keys[0]"), "key 'k'", "env:A", lambda _: Secret("a b")) is None
    assert ["keys[0]"] == [reason.path for reason in report.reasons]
