import pytest

from llmgw_domain.errors import AccountRejected
from llmgw_pool.signer import Signature, bearer


def test_a_token_is_a_bearer():
    """Its text is secret, and headers may stand beside it."""
    assert Signature((("authorization", "Bearer t"), ("x-a", "b")), ("t",)) == bearer("t", ("x-a", "b"))


@pytest.mark.parametrize("text", ["", "a b", "a\r\nx: y", "ä"])
def test_a_token_that_no_header_holds_rejects_the_account(text):
    """What an issuer sends can't add a header to ours, and is not repeated."""
    with pytest.raises(AccountRejected) as caught:
        bearer(text)
    assert "the access token holds characters that can't be sent in a header" == caught.value.detail


def test_a_signature_does_not_print():
    """Its headers are named, their values are not shown."""
    assert "<Signature authorization, x-a>" == repr(bearer("s3cret", ("x-a", "b")))
