"""Who asks, and under which name: decided before any page or operation runs.

Pages are open to whoever reaches a listener on loopback; beyond loopback they need a bearer token, and the JSON API
needs one everywhere: a page of another site may make a browser send what it likes to loopback, but never with a token.
`/healthz` is open to everyone, since probes ask by address and without a token; it says nothing but that the process
is alive.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable, Sequence

import msgspec
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from llmgw_admin.refusal import Refusal
from llmgw_control.views import Actor
from llmgw_domain import Secret

OPEN_PATHS = ("/healthz",)

ACTOR = "llmgw.actor"
"""Where the guard leaves in the scope who asks: an `Actor`, or None on loopback's open pages."""

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

    `token` (of `GATEWAY_ADMIN_TOKEN`) and `owner_token` (of the data folder) each make their bearer an owner; one of
    them is needed unless `host` is loopback.
    """

    host: str = "127.0.0.1"
    hosts: tuple[str, ...] = ()
    token: Secret | None = None
    owner_token: Secret | None = None

    @property
    def on_loopback(self) -> bool:
        return _is_loopback(self.host)


ActorOf = Callable[[str], Actor | None]
"""Whose admin token a text is, or None."""


def nobody(_: str) -> None:
    """The `ActorOf` of a gateway that has no tokens but those of its configuration."""


def host_refusal(config: AdminConfig, headers: Sequence[tuple[bytes, bytes]]) -> Refusal | None:
    """Whether a request for this name is turned away, and why (names of headers in lower case)."""
    named = [value for name, value in headers if name == b"host"]
    if len(named) != 1 or not named[0]:
        return Refusal(status=400, code="invalid_host", message="The request needs exactly one Host header.")
    host = host_of(named[0].decode("latin-1"))
    if host is None:
        return Refusal(status=400, code="invalid_host", message="The Host header is not a valid host name.")
    if _answers_to(config, host):
        return None
    return Refusal(
        status=421,
        code="unknown_host",
        message=f"These pages are not served under the name {host[:100]!r}. Ask for them as localhost or by the "
        "address that they are bound to, or add the name to server.admin_hosts.",
    )


def bearer(config: AdminConfig, headers: Sequence[tuple[bytes, bytes]], actor_of: ActorOf) -> Actor | None:
    """Who the bearer of the request's token is, or None without a valid one. Two tokens are none.

    Owners of the configuration's tokens are named with an `@`, which no token's id may hold.
    """
    given = [value[7:].strip() for name, value in headers if name == b"authorization" and _is_bearer(value)]
    if len(given) != 1 or not given[0]:
        return None
    owners = (("admin:@environment", config.token), ("admin:@data-folder", config.owner_token))
    found = [name for name, token in owners if token and hmac.compare_digest(given[0], token.reveal().encode())]
    if found:
        return Actor(found[0], "owner")
    try:
        return actor_of(given[0].decode("ascii"))
    except UnicodeDecodeError:
        return None


UNKNOWN = Refusal(
    status=401,
    code="invalid_admin_token",
    message="Send an admin token as 'Authorization: Bearer TOKEN': one that an owner made (gateway tokens create), the "
    "value of GATEWAY_ADMIN_TOKEN, or the owner's, which the gateway keeps in its data folder as owner.token.",
    headers={"www-authenticate": 'Bearer realm="llmgw admin"'},
)
"""What is told to whom has no token, or a wrong one: the same, so that nothing is learnt by trying."""


class Guard:
    """An ASGI application around others: turns away whom it must, names the rest, and adds the security headers.

    `api` answers what `is_api`, and only to bearers of a token; `pages` answers all else.
    """

    def __init__(
        self, pages: ASGIApp, config: AdminConfig, api: ASGIApp | None = None, actor_of: ActorOf = nobody
    ) -> None:
        """Raises ValueError if the pages could be reached from other machines without a token."""
        if not config.on_loopback and not (config.token or config.owner_token):
            raise ValueError(f"the admin listener on {config.host or 'an inherited socket'} needs GATEWAY_ADMIN_TOKEN")
        self._pages = pages
        self._api = api
        self._config = config
        self._actor_of = actor_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *SECURITY_HEADERS]}
            await send(message)

        await self._chosen(scope)(scope, receive, guarded)

    def _chosen(self, scope: Scope) -> ASGIApp:
        """The application that answers; leaves in the scope who asks."""
        path, headers = scope["path"], scope["headers"]
        if path in OPEN_PATHS:
            return self._pages
        wants_json = is_api(path)
        refused = host_refusal(self._config, headers)
        if refused is None:
            actor = bearer(self._config, headers, self._actor_of)
            scope[ACTOR] = actor
            if actor is not None or (self._config.on_loopback and not wants_json):
                return self._api if wants_json and self._api is not None else self._pages
            refused = UNKNOWN
        return refused.as_json() if wants_json else _as_text(refused)


def is_api(path: str) -> bool:
    """Whether a path is the JSON API's: there every answer is JSON, and a token is always needed."""
    return path == "/openapi.json" or path == "/api" or path.startswith("/api/")


def _as_text(refused: Refusal) -> ASGIApp:
    return PlainTextResponse(refused.message + "\n", refused.status, headers=dict(refused.headers))


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


def _is_bearer(value: bytes) -> bool:
    return value[:7].lower() == b"bearer "


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
