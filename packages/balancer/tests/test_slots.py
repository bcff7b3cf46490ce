from hypothesis import given
from hypothesis import strategies as st

from llmgw_balancer import Slots


def test_a_lease_is_given_back_once():
    """Releasing twice does not free somebody else's place."""
    slots = Slots()
    first, second = slots.take("a"), slots.take("a")
    first.release()
    first.release()
    assert (slots.held("a"), first.held, second.held) == (1, False, True)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5))))
def test_counters_return_to_zero_and_never_go_below(steps):
    """After every lease is released, however often, the counters are zero."""
    slots, leases = Slots(), []
    for account, releases in steps:
        leases.append(slots.take(account))
        for lease in leases[:releases]:
            lease.release()
        assert slots.total >= 0
    for lease in leases:
        lease.release()
    assert (slots.total, repr(slots)) == (0, "<Slots {}>")
