from hypothesis import given
from hypothesis import strategies as st

from llmgw_crdt import Clock, hlc_at, seconds_of

moments = st.floats(-1e6, 4e9)


@given(st.lists(st.one_of(moments, st.integers(0, 2**63 - 2**20))))
def test_a_clock_never_runs_backwards(events):
    """Whatever the wall clock does and whatever is heard, each reading is above all that were given or heard before."""
    clock, highest = Clock("a"), 0
    for event in events:
        if isinstance(event, int):
            clock.observe(event, 0.0)
            highest = max(highest, event)
        else:
            reading = clock.tick(event)
            assert reading > highest
            highest = reading


def test_a_reading_says_when():
    """The upper 48 bits are milliseconds since 1970; what comes within one millisecond is counted below."""
    clock = Clock("a")
    first, second = clock.tick(1000.0015), clock.tick(1000.0015)
    assert (1000001 << 16, first + 1, 1000.001) == (first, second, seconds_of(second))
    assert (1000.5, 0) == (seconds_of(hlc_at(1000.5)), hlc_at(-3))
    assert "<Clock a at 1000.001+1>" == repr(clock)


def test_more_readings_than_a_millisecond_holds_run_into_the_next():
    """The counter's overflow stays unique and ordered."""
    clock = Clock("a", hlc_at(5.0) + 0xFFFF)
    assert [hlc_at(5.001), hlc_at(5.001) + 1] == [clock.tick(5.0), clock.tick(5.0)]


def test_a_clock_says_how_far_ahead_somebody_is():
    """`observe` gives the seconds between what was heard and the wall clock."""
    clock = Clock("a")
    assert (30.0, -970.0) == (clock.observe(hlc_at(1030), 1000), clock.observe(hlc_at(30), 1000))
    assert hlc_at(1030) == clock.last


def test_a_restored_clock_goes_on_above_what_it_gave():
    """The last reading of the run before is a floor, even if the wall clock is behind now."""
    assert hlc_at(2000) + 1 == Clock("a", last=hlc_at(2000)).tick(1000)
