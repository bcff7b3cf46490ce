"""Minutes of silence, packets that are lost, and processes that hang: between a real gateway and a real provider.

Ordinary tests are scaled down to seconds, with settings to match; those marked slow take the defaults and real minutes.
"""

from __future__ import annotations

import itertools
import signal
import time

import pytest

from .network import missing
from .rig import Rig, Stream

WHY = missing()
pytestmark = pytest.mark.skipif(WHY is not None, reason=str(WHY))

transports = pytest.mark.parametrize("transport", ["http1", "http2"])

NO_PROBES = {"tcp_keepalive_idle_seconds": 7200}
NO_PINGS = {"ping_interval_seconds": 0}
FAST_PROBES = {"tcp_keepalive_idle_seconds": 1, "tcp_keepalive_interval_seconds": 1, "tcp_user_timeout_seconds": 2}
FAST_PINGS = {"ping_interval_seconds": 0.5, "ping_timeout_seconds": 1}
FAST = {**FAST_PROBES, **FAST_PINGS}


def rhythm(beats: list[float]) -> list[float]:
    """Seconds before the first heartbeat, and between each two."""
    return [after - before for before, after in itertools.pairwise([0.0, *beats])]


@pytest.mark.parametrize("dialect", ["chat", "messages"])
@transports
def test_a_silent_connection_that_lives(tmp_path, transport, dialect):
    """The stream goes on after its silence, and its client had a heartbeat each second, from before the headers on."""
    with Rig(tmp_path, transport, settings=FAST) as rig:
        rig.faults("think=4.5,late-headers")
        stream = Stream(rig, dialect=dialect)
        stream.join()
        assert stream.complete
        assert 4 == len(stream.beats)
        assert all(0.9 < gap < 1.3 for gap in rhythm(stream.beats))
        assert "ok" == rig.settled()["outcome"]


KEPT = [
    ("http1", {**FAST_PROBES}, True),
    ("http1", {**NO_PROBES}, False),
    ("http2", {**FAST_PINGS, **NO_PROBES}, True),
    ("http2", {**NO_PINGS, **NO_PROBES}, False),
]


@pytest.mark.parametrize(("transport", "settings", "survives"), KEPT)
def test_a_box_that_forgets_silent_flows(tmp_path, transport, settings, survives):
    """HTTP/1.1 is kept by TCP's probes, HTTP/2 by PINGs; without its own, each is lost, and its client told."""
    with Rig(tmp_path, transport, forget=2.0, settings=settings, deadlines={"first_event_seconds": 6}) as rig:
        rig.faults("think=4")
        stream = Stream(rig)
        stream.join()
        assert (survives, not survives) == (stream.complete, stream.broken)
        assert (stream.ended < 5.5) == survives


@pytest.mark.parametrize("fault", ["think=60,late-headers", "think=60", "stall-events=2"])
@transports
def test_packets_that_are_dropped(tmp_path, transport, fault):
    """Nobody says goodbye. It is noticed in time, heartbeats stop before the error, and the account is in doubt."""
    with Rig(tmp_path, transport, settings=FAST, heartbeat=0.5) as rig:
        rig.faults(fault)
        stream = Stream(rig)
        time.sleep(1.2)
        rig.network.drop()
        stream.join()
        assert stream.broken
        assert 1.2 < stream.ended < 1.2 + 5
        assert stream.beats
        assert stream.beats[-1] < stream.ended - 0.5
        line = rig.settled()
        assert ("failed", "a", "upstream_reset") == (line["outcome"], line["account"], line["error_code"])
        assert {'account="a",state="ok"': 1.0} == rig.metric("gateway_account_state"), "one failure opens no circuit"
        assert {0.0} >= set(rig.metric("gateway_upstream_leases").values())


