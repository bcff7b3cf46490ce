import asyncio

from llmgw_pool.watch import Watch


class Clock:
    """A loop's timers, by hand."""

    def __init__(self):
        self.now = 0.0
        self.timers = []

    def time(self):
        return self.now

    def call_at(self, when, callback):
        handle = asyncio.TimerHandle(when, callback, (), self)
        self.timers.append(handle)
        return handle

    def get_debug(self):
        return False

    def _timer_handle_cancelled(self, handle):
        self.timers.remove(handle)

    def advance(self, to):
        self.now = to
        for handle in [t for t in self.timers if t.when() <= to]:
            self.timers.remove(handle)
            handle._run()


def watched():
    clock, fired = Clock(), []
    return clock, fired, Watch(clock, lambda: fired.append(clock.now))


def test_a_deadline_that_moves_fires_at_its_last_place():
    """Re-arming later starts no timer; the running one finds out and waits on."""
    clock, fired, watch = watched()
    for at in (10, 11, 12):
        watch.arm(at)
    assert len(clock.timers) == 1
    clock.advance(10)
    assert fired == []
    clock.advance(12)
    assert (fired, clock.timers) == ([12], [])


def test_an_earlier_deadline_replaces_the_timer():
    """Re-arming earlier fires early."""
    clock, fired, watch = watched()
    watch.arm(10)
    watch.arm(5)
    clock.advance(5)
    assert (fired, clock.timers) == ([5], [])


def test_disarmed_and_closed_watches_are_silent():
    """A disarmed watch lets its timer run out unheard; a closed one has none."""
    clock, fired, watch = watched()
    watch.arm(10)
    watch.disarm()
    clock.advance(10)
    assert (fired, clock.timers) == ([], [])
    watch.arm(20)
    assert repr(watch) == "<Watch deadline=20 timer=on>"
    watch.close()
    watch.close()
    assert (fired, clock.timers) == ([], [])
