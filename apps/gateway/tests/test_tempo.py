from __future__ import annotations

import time

from llmgw_gateway.tempo import Tempo


def test_time_is_what_it_is() -> None:
    """Unless it is scaled."""
    tempo = Tempo()
    assert abs(tempo.clock() - time.monotonic()) < 1
    assert abs(tempo.wall() - time.time()) < 1
    assert 5.0 == tempo.real(5.0)


def test_scaled_time_runs_faster() -> None:
    """All of its clocks alike, and what is a time in one process is that in another."""
    tempo = Tempo(1000.0)
    began = (tempo.clock(), tempo.wall(), time.monotonic())
    time.sleep(0.02)
    passed = time.monotonic() - began[2]
    for told in (tempo.clock() - began[0], tempo.wall() - began[1]):
        assert 0.5 * passed < told / 1000 < 2 * passed
    assert abs(Tempo(1000.0).wall() - tempo.wall()) < 100
    assert 0.005 == tempo.real(5.0)
