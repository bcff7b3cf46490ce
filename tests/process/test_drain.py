"""SIGTERM drains: what is in flight ends in good order within its time, and nothing new comes in."""

from __future__ import annotations

import http.client
import signal
import time

import msgspec
import pytest

AUTH = {"authorization": "Bearer gw-client", "content-type": "application/json"}
TICKING = ("--tps", "40", "--tokens", "60")
"""A stream of a second and a half."""
LONG = ("--tps", "5", "--tokens", "500")


@pytest.fixture(params=["hypercorn", "uvicorn"])
def engine(request):
    return request.param


def ask(gateway, *, stream: bool = True) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = gateway.connect()
    body = {"model": "gpt", "stream": stream, "messages": [{"role": "user", "content": "Hi"}]}
    connection.request("POST", "/v1/chat/completions", msgspec.json.encode(body), AUTH)
    return connection, connection.getresponse()


def draining(gateway) -> None:
    gateway.terminate()
    gateway.event("draining")


def test_a_stream_in_flight_completes(simulator, configured, engine):
    """The stream ends with [DONE], new connections are refused, /readyz turns 503 and asks to close, the code is 0."""
    gateway = configured(simulator(*TICKING), engine)
    probe = gateway.connect()
    probe.request("GET", "/readyz")
    ready = probe.getresponse()
    assert (ready.status, ready.read()) == (200, b'{"status":"ready"}')
    kept = gateway.connect()
    kept.connect()
    connection, response = ask(gateway)
    first = response.readline()
    draining(gateway)
    probe.request("GET", "/readyz")
    not_ready = probe.getresponse()
    assert (not_ready.status, not_ready.headers["connection"]) == (503, "close")
    assert b"draining" in not_ready.read()
    kept.request("GET", "/healthz")
    alive = kept.getresponse()
    assert (alive.status, alive.headers["connection"]) == (200, "close")
    late = http.client.HTTPConnection(*gateway.ready(), timeout=5)
    with pytest.raises(ConnectionRefusedError):
        late.connect()
    raw = first + response.read()
    assert raw.endswith(b"data: [DONE]\n\n")
    assert b'"finish_reason":"stop"' in raw
    for open_ in (connection, probe, kept):
        open_.close()
    assert gateway.ended() == 0
    assert gateway.event_names()[-1] == "stopped"


def test_a_call_that_was_on_its_way_is_told_to_close(simulator, configured, engine):
    """A request on a kept-alive connection during the drain is served, with `connection: close`."""
    gateway = configured(simulator(), engine)
    connection = gateway.connect()
    connection.connect()
    draining(gateway)
    body = {"model": "gpt", "messages": [{"role": "user", "content": "Hi"}]}
    connection.request("POST", "/v1/chat/completions", msgspec.json.encode(body), AUTH)
    response = connection.getresponse()
    assert (response.status, response.headers["connection"]) == (200, "close")
    assert b"You said" in response.read()
    connection.close()
    assert gateway.ended() == 0


def test_drain_seconds_is_a_deadline(simulator, configured, engine):
    """A stream that outlasts the deadline is cut uncleanly, never ended as if it were complete, and settled."""
    gateway = configured(simulator(*LONG), engine, drain=0.5)
    connection, response = ask(gateway)
    response.readline()
    began = time.monotonic()
    draining(gateway)
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)) as cut:
        response.read()
    assert b"[DONE]" not in getattr(cut.value, "partial", b"")
    connection.close()
    assert gateway.ended() == 0
    assert 0.4 < time.monotonic() - began < 5
    assert gateway.event("request", 0)["outcome"] == "cancelled"


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(simulator, configured, engine, second):
    """Who asks twice does not wait for the streams."""
    gateway = configured(simulator(*LONG), engine, drain=600)
    connection, response = ask(gateway)
    response.readline()
    draining(gateway)
    began = time.monotonic()
    gateway.process.send_signal(second)
    assert gateway.ended() == 0
    assert time.monotonic() - began < 3
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        response.read()
    connection.close()


def test_without_anything_in_flight_it_ends_at_once(simulator, configured):
    """An idle connection does not hold up the end, whatever `drain_seconds` says."""
    gateway = configured(simulator(), drain=600)
    idle = gateway.connect()
    idle.connect()
    began = time.monotonic()
    gateway.terminate()
    assert gateway.ended() == 0
    assert time.monotonic() - began < 5
    idle.close()
