"""HTTP/2, frame by frame: `h2`'s client side judges what comes."""

import asyncio
import gc
import ssl
import struct

import aiohttp
import msgspec
import pytest

from llmgw_simulator import SimulatorConfig, certificates
from llmgw_simulator.http2 import Http2
from llmgw_simulator.simulator import Simulator
from llmgw_simulator.testing import KEYS, leave, post, request_of, until
from llmgw_simulator.testing_http2 import Http2Client, Seen

PATH, ASK = request_of("chat", "Hello", stream=True)


def key(fault: str = "", name: str = "key-1") -> dict[str, str]:
    headers = {"authorization": f"Bearer {name}"}
    return headers | ({"x-sim-fault": fault} if fault else {})


@pytest.fixture
async def running():
    async with Simulator(SimulatorConfig(time_scale=100.0)).serve() as found:
        yield found


@pytest.fixture
async def client(running):
    async with Http2Client(running.port) as found:
        yield found


@pytest.mark.parametrize("dialect", list(KEYS))
async def test_both_protocols_give_the_same_answer(running, client, dialect):
    """On the same port, to streams and to whole answers, in every dialect."""
    for stream in (True, False):
        path, body = request_of(dialect, "Hello", stream=stream)
        one, two = await post(running.port, path, body, KEYS[dialect]), await client.answer(path, body, KEYS[dialect])
        assert (200, "complete", len(one.body)) == (two.status, two.ending, len(two.body))
    assert ["1.1", "2", "1.1", "2"] == [entry.http for entry in running.log.entries]
    assert ["served"] * 4 == [entry.outcome for entry in running.log.entries]


@pytest.mark.parametrize("protocols", [("h2", "http/1.1"), ("http/1.1",), ("h2",), ()])
async def test_tls_agrees_on_what_it_offers(protocols):
    """A caller that knows both gets the server's first; without ALPN it is HTTP/1.1."""
    config = SimulatorConfig(tls=certificates.make(), protocols=protocols)
    async with Simulator(config).serve() as running:
        context = ssl.create_default_context(cadata=running.authority.decode())
        context.set_alpn_protocols(["http/1.1", "h2"])
        _, writer = await asyncio.open_connection("localhost", running.port, ssl=context)
        agreed = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        assert (protocols or (None,))[0] == agreed
        writer.close()
        if "h2" in protocols:
            context.set_alpn_protocols(["h2"])
            async with Http2Client(running.port, context) as client:
                assert 200 == (await client.answer(PATH, ASK, key())).status
        if "h2" not in protocols:
            async with (
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as http,
                http.get(f"{running.base_url}/_sim/log") as response,
            ):
                assert 200 == response.status


async def test_streams_share_a_connection(running, client):
    """A hundred at once, each with its own time; the connection is one."""
    asked = [await client.ask(PATH, ASK, key("think=20")) for _ in range(100)]
    await until(lambda: running.log.in_flight == 100)
    (link,) = running.connections.open.values()
    assert ("2", 100, 100) == (link.http, link.streams, link.requests)
    await client.until(lambda: all(client.streams[number].ending for number in asked))
    assert {"complete"} == {client.streams[number].ending for number in asked}
    assert 0 == link.streams


async def test_a_stream_too_many_is_refused():
    """By itself; its connection and the others go on."""
    async with Simulator(SimulatorConfig(max_streams=3)).serve() as running, Http2Client(running.port) as client:
        await client.until(lambda: client.h2.remote_settings.max_concurrent_streams == 3)
        first = [await client.ask(PATH, ASK, key("think=50")) for _ in range(3)]
        client.h2.remote_settings.max_concurrent_streams = 100
        client.h2.remote_settings.acknowledge()
        fourth = await client.ask(PATH, ASK, key())
        await client.until(lambda: client.streams[fourth].ending is not None)
        assert 7 == client.streams[fourth].ending
        assert [None] * 3 == [client.streams[number].ending for number in first]


