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


def test_a_policy_opens_endpoints_by_name_or_all_at_once():
    """Nothing beyond models is open unless the policy says so."""
    assert not Policy().allows_endpoint("files")
    assert Policy(endpoints=("files",)).allows_endpoint("files")
    assert not Policy(endpoints=("files",)).allows_endpoint("images")
    assert Policy(endpoints=("*",)).allows_endpoint("images")
