import msgspec
import pytest

from llmgw_domain import Account, Provider, Secret
from llmgw_domain.accounts import Ambient, AwsKeys, Platform, ServiceAccount
from llmgw_domain.errors import AccountRejected
from llmgw_pool.signer import Signature, Unsigned
from llmgw_pool.signing import Signers

AWS = AwsKeys(access_key_id="AKIA", secret_access_key=Secret("s"))
ROBOT = ServiceAccount(client_email="e", private_key=Secret("pem"))
REQUEST = Unsigned("POST", "http://h/", {}, b"")


def account(provider, credential, **more):
    return Account(id="a", provider=Provider(provider), base_url="http://h", credential=credential, pool="p", **more)


@pytest.fixture
def signers():
    return Signers(lambda request: pytest.fail("nothing is to be asked"), 1.0)


@pytest.mark.parametrize(
    ("provider", "credential", "kind"),
    [
        ("openai", Secret("k"), "<KeySigner a>"),
        ("vertex", Secret("k"), "<KeySigner a>"),
        ("bedrock", Secret("k"), "<KeySigner a>"),
        ("bedrock", AWS, "<AwsSigner a>"),
        ("bedrock", Ambient(), "<AwsSigner a, from the chain>"),
        ("vertex", ROBOT, "<TokenSigner <Tokens None, 0 fetched>>"),
        ("vertex", Ambient(), "<TokenSigner <Tokens None, 0 fetched>>"),
    ],
)
def test_each_credential_has_its_signer(signers, provider, credential, kind):
    """By its kind, and for what the provider takes."""
    assert kind == repr(signers.of(account(provider, credential)))


@pytest.mark.parametrize("credential", [AWS, ROBOT, Ambient()])
@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "azure", "openai-compatible"])
def test_a_credential_of_another_provider_rejects_the_account(signers, provider, credential):
    """It is refused with a reason, and nothing is sent."""
    with pytest.raises(AccountRejected) as caught:
        signers.of(account(provider, credential))
    assert "account a: its provider is not asked with such a credential" == caught.value.detail


@pytest.mark.parametrize(
    ("provider", "key", "expected"),
    [
        ("bedrock", "k", (("authorization", "Bearer k"),)),
        ("vertex", "k", (("x-goog-api-key", "k"),)),
        ("azure", "k", (("api-key", "k"),)),
        ("openai-compatible", "", ()),
    ],
)
async def test_a_key_is_a_header(signers, provider, key, expected):
    """A signature of a key is its header, or none, and can't be had anew."""
    signer = signers.of(account(provider, Secret(key)))
    signature = await signer.sign(REQUEST)
    assert (Signature(expected), False) == (signature, signer.refused(signature))


def test_a_signer_is_kept_while_its_credential_is_the_same(signers):
    """Another weight or address changes nothing; another key or region does."""
    first = account("bedrock", AWS, platform=Platform(region="r"))
    signer = signers.of(first)
    assert signer is signers.of(msgspec.structs.replace(first, weight=2.0, base_url="http://other"))
    moved = msgspec.structs.replace(first, platform=Platform(region="s"))
    assert signer is not signers.of(moved)
    assert signers.of(moved) is not signers.of(msgspec.structs.replace(moved, credential=Ambient()))