async def test_streams_too_many_that_are_reset_at_once_do_no_harm():
    """Their caller was quicker than the refusal; the connection and its first stream go on."""
    async with Simulator(SimulatorConfig(max_streams=1)).serve() as running, Http2Client(running.port) as client:
        await client.until(lambda: client.h2.remote_settings.max_concurrent_streams == 1)
        first = await client.ask(PATH, ASK, key("think=0.1"))
        client.h2.remote_settings.max_concurrent_streams = 100
        client.h2.remote_settings.acknowledge()
        for _ in range(5):
            number = client.h2.get_next_available_stream_id()
            client.streams[number] = Seen()
            pseudo = {":method": "POST", ":path": PATH, ":scheme": "http", ":authority": "localhost"}
            client.h2.send_headers(number, [*pseudo.items(), *key().items()])
            client.h2.send_data(number, b"{")
            client.h2.reset_stream(number, 8)
        await client.flush()
        await client.until(lambda: client.closed or client.streams[first].ending is not None)
        assert ("complete", False) == (client.streams[first].ending, client.closed)


async def test_a_reset_is_noticed_at_once(running, client):
    """In a silent phase as well; the log says that the caller left."""
    number = await client.ask(PATH, ASK, key("think=100000"))
    await until(lambda: running.log.in_flight)
    client.h2.reset_stream(number, 8)
    await client.flush()
    await until(lambda: not running.log.in_flight, 0.5)
    assert "client_closed" == running.log.entries[-1].outcome


async def test_a_caller_that_vanishes_is_noticed(running):
    """All its streams are settled."""
    async with Http2Client(running.port) as client:
        for _ in range(5):
            await client.ask(PATH, ASK, key("think=100000"))
        await until(lambda: running.log.in_flight == 5)
    await until(lambda: not running.log.in_flight)
    assert {} == running.connections.open


async def test_a_connection_that_is_over_is_forgotten(running):
    """A server of long life holds nothing of its former callers."""
    for _ in range(5):
        async with Http2Client(running.port) as client:
            await client.answer(PATH, ASK, key())
    await until(lambda: not running.connections.open)
    gc.collect()
    assert [] == [found for found in gc.get_objects() if isinstance(found, Http2)]


@pytest.mark.parametrize("fault", ["think=100000", "stall-events=1", "black-hole", "black-hole-events=1"])
async def test_stopping_leaves_nothing_behind(fault):
    """No task, no open socket, no request in flight, whatever the streams were at."""
    before = asyncio.all_tasks()
    async with Simulator().serve() as running:
        client = Http2Client(running.port)
        await client.__aenter__()
        await client.ask(PATH, ASK, key(fault))
        await until(lambda: running.log.in_flight)
        await asyncio.sleep(0.02)
    assert (0, set()) == (running.log.in_flight, asyncio.all_tasks() - before - {client._reading})
    await client.until(lambda: client.closed)
    await client.__aexit__(None, None, None)


async def test_a_bug_of_the_simulator_resets_the_stream(running, client, monkeypatch):
    """INTERNAL_ERROR, so that nobody waits for ever; the loop is told what it was."""
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(str(context["exception"])))
    with monkeypatch.context() as patch:
        patch.setattr("llmgw_simulator.intake.Intake.incoming", lambda *_: 1 / 0)
        seen = await client.answer(PATH, ASK, key())
    assert (2, ["division by zero"]) == (seen.ending, told)
    assert 200 == (await client.answer(PATH, ASK, key())).status


async def test_windows_are_kept_to(running):
    """A caller that opens none gets 65,535 bytes of a long stream, and no more."""
    async with Http2Client(running.port, opens_windows=False) as client:
        number = await client.ask(PATH, ASK, key("tokens=20000"))
        await client.until(lambda: len(client.streams[number].body) >= 65535)
        await asyncio.sleep(0.05)
        assert 65535 == len(client.streams[number].body)


async def test_a_large_body_comes_in(running, client):
    """Past the first window, since it is opened as the body is read."""
    path, body = request_of("chat", "x" * 60_000, stream=False)
    assert 200 == (await client.answer(path, body, key())).status
    async with Simulator(SimulatorConfig(max_body=1000)).serve() as small, Http2Client(small.port) as other:
        assert 413 == (await other.answer(path, body, key())).status


async def test_a_window_that_is_never_opened():
    """What was announced can be sent, and no more."""
    config = SimulatorConfig(initial_window=10, opens_windows=False)
    async with Simulator(config).serve() as running, Http2Client(running.port) as client:
        await client.until(lambda: client.h2.remote_settings.initial_window_size == 10)
        number = await client.ask(PATH, b"0123456789", key(), end=False)
        await asyncio.sleep(0.05)
        assert 0 == client.h2.local_flow_control_window(number)


