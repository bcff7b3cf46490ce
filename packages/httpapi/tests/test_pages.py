"""Health pages and what does not exist."""

import pytest
from starlette.types import ASGIApp

from llmgw_domain.errors import NotFound
from llmgw_httpapi import HttpConfig, data_app
from llmgw_httpapi.pages import wrong_method
from llmgw_httpapi.testing import ScriptedRelay, drive, whole
from llmgw_protocols import dialect_named


def app_of(*, ready: tuple[bool, str] = (True, ""), draining: bool = False) -> ASGIApp:
    return data_app(
        ScriptedRelay(whole(b"{}")),
        HttpConfig(),
        new_request_id=lambda: "r-1",
        clock=lambda: 0.0,
        ready=lambda: ready,
        draining=lambda: draining,
    )


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_alive(method: str) -> None:
    """A process that answers is alive, even when it is not ready."""
    exchange = await drive(app_of(ready=(False, "draining")), method, "/healthz")
    assert (exchange.status, exchange.json()) == (200, {"status": "alive"})
    assert exchange.header(b"x-request-id") == b"r-1"


async def test_ready() -> None:
    """Readiness is what the callable says."""
    exchange = await drive(app_of(), "GET", "/readyz")
    assert (exchange.status, exchange.json()) == (200, {"status": "ready"})


async def test_not_ready() -> None:
    """A gateway that should get no requests says so with its reason."""
    exchange = await drive(app_of(ready=(False, "no catalog")), "GET", "/readyz")
    assert (exchange.status, exchange.json()) == (503, {"status": "not ready", "reason": "no catalog"})


async def test_pages_take_get_only() -> None:
    """A wrong method on a page is 405 and names the right ones."""
    exchange = await drive(app_of(), "POST", "/healthz", body_chunks=[b"x"])
    assert exchange.status == 405
    assert {"GET", "HEAD"} == set((exchange.header(b"allow") or b"").decode().split(", "))


@pytest.mark.parametrize(
    ("path", "headers", "dialect"),
    [
        ("/v1/nothing", [], "chat"),
        ("/healthz/", [], "chat"),
        ("/v1/nothing", [("anthropic-version", "2023-06-01")], "messages"),
        ("/v1beta/models/m:explode", [], "gemini"),
    ],
)
async def test_an_unknown_path_is_404_in_the_guessed_dialect(
    path: str, headers: list[tuple[str, str]], dialect: str
) -> None:
    """A wrong path is refused without asking for a key, in the envelope that the sender most likely reads."""
    exchange = await drive(app_of(), "POST", path, headers, [b"{}"])
    expected = dialect_named(dialect).error_body(NotFound(f"There is nothing at POST {path}."), "r-1")
    assert (404, expected, True) == (exchange.status, exchange.body, exchange.complete)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/nothing"])
async def test_pages_end_their_connection_while_draining(path: str) -> None:
    """A draining gateway ends every HTTP/1.1 connection with its next answer, once; HTTP/2 has no such header."""
    assert (await drive(app_of(draining=True), "GET", path)).header(b"connection") == b"close"
    assert (await drive(app_of(draining=True), "GET", path, http_version="2")).header(b"connection") is None
    assert (await drive(app_of(), "GET", path)).header(b"connection") is None


def test_a_wrong_method_is_explained() -> None:
    """The message names path, allowed and given method."""
    assert wrong_method({"path": "/p", "method": "GET"}, "POST").message == "/p takes POST, not GET."
