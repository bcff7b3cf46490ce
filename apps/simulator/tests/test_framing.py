"""What `h2` is taught, without a socket."""

import pytest
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, RemoteSettingsChanged, RequestReceived
from h2.exceptions import FlowControlError
from h2.settings import SettingCodes

from llmgw_simulator.framing import ServerSide, goaway, without_ping_acks

ASK = [(":method", "POST"), (":path", "/"), (":scheme", "http"), (":authority", "localhost")]


@pytest.fixture
def client():
    made = H2Connection()
    made.initiate_connection()
    return made


def server_of(client: H2Connection, initial_window: int | None = None) -> ServerSide:
    """A server that has announced itself and heard the client's beginning."""
    server = ServerSide()
    server.announce(3, initial_window)
    server.receive_data(client.data_to_send())
    return server


def kinds(events) -> list[type]:
    return [type(event) for event in events]


def test_what_is_announced(client):
    """Reaches the client in one frame of settings."""
    server = ServerSide()
    server.announce(3, 10)
    (changed,) = (
        event for event in client.receive_data(server.data_to_send()) if isinstance(event, RemoteSettingsChanged)
    )
    settings = client.remote_settings
    assert (3, 10) == (settings.max_concurrent_streams, settings.initial_window_size)
    assert SettingCodes.INITIAL_WINDOW_SIZE in changed.changed_settings


def test_a_window_binds_from_its_acknowledgement_on(client):
    """Until then the client has the protocol's 65,535 bytes; afterwards ten."""
    server = server_of(client, 10)
    client.send_headers(1, ASK)
    client.send_data(1, b"x" * 1000)
    assert DataReceived in kinds(server.receive_data(client.data_to_send()))
    client.receive_data(server.data_to_send())
    server.receive_data(client.data_to_send())
    client.send_headers(3, ASK)
    client.streams[3].outbound_flow_control_window = client.remote_settings.initial_window_size = 100
    client.send_data(3, b"x" * 11)
    with pytest.raises(FlowControlError):
        server.receive_data(client.data_to_send())


def test_streams_above_the_limit_are_let_through(client):
    """`h2` alone would end the connection."""
    server = server_of(client)
    for number in (1, 3, 5, 7, 9):
        client.send_headers(number, ASK)
    assert 5 == kinds(server.receive_data(client.data_to_send())).count(RequestReceived)


def test_a_callers_goaway_ends_nothing(client):
    """Its stream can be answered, and what waited to be sent is still there."""
    server = server_of(client)
    client.send_headers(1, ASK, end_stream=True)
    server.receive_data(client.data_to_send())
    waiting = b"\0\0\0\4\1\0\0\0\0"
    assert [ConnectionTerminated] == kinds(server.receive_data(goaway(0, 0)))
    server.send_headers(1, [(":status", "200")], end_stream=True)
    assert waiting in server.data_to_send()


def test_a_stream_is_reset_once(client):
    """A second time, or after its caller's, is no error."""
    server = server_of(client)
    client.send_headers(1, ASK)
    client.reset_stream(1, 8)
    server.receive_data(client.data_to_send())
    server.reset(1, 7)
    server.reset(1, 7)
    server.reset(99, 7)


def test_bytes_that_are_withheld_open_the_connection_alone(client):
    """The stream stays as shut as it was."""
    server = server_of(client)
    client.send_headers(1, ASK)
    for _ in range(4):
        client.send_data(1, b"x" * 16_000)
    server.receive_data(client.data_to_send())
    client.receive_data(server.data_to_send())
    before = client.streams[1].outbound_flow_control_window
    server.withhold(64_000)
    client.receive_data(server.data_to_send())
    assert (before, 65_535) == (client.streams[1].outbound_flow_control_window, client.outbound_flow_control_window)
    server.read(1, 64_000)
    client.receive_data(server.data_to_send())
    assert 65_535 == client.streams[1].outbound_flow_control_window


def test_answers_to_pings_can_be_left_out(client):
    """Every other frame stays as it is."""
    server = server_of(client)
    plain = server.data_to_send()
    client.ping(b"12345678")
    server.receive_data(client.data_to_send())
    acknowledged = server.data_to_send()
    assert b"12345678" in acknowledged
    assert plain + goaway(1, 0) == without_ping_acks(plain + acknowledged + goaway(1, 0))