async def test_a_caller_that_has_not_heard_of_a_window_may_send_more(running):
    """What is announced binds it from its acknowledgement on (RFC 9113, 6.5.3)."""
    config = SimulatorConfig(initial_window=10)
    async with Simulator(config).serve() as small, Http2Client(small.port) as client:
        assert 65535 == client.h2.remote_settings.initial_window_size
        assert "complete" == (await client.answer(PATH, ASK, key())).ending
        assert 10 == client.h2.remote_settings.initial_window_size
        assert "complete" == (await client.answer(PATH, ASK, key())).ending


async def test_a_window_that_stays_shut_for_one_stream(running, client):
    """Its neighbours on the same connection send as much as they like."""
    shut = await client.ask(PATH, b"", key("no-window"), end=False)
    for _ in range(5):
        client.h2.send_data(shut, b"x" * 13_107)
        await client.flush()
    other = await client.answer(*request_of("chat", "x" * 200_000), key())
    assert "complete" == other.ending
    assert 0 == client.h2.streams[shut].outbound_flow_control_window
    assert 65_535 <= client.h2.outbound_flow_control_window


CUTS = [
    ("eof-events=2", "complete", False),
    ("rst-events=2", 2, False),
    ("rst-events=2,rst-code=11", 11, False),
    ("refuse-stream", 7, False),
    ("fin-events=2", None, True),
    ("reset-events=2", None, True),
]


@pytest.mark.parametrize(("fault", "ending", "closed"), CUTS)
async def test_cuts(running, client, fault, ending, closed):
    """Streams by END_STREAM or RST_STREAM, connections by FIN or RST."""
    seen = await client.answer(PATH, ASK, key(fault))
    assert (ending, closed) == (seen.ending, client.closed)
    assert (0 if "refuse" in fault else 2) == seen.body.count(b"data: ")
    expected = "refused_stream" if "refuse" in fault else fault.split("-")[0]
    assert expected == running.log.entries[-1].outcome


async def test_a_stall_answers_pings_and_a_black_hole_does_not(running, client):
    """Which is what tells a slow model from a process that hangs."""
    stalled = await client.ask(PATH, ASK, key("stall-events=1"))
    await client.until(lambda: client.streams[stalled].body)
    client.h2.ping(b"12345678")
    await client.flush()
    await client.until(lambda: client.acknowledged == 1)
    dark = await client.ask(PATH, ASK, key("black-hole-events=1"))
    await client.until(lambda: client.streams[dark].body)
    client.h2.ping(b"12345678")
    await client.flush()
    await asyncio.sleep(0.1)
    assert (1, False) == (client.acknowledged, client.closed)


async def test_a_black_hole_before_the_headers(running):
    """On both protocols; the caller's leaving is noticed all the same."""
    async with Http2Client(running.port) as client:
        number = await client.ask(PATH, ASK, key("black-hole"))
        asking = asyncio.get_running_loop().create_task(post(running.port, PATH, ASK, key("black-hole")))
        await asyncio.sleep(0.1)
        assert (0, False, 2) == (client.streams[number].status, asking.done(), running.log.in_flight)
        asking.cancel()
    await until(lambda: not running.log.in_flight)
    assert {"black_hole", "client_closed"} >= {entry.outcome for entry in running.log.entries}


async def test_no_ping_is_answered(running, client):
    """The stream goes on; only the PINGs are not heard."""
    number = await client.ask(PATH, ASK, key("no-ping,think=20"))
    await until(lambda: running.log.in_flight)
    client.h2.ping(b"12345678")
    await client.flush()
    await client.until(lambda: client.streams[number].ending)
    (link,) = running.connections.open.values()
    assert ("complete", 0, 1, 0) == (client.streams[number].ending, client.acknowledged, link.pings, link.answered)


async def test_goaway_lets_streams_end(running, client):
    """Those that are open end well, then the connection is closed; a later one is not looked at."""
    other = await client.ask(PATH, ASK, key("think=30"))
    number = await client.ask(PATH, ASK, key("goaway-events=1"))
    await client.until(lambda: client.goaways and client.streams[number].ending)
    assert [(number, 0)] == client.goaways
    await client.until(lambda: client.closed)
    assert ["complete", "complete"] == [client.streams[n].ending for n in (other, number)]


@pytest.mark.parametrize("events", [0, 2])
async def test_goaway_comes_behind_its_events(events):
    """After so many have been sent, and before the next is waited for."""
    async with Simulator().serve() as running, Http2Client(running.port) as client:
        pace = "think=50" if events == 0 else "tps=4"
        number = await client.ask(PATH, ASK, key(f"goaway-events={events},{pace}"))
        await client.until(lambda: client.goaways)
        assert events == client.streams[number].body.count(b"data: ") == running.log.entries[-1].sent_events
        assert client.streams[number].ending is None


