import pytest

from llmgw_eventstore import ClockOff, Cursor, StoreAway, TimelineChanged
from llmgw_eventstore.memory import MemoryStore
from llmgw_eventstore.testing import BEGINNING, StoreConformance, contents, make_event, make_events, read_all


class TestMemoryStore(StoreConformance):
    @pytest.fixture
    def store(self):
        return MemoryStore(wall=lambda: BEGINNING + 100)


def at(seconds):
    return make_event(1, kind="state.written", hlc=int(seconds * 1000) << 16)


async def test_the_tolerance_of_clocks_is_exact():
    """A stamp at the bound is taken, one behind it is not."""
    store = MemoryStore(wall=lambda: 1000.0, tolerance=60.0)
    with pytest.raises(ClockOff) as refusal:
        await store.append("state", [at(1060.002)])
    assert "event " + at(0).id + " of node n1 is 60 s ahead" in str(refusal.value)
    assert 1 == (await store.append("state", [at(1060.0)])).fresh


async def test_a_store_that_is_away_says_so():
    """Every call is refused, and what was there is there again when the store is back."""
    store = MemoryStore()
    await store.append("fact", make_events([1]))
    store.away = True
    for attempt in (
        lambda: store.append("fact", make_events([2])),
        lambda: store.read("fact", Cursor(), 1),
        lambda: store.wait("fact", Cursor(), 1.0),
        lambda: store.save_snapshot("a", Cursor(), b""),
        lambda: store.load_snapshot("a"),
    ):
        with pytest.raises(StoreAway, match="Repeat it later"):
            await attempt()
    store.away = False
    assert contents(make_events([1])) == contents(await read_all(store, "fact"))


async def test_a_standby_that_had_not_heard_everything_takes_over():
    """Old cursors are refused, what was lost can be offered again, and readers who waited are woken."""
    store = MemoryStore()
    before = await store.append("fact", make_events([1, 2, 3]))
    store.fail_over("fact", 1)
    with pytest.raises(TimelineChanged):
        await store.read("fact", before.cursor, 10)
    offered = await store.append("fact", make_events([3, 2, 1]))
    assert (2, Cursor(2, 3)) == (offered.fresh, offered.cursor)
    assert contents(make_events([1, 3, 2])) == contents(await read_all(store, "fact"))
    assert "<MemoryStore timeline=2 state=0 fact=3>" == repr(store)
