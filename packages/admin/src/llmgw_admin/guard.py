"""Who may ask for the pages, and under which name: decided before any page runs.

`/healthz` is open to everyone, since probes ask by address and without a token; it says nothing but that the process
is alive.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping, Sequence

import msgspec
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from llmgw_domain import Secret

OPEN_PATHS = ("/healthz",)

_POLICY = (
    b"default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    b"frame-ancestors 'none'"
)

SECURITY_HEADERS = (
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


class AdminConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`host` is what the listener is bound to, `hosts` further names that it is asked for by, e.g. of a proxy.

    `token` is needed unless `host` is loopback.
    """

    host: str = "127.0.0.1"
    hosts: tuple[str, ...] = ()
    token: Secret | None = None

    @property
    def on_loopback(self) -> bool:
        return _is_loopback(self.host)


class Refusal(msgspec.Struct, frozen=True):
    """Why a request is turned away; `headers` go with the answer."""

    status: int
    message: str
    headers: Mapping[str, str] = {}


def refusal(config: AdminConfig, headers: Sequence[tuple[bytes, bytes]]) -> Refusal | None:
    """Whether a request with these headers (names in lower case) is turned away, and why."""
    named = [value for name, value in headers if name == b"host"]
    if len(named) != 1 or not named[0]:
        return Refusal(400, "The request needs exactly one Host header.")
    host = host_of(named[0].decode("latin-1"))
    if host is None:
        return Refusal(400, "The Host header is not a valid host name.")
    if not _answers_to(config, host):
        return Refusal(
            421,
            f"These pages are not served under the name {host[:100]!r}. Ask for them as localhost or by the address "
            "that they are bound to, or add the name to server.admin_hosts.",
        )
    if config.on_loopback or _has_token(config, headers):
        return None
    return Refusal(
        401,
        "Send the admin token as 'Authorization: Bearer TOKEN'; it is the value of GATEWAY_ADMIN_TOKEN.",
        {"www-authenticate": 'Bearer realm="llmgw admin"'},
    )


class Guard:
    """An ASGI application around another: turns away what `refusal` says, and adds the security headers."""

    def __init__(self, app: ASGIApp, config: AdminConfig) -> None:
        """Raises ValueError if the pages could be reached from other machines without a token."""
        if not config.on_loopback and not config.token:
            raise ValueError(f"the admin listener on {config.host or 'an inherited socket'} needs GATEWAY_ADMIN_TOKEN")
        self._app = app
        self._config = config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *SECURITY_HEADERS]}
            await send(message)

        refused = None if scope["path"] in OPEN_PATHS else refusal(self._config, scope["headers"])
        app = self._app
        if refused is not None:
            app = PlainTextResponse(refused.message + "\n", refused.status, headers=dict(refused.headers))
        await app(scope, receive, guarded)


def host_of(value: str) -> str | None:
    """The name in a Host header, in lower case, without port, brackets and final dot; None if it is not one."""
    name, port = value, ""
    if value.startswith("["):
        name, closed, rest = value[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            return None
        port = rest[1:]
    elif ":" in value:
        name, _, port = value.partition(":")
    if port and not (port.isascii() and port.isdigit()):
        return None
    name = name.lower().removesuffix(".")
    valid = all(c.isascii() and (c.isalnum() or c in "-._:%") for c in name)
    return name if name and valid else None


def _answers_to(config: AdminConfig, host: str) -> bool:
    if _is_loopback(host) or host == config.host.lower() or host in {h.lower() for h in config.hosts}:
        return True
    # A rebound name is never an address, so behind a wildcard address any address will do.
    return not config.on_loopback and _is_address(host)


def _has_token(config: AdminConfig, headers: Sequence[tuple[bytes, bytes]]) -> bool:
    wanted = config.token.reveal().encode() if config.token else b""
    given = b""
    for name, value in headers:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            given = value[7:].strip()
    return bool(wanted) and hmac.compare_digest(given, wanted)


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
