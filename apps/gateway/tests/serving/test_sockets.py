"""Listening sockets and their options."""

import os
import socket

import pytest

from llmgw_gateway.serving.sockets import CannotListen, bind


@pytest.mark.parametrize(("address", "family"), [("127.0.0.1:0", socket.AF_INET), ("[::1]:0", socket.AF_INET6)])
def test_an_address_gives_a_bound_socket(address: str, family: int) -> None:
    """IPv4 and IPv6 addresses are bound, and a port of 0 is a free one."""
    (sock,) = bind(address)
    with sock:
        assert (sock.family, sock.gettimeout()) == (family, 0.0)
        assert sock.getsockname()[1] > 0


def test_connections_inherit_the_options() -> None:
    """An accepted connection is watched by the kernel: keep-alive, a bound on unacknowledged bytes, no delay."""
    (listener,) = bind("127.0.0.1:0")
    with listener:
        listener.listen()
        with socket.create_connection(listener.getsockname()):
            listener.settimeout(1)
            accepted, _ = listener.accept()
            with accepted:
                tcp = socket.IPPROTO_TCP
                values = [
                    accepted.getsockopt(tcp, option)
                    for option in (socket.TCP_KEEPIDLE, socket.TCP_USER_TIMEOUT, socket.TCP_NODELAY)
                ]
                assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                assert values == [30, 75_000, 1]


def test_an_address_in_use_is_named() -> None:
    """The error for an address in use names it and says what to do."""
    (first,) = bind("127.0.0.1:0")
    with first:
        first.listen()
        address = f"127.0.0.1:{first.getsockname()[1]}"
        with pytest.raises(CannotListen, match=rf"{address}: the address is already in use"):
            bind(address)


@pytest.mark.parametrize("address", ["", "8080", "127.0.0.1", "127.0.0.1:http", "::1:80", "fd://x", "host:99999"])
def test_a_wrong_address_is_explained(address: str) -> None:
    """What is not an address is refused with the forms that are."""
    with pytest.raises(CannotListen, match="HOST:PORT"):
        bind(address)


def test_a_foreign_address_is_refused() -> None:
    """An address that this machine does not have is refused by name."""
    with pytest.raises(CannotListen, match=r"192\.0\.2\.1:80"):
        bind("192.0.2.1:80")


def test_an_inherited_socket_is_taken_over() -> None:
    """A descriptor from the parent process becomes a socket; one that is no socket is refused."""
    parent = socket.create_server(("127.0.0.1", 0))
    where = parent.getsockname()
    (sock,) = bind(f"fd://{parent.detach()}")
    with sock:
        assert sock.getsockname() == where
    with open(os.devnull) as file, pytest.raises(CannotListen, match=f"fd://{file.fileno()}"):
        bind(f"fd://{file.fileno()}")
