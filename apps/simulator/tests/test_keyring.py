from llmgw_simulator.keyring import Keyring


def test_an_unknown_access_key_has_a_secret_that_follows_from_it():
    """So that tests need no configuration; one that is set has no other."""
    keyring = Keyring(aws={"AKID1": "chosen"})
    assert ("chosen", "secret-of-AKID2") == (keyring.aws_secret("AKID1"), keyring.aws_secret("AKID2"))
