import msgspec
import pytest

from llmgw_domain import Account, Provider, Secret
from llmgw_domain.errors import AccountRejected
from llmgw_domain.servers import Server
from llmgw_pool.credentials import credential_header


def account(provider, credential):
    return Account(id="a", provider=provider, base_url="http://h", credential=Secret(credential), pool="p")


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        (Provider.OPENAI, ("authorization", "Bearer k")),
        (Provider.OPENAI_COMPATIBLE, ("authorization", "Bearer k")),
        (Provider.ANTHROPIC, ("x-api-key", "k")),
        (Provider.GOOGLE, ("x-goog-api-key", "k")),
    ],
)
def test_each_provider_has_its_header(provider, expected):
    """A credential goes into the header that its provider reads."""
    assert expected == credential_header(account(provider, "k"))


@pytest.mark.parametrize("provider", list(Provider))
def test_every_provider_is_known(provider):
    """No provider is without a rule, and none sends a header for an empty credential."""
    assert None is credential_header(account(provider, ""))
    assert credential_header(account(provider, "k"))


@pytest.mark.parametrize("credential", ["a\r\nb", "a\nb", "a\0b", "a\x7f"])
def test_control_characters_reject_the_account(credential):
    """A credential that would break out of its line is refused, and the error does not repeat it."""
    with pytest.raises(AccountRejected) as caught:
        credential_header(account(Provider.OPENAI, credential))
    assert caught.value.detail == "account a: credential has control characters"


def test_a_server_may_have_a_header_of_its_own():
    """The bare key stands in it; other kinds of providers keep to theirs."""
    server = Server(name="s", credential_header="x-key")
    compatible = msgspec.structs.replace(account(Provider.OPENAI_COMPATIBLE, "k"), server=server)
    assert ("x-key", "k") == credential_header(compatible)
    assert ("authorization", "Bearer k") == credential_header(account(Provider.OPENAI_COMPATIBLE, "k"))
    assert ("x-api-key", "k") == credential_header(msgspec.structs.replace(compatible, provider=Provider.ANTHROPIC))
