from llmgw_simulator.wire import bearer, lower, rejected


def test_headers_are_read_by_lower_case_name():
    """The first of a repeated one counts."""
    assert {"a": "1"} == lower({"A": "1", "a": "2"})


def test_the_token_of_a_bearer_header():
    """And of no other scheme."""
    found = [bearer({"authorization": value}) for value in ("Bearer k", "bearer  k ", "Basic k", "Bearer ", "")]
    assert ["k", "k", None, None, None] == found
    assert bearer({}) is None


def test_a_credential_that_starts_with_bad_is_rejected():
    """All others are known."""
    assert [True, False] == [rejected("bad-key"), rejected("key")]
