from llmgw_eventstore import ClockOff, Cursor, StoreAway, StoreError, TimelineChanged
from llmgw_eventstore.testing import make_event


def test_cursors_order_by_timeline_then_position():
    """A cursor of a later timeline is further, whatever its position."""
    assert sorted([Cursor(2, 1), Cursor(1, 9), Cursor()]) == [Cursor(0, 0), Cursor(1, 9), Cursor(2, 1)]


def test_errors_say_what_to_do():
    """Each refusal is a StoreError whose text tells the reader the next step."""
    assert "can't be reached" in str(StoreAway())
    assert "connection refused" == str(StoreAway("connection refused"))
    assert "set that node's clock" in str(ClockOff(make_event(1), 90.0))
    assert "read again from the beginning" in str(TimelineChanged(2, 1))
    assert all(issubclass(kind, StoreError) for kind in (StoreAway, ClockOff, TimelineChanged))
