import msgspec
import pytest

from llmgw_domain import Account, Provider, Secret
from llmgw_domain.accounts import Ambient, AwsKeys, ServiceAccount


def test_a_secret_does_not_print():
    """Neither repr, str nor a format string shows the credential; only reveal does."""
    secret = Secret("sk-live")
    assert [repr(secret), str(secret), f"{secret}"] == ["Secret(***)"] * 3
    assert (secret.reveal(), bool(secret), bool(Secret(""))) == ("sk-live", True, False)
    assert secret == Secret("sk-live")
    assert len({secret, Secret("sk-live"), Secret("x")}) == 2


def test_an_account_knows_every_text_that_must_not_be_shown():
    """Whatever kind its credential is: keys, tokens and private keys are secrets, ids and addresses are not."""

    def secrets(credential):
        return Account(id="a", provider=Provider.OPENAI, base_url="", credential=credential, pool="p").secrets()

    aws = AwsKeys(access_key_id="AKIA", secret_access_key=Secret("s3"), session_token=Secret("tok"))
    google = ServiceAccount(client_email="a@b", private_key=Secret("pem"))
    assert ("sk",) == secrets(Secret("sk"))
    assert () == secrets(Secret(""))
    assert ("s3", "tok") == secrets(aws)
    assert ("pem",) == secrets(google)
    assert () == secrets(Ambient())


def test_openai_s_own_api_is_served_by_three_kinds():
    """Files, batches, images and audio exist at OpenAI, Azure and compatible servers alone."""
    assert [p.value for p in Provider if p.speaks_openai] == ["openai", "azure", "openai-compatible"]
    assert ["openai", "azure"] == [p.value for p in Provider if p.is_openai]


@pytest.mark.parametrize(
    ("provider", "base_url", "expected"),
    [
        ("anthropic", "https://api.anthropic.com", ""),
        ("anthropic", "https://name.services.ai.azure.com/anthropic", "foundry"),
        ("anthropic", "https://bedrock-mantle.eu-west-1.api.aws/anthropic", "mantle"),
        ("azure", "https://name.services.ai.azure.com", ""),
    ],
)
def test_cloud(provider: str, base_url: str, expected: str) -> None:
    """Anthropic's API is told from that of a cloud by its address."""
    account = Account(id="a", provider=Provider(provider), base_url=base_url, credential=Secret("x"), pool="p")
    assert expected == account.cloud


def test_what_drains_still_serves_its_own() -> None:
    """For calls about what it keeps an account is as it would be without draining; disabled stays disabled."""
    plain = Account(id="a", provider=Provider.OPENAI, base_url="http://x", credential=Secret("x"), pool="p")
    assert plain is plain.for_its_own()
    assert plain == msgspec.structs.replace(plain, drain=True).for_its_own()
    off = msgspec.structs.replace(plain, drain=True, enabled=False)
    assert (False, False) == (off.for_its_own().drain, off.for_its_own().enabled)
