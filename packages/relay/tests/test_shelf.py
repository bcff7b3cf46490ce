from hypothesis import given
from hypothesis import strategies as st

from llmgw_relay.shelf import Shelf


def test_the_longest_unused_goes_first():
    """Reading is using."""
    shelf: Shelf[str, int] = Shelf(lambda: 0.0, limit=2, ttl=1.0)
    shelf.put("a", 1)
    shelf.put("b", 2)
    shelf.get("a")
    shelf.put("c", 3)
    assert [1, None, 3] == [shelf.get(key) for key in "abc"]
    assert [3, 1] == list(shelf.latest())


def test_what_is_larger_than_the_shelf_is_not_kept():
    """Nor does it push everything else out for good."""
    shelf: Shelf[str, int] = Shelf(lambda: 0.0, limit=5, ttl=1.0, size_of=lambda value: value)
    shelf.put("a", 9)
    assert (0, 0, None) == (len(shelf), shelf.size, shelf.get("a"))


def test_a_value_expires():
    """It counts no more once it was looked for."""
    now = 0.0
    shelf: Shelf[str, int] = Shelf(lambda: now, limit=5, ttl=1.0)
    shelf.put("a", 1)
    now = 2.0
    assert [] == list(shelf.latest())
    assert (None, 0) == (shelf.get("a"), shelf.size)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 4), st.booleans())))
def test_the_size_is_always_that_of_what_is_there(steps):
    """Whatever is put, replaced and taken, it never goes over the limit."""
    shelf: Shelf[str, int] = Shelf(lambda: 0.0, limit=6, ttl=1.0, size_of=lambda value: value)
    for key, value, put in steps:
        if put:
            shelf.put(key, value)
        else:
            shelf.pop(key)
        assert sum(shelf.latest()) == shelf.size <= 6
