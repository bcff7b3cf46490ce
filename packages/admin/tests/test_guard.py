from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_admin.guard import AdminConfig, Guard, bearer, host_of, host_refusal, is_api
from llmgw_control.views import Actor
from llmgw_domain import Secret

LOCAL = AdminConfig(host="127.0.0.1", hosts=("Gateway.Internal",))
OPEN = AdminConfig(host="0.0.0.0", token=Secret("t0ken"), owner_token=Secret("0wner"))
MADE = {"gwa-1": Actor("someone", "viewer")}


def status(config: AdminConfig, *headers: tuple[bytes, bytes]) -> int:
    """The status that a request is turned away with for its name; 200 where it is let through."""
    refused = host_refusal(config, headers)
    return refused.status if refused else 200


def who(*values: bytes) -> Actor | None:
    """Who the bearer of these Authorization headers is."""
    return bearer(OPEN, [(b"authorization", value) for value in values], MADE.get)


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
        (b"Bearer t0ken", Actor("admin:@environment", "owner")),
        (b"bearer t0ken", Actor("admin:@environment", "owner")),
        (b"Bearer 0wner", Actor("admin:@data-folder", "owner")),
        (b"Bearer gwa-1", Actor("someone", "viewer")),
        (b"Bearer t0ke", None),
        (b"Bearer ", None),
        (b"Basic t0ken", None),
        (b"t0ken", None),
        (b"Bearer t\xf6ken", None),
    ],
)
def test_a_token_says_who_asks(authorization: bytes, expected: Actor | None) -> None:
    """Only the very token counts, in the Bearer scheme; those of the configuration are owners'."""
    assert expected == who(authorization)


def test_no_token_and_two_are_nobody() -> None:
    """A request with two tokens is not asked which it means."""
    assert (None, None) == (who(), who(b"Bearer t0ken", b"Bearer gwa-1"))


def test_without_a_configured_token_an_empty_one_is_none() -> None:
    """Where no token is configured, nothing compares equal to it."""
    assert None is bearer(LOCAL, [(b"authorization", b"Bearer ")], MADE.get)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/api/v1/accounts", True), ("/api", True), ("/openapi.json", True), ("/", False), ("/apis", False)],
)
def test_which_paths_are_the_api(path: str, expected: bool) -> None:
    """What is below /api, and its description."""
    assert expected == is_api(path)


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
