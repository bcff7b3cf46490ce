import uuid

from hypothesis import given
from hypothesis import strategies as st

from llmgw_domain import uuid7


@given(st.floats(0, 2**40), st.integers(0, 2**80))
def test_ids_are_uuids_of_version_7(now, rand):
    """The text is a valid UUIDv7 whose first 48 bits are the time in milliseconds (RFC 9562, 5.7)."""
    parsed = uuid.UUID(uuid7(now, rand))
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert parsed.int >> 80 == int(now * 1000) & (2**48 - 1)


@given(st.integers(0, 2**74 - 1), st.integers(0, 2**74 - 1))
def test_chance_is_not_lost(a, b):
    """Two ids of the same time differ if their 74 random bits do."""
    assert (uuid7(1.0, a) == uuid7(1.0, b)) == (a == b)
