"""The register of connections."""

import pytest

from llmgw_simulator.connections import Connections


class Transport:
    def __init__(self, port: int) -> None:
        self.port = port

    def get_extra_info(self, name: str):
        return ("127.0.0.1", self.port) if name == "peername" else None


def test_a_connection_is_found_until_it_is_closed():
    """A later one from the same address is not taken for it."""
    known = Connections()
    first = known.opened("1.1", Transport(1))
    again = known.opened("2", Transport(1))
    known.closed(first)
    assert (again, None, None) == (known.of(Transport(1)), known.of(Transport(2)), known.of(None))
    known.closed(again)
    assert ("<Connections 0 open of 2>", None) == (repr(known), known.of(Transport(1)))


def test_a_request_is_under_way_until_its_end():
    """Also when it ends in an error; all are counted."""
    link = Connections().opened("2", Transport(1))

    def fails() -> None:
        with link.request(), link.request():
            assert (2, 2) == (link.streams, link.requests)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert (0, 2) == (link.streams, link.requests)