@pytest.mark.parametrize("events", [0, 1])
async def test_goaway_around_a_whole_answer(running, client, events):
    """Which is one event."""
    path, body = request_of("chat", "Hello")
    assert "complete" == (await client.answer(path, body, key(f"goaway-events={events}"))).ending
    await client.until(lambda: client.closed)
    assert [(1, 0)] == client.goaways


async def test_goaway_that_refuses(running, client):
    """The stream is above the last one, and gets no answer."""
    number = await client.ask(PATH, ASK, key("goaway-refuse"))
    await client.until(lambda: client.goaways)
    assert [(max(number - 2, 0), 0)] == client.goaways
    assert (None, "refused_stream") == (client.streams[number].ending, running.log.entries[-1].outcome)


async def test_goaway_waits_for_a_body_that_comes(running, client):
    """A stream whose body was not yet whole is an open one."""
    raw = msgspec.json.encode(ASK)
    slow = await client.ask(PATH, raw[:10], key(), end=False)
    number = await client.ask(PATH, ASK, key("goaway-events=0"))
    await client.until(lambda: client.streams[number].ending)
    client.h2.send_data(slow, raw[10:], end_stream=True)
    await client.flush()
    await client.until(lambda: client.closed)
    assert "complete" == client.streams[slow].ending


async def test_goaway_gives_up_what_is_above_its_last_stream(running, client):
    """What its caller may send again is not answered here; a later GOAWAY names no later stream (RFC 9113, 6.8)."""
    raw = msgspec.json.encode(ASK)
    first = await client.ask(PATH, ASK, key("think=30,goaway-events=3"))
    refused = await client.ask(PATH, raw[:10], key("goaway-refuse"), end=False)
    later = await client.ask(PATH, ASK, key("think=60"))
    await until(lambda: running.log.in_flight == 2)
    client.h2.send_data(refused, raw[10:], end_stream=True)
    await client.flush()
    await client.until(lambda: client.closed)
    assert [(first, 0), (first, 0)] == client.goaways
    assert ["complete", None, None] == [client.streams[number].ending for number in (first, refused, later)]
    assert ["served", "refused_stream", "refused_stream"] == [entry.outcome for entry in running.log.entries]


async def test_a_callers_goaway_lets_its_streams_end(running, client):
    """It opens no more, and waits for those that there are; then the connection is closed."""
    number = await client.ask(PATH, ASK, key("think=20"))
    await until(lambda: running.log.in_flight)
    client._writer.write(b"\0\0\x08\x07\0" + struct.pack(">III", 0, 0, 0))
    await client.until(lambda: client.closed)
    assert ("complete", "served") == (client.streams[number].ending, running.log.entries[-1].outcome)


async def test_too_many_pings():
    """The connection is ended with ENHANCE_YOUR_CALM."""
    async with Simulator(SimulatorConfig(calm_pings=2)).serve() as running, Http2Client(running.port) as client:
        for count in range(3):
            client.h2.ping(b"%08d" % count)
        await client.flush()
        await client.until(lambda: client.closed)
        assert [(0, 11)] == client.goaways


async def test_a_fault_can_limit_pings(running, client):
    """From its request on, on that connection."""
    number = await client.ask(PATH, ASK, key("calm-pings=1,think=100000"))
    await client.until(lambda: client.streams[number].status)
    for count in range(2):
        client.h2.ping(b"%08d" % count)
    await client.flush()
    await client.until(lambda: client.closed)
    assert [(number, 11)] == client.goaways


async def test_control_paths(running, client):
    """Are answered over HTTP/2 too, and not logged."""
    seen = await client.answer("/_sim/faults", {"fault": {"status": 429}}, {})
    assert (200, 1, []) == (seen.status, len(running.faults.rules), running.log.entries)


async def test_nonsense_ends_the_connection(running):
    """After the preface, whatever breaks the protocol."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    # DATA on stream 0, which no frame of that type may be on (RFC 9113, 6.1).
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\4\4\0\0\0\0\0" + b"\0\0\1\0\0\0\0\0\0x")
    async with asyncio.timeout(5):
        assert b"" != await reader.read()
    await leave(writer)
