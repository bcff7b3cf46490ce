from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_admin.guard import AdminConfig, Guard, host_of, refusal
from llmgw_domain import Secret

LOCAL = AdminConfig(host="127.0.0.1", hosts=("Gateway.Internal",))
OPEN = AdminConfig(host="0.0.0.0", token=Secret("t0ken"))


def status(config: AdminConfig, *headers: tuple[bytes, bytes]) -> int:
    """The status that a request is turned away with; 200 where it is let through."""
    refused = refusal(config, headers)
    return refused.status if refused else 200


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (b"localhost", 200),
        (b"LOCALHOST:8081", 200),
        (b"localhost.", 200),
        (b"127.0.0.1:8081", 200),
        (b"127.1.2.3", 200),
        (b"[::1]:8081", 200),
        (b"app.localhost:8081", 200),
        (b"gateway.internal", 200),
        (b"10.0.0.7", 421),
        (b"evil.example", 421),
        (b"localhost.evil.example", 421),
        (b"127.0.0.1.evil.example", 421),
        (b"notlocalhost", 421),
        (b"", 400),
        (b"localhost:80x", 400),
        (b"local host", 400),
        (b"[::1", 400),
        (b"user@localhost", 400),
    ],
)
def test_on_loopback_only_known_names_are_answered(host: bytes, expected: int) -> None:
    """Loopback's own names and configured ones pass, whatever only looks like them does not."""
    assert expected == status(LOCAL, (b"host", host))


def test_no_host_or_two_are_refused() -> None:
    """A request without a Host header, or with two, is not answered."""
    assert (400, 400) == (status(LOCAL), status(LOCAL, (b"host", b"localhost"), (b"host", b"evil.example")))


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (b"Bearer t0ken", 200),
        (b"bearer t0ken", 200),
        (b"Bearer t0ke", 401),
        (b"Bearer ", 401),
        (b"Basic t0ken", 401),
        (b"t0ken", 401),
        (b"Bearer t\xf6ken", 401),
    ],
)
def test_the_token_is_compared_whole(authorization: bytes, expected: int) -> None:
    """Only the very token opens the pages, in the Bearer scheme."""
    assert expected == status(OPEN, (b"host", b"10.0.0.7:8081"), (b"authorization", authorization))


def test_a_token_does_not_excuse_a_foreign_name() -> None:
    """The Host header is checked before the token."""
    assert 421 == status(OPEN, (b"host", b"evil.example"), (b"authorization", b"Bearer t0ken"))


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.7", "::", "gateway.internal", ""])
def test_it_refuses_to_open_the_pages_without_a_token(host: str) -> None:
    """Beyond loopback, and where the address is not known, there are no pages without a token."""

    async def app(*_: object) -> None: ...

    with pytest.raises(ValueError, match="GATEWAY_ADMIN_TOKEN"):
        Guard(app, AdminConfig(host=host))


@given(st.binary(max_size=40))
def test_any_host_header_gets_a_verdict(value: bytes) -> None:
    """Whatever is sent as Host, the answer is one of three, and nothing raises."""
    assert status(LOCAL, (b"host", value)) in (200, 400, 421)


@given(st.from_regex(r"[a-z][a-z0-9-]{0,20}(\.[a-z]{2,5}){0,2}", fullmatch=True), st.integers(0, 65535))
def test_a_port_does_not_change_the_name(name: str, port: int) -> None:
    """The name of a Host header is the same with a port and without one."""
    assert host_of(name) == host_of(f"{name}:{port}")
