import hashlib

from llmgw_domain import ClientKey, Policy


def test_a_policy_allows_names_and_prefixes():
    """None allows all; names must be equal, and a star allows what begins like it."""
    policy = Policy(models=("gpt", "openai/*"))
    assert [policy.allows(m) for m in ("gpt", "gpt-2", "openai/", "openai/x", "x")] == [True, False, True, True, False]
    assert Policy().allows("anything")


def test_digests_are_sha256_of_the_text():
    """A stored hash can be made with any tool."""
    assert ClientKey.digest_of("gw-é") == hashlib.sha256("gw-é".encode()).digest()
