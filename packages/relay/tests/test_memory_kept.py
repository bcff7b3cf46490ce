import time

import pytest

from llmgw_relay.memory_kept import MemoryKept
from llmgw_relay.testing import KeepConformance, by_id, drop_of, put_of, touch_of


class TestMemoryKept(KeepConformance):
    @pytest.fixture
    def store(self):
        return MemoryKept(time.time)


def test_memory_is_bounded():
    """The change of longest ago goes first; a record weighs more than its body, so that empty ones count too."""
    kept = MemoryKept(time.time, limit=3000)
    for number in range(5):
        kept.take(put_of(f"x{number}", number, b"x" * 744))
    assert (3, 3000) == (len(kept), kept.size)
    for number in range(20):
        kept.take(drop_of(f"y{number}", number))
    assert (11, 2816) == (len(kept), kept.size)


def test_what_has_gone_leaves_nothing_behind():
    """Neither by its bound nor by its time, once it is looked for."""
    now = time.time()
    kept = MemoryKept(lambda: now, limit=700)
    for number in range(5):
        kept.take(put_of(f"x{number}", number, tenant=f"t{number % 2}"))
    now += 100.0
    assert [] == kept.look(by_id(*(f"x{number}" for number in range(5)), tenant=None))
    assert (0, 0, {}) == (len(kept), kept.size, kept._tenants)


def test_a_touched_record_keeps_its_size():
    """It is the same record."""
    kept = MemoryKept(time.time)
    kept.take(put_of("x", 1, b"12345678"))
    size = kept.size
    kept.take(touch_of("x", 500.0))
    assert (size, 1) == (kept.size, len(kept))