@pytest.mark.parametrize("fault", ["think=60,late-headers", "stall-events=2"])
@transports
def test_a_process_that_hangs(tmp_path, transport, fault):
    """Its kernel answers on. HTTP/2's PING notices in time; over HTTP/1.1 only the deadline does."""
    deadlines = {"headers_seconds": 6, "first_event_seconds": 6, "gap_seconds": 6}
    with Rig(tmp_path, transport, settings=FAST, deadlines=deadlines, heartbeat=0.5) as rig:
        rig.faults(fault)
        stream = Stream(rig)
        time.sleep(1.2)
        rig.simulator.send_signal(signal.SIGSTOP)
        stream.join()
        assert stream.broken
        if transport == "http2":
            assert 1.2 < stream.ended < 1.2 + 3.5
            assert stream.beats[-1] < stream.ended - 0.4
        else:
            assert 5.5 < stream.ended < 8
        assert {'account="a",state="ok"': 1.0} == rig.metric("gateway_account_state"), "one failure opens no circuit"


# --- in real time -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(400)
@transports
def test_five_minutes_of_silence_through_a_forgetful_box(tmp_path, transport):
    """300 s without a byte from the provider, flows forgotten after 30 s, all settings as they are: it completes."""
    with Rig(tmp_path, transport, forget=30.0, heartbeat=10.0) as rig:
        rig.faults("think=300")
        stream = Stream(rig)
        stream.join()
        assert stream.complete
        assert 300 <= stream.ended < 305
        assert 29 <= len(stream.beats) <= 30
        assert all(9.5 < gap < 11 for gap in rhythm(stream.beats))


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize(("transport", "settings"), [("http1", NO_PROBES), ("http2", {**NO_PINGS, **NO_PROBES})])
def test_a_minute_of_silence_without_signs_of_life(tmp_path, transport, settings):
    """The same box takes the stream, if nothing is sent meanwhile."""
    with Rig(tmp_path, transport, forget=30.0, settings=settings, deadlines={"first_event_seconds": 80}) as rig:
        rig.faults("think=60")
        stream = Stream(rig)
        stream.join()
        assert stream.broken


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("fault", ["think=200,late-headers", "stall-events=2"])
@transports
def test_dropped_packets_with_the_usual_settings(tmp_path, transport, fault):
    """The client knows in under 25 s."""
    with Rig(tmp_path, transport, heartbeat=5.0) as rig:
        rig.faults(fault)
        stream = Stream(rig)
        time.sleep(2)
        rig.network.drop()
        stream.join()
        assert stream.broken
        assert stream.ended - 2 < 25
        assert stream.beats[-1] < stream.ended - 4


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("fault", ["think=200,late-headers", "stall-events=2"])
def test_a_process_that_hangs_with_the_usual_settings(tmp_path, fault):
    """The client knows in under 25 s, over HTTP/2."""
    with Rig(tmp_path, "http2", heartbeat=5.0) as rig:
        rig.faults(fault)
        stream = Stream(rig)
        time.sleep(2)
        rig.simulator.send_signal(signal.SIGSTOP)
        stream.join()
        assert stream.broken
        assert stream.ended - 2 < 25


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("engine", ["hypercorn", "uvicorn"])
@pytest.mark.parametrize("fault", ["think=600", "tps=0.8,tokens=90"])
def test_a_client_that_vanishes(tmp_path, engine, fault):
    """Without a goodbye, in silence and in the middle of its stream: its call is given up within 100 s."""
    with Rig(tmp_path, "http1", engine=engine, heartbeat=10.0, far_clients=True) as rig:
        rig.faults(fault)
        Stream(rig)
        time.sleep(2)
        assert {'transport="http1",account="a"': 1.0} == rig.metric("gateway_upstream_leases")
        rig.network.drop()
        began = time.monotonic()
        line = rig.settled(100)
        assert time.monotonic() - began < 100
        assert "cancelled" == line["outcome"]
        assert {0.0} >= set(rig.metric("gateway_upstream_leases").values())
