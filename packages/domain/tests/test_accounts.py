from llmgw_domain import Secret


def test_a_secret_does_not_print():
    """Neither repr, str nor a format string shows the credential; only reveal does."""
    secret = Secret("sk-live")
    assert [repr(secret), str(secret), f"{secret}"] == ["Secret(***)"] * 3
    assert (secret.reveal(), bool(secret), bool(Secret(""))) == ("sk-live", True, False)
    assert secret == Secret("sk-live")
    assert len({secret, Secret("sk-live"), Secret("x")}) == 2
