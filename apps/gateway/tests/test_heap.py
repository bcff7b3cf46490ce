"""What the collector looks at once the state is loaded."""

from __future__ import annotations

import gc

from llmgw_gateway.heap import settle_heap


def test_what_stays_is_passed_over() -> None:
    """The collector no longer sees it; a cycle that is made later is found as ever."""
    kept: list[object] = [[] for _ in range(1000)]
    assert any(each is kept for each in gc.get_objects())
    try:
        settle_heap()
        assert not any(each is kept for each in gc.get_objects())
        cycle: list[object] = []
        cycle.append(cycle)
        del cycle
        assert gc.collect() >= 1
    finally:
        gc.unfreeze()
