"""What is not a call: health pages, and everything that does not exist. A Starlette application, off the hot path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from llmgw_domain.errors import GatewayError, MethodNotAllowed, NotFound
from llmgw_httpapi.answer import CLOSE, Answer, json_headers, must_close, refusal
from llmgw_httpapi.config import HttpConfig
from llmgw_httpapi.headers import header_map, request_id_of
from llmgw_httpapi.paths import Paths

Ready = Callable[[], tuple[bool, str]]


class Pages:
    """Builds the pages; `app` is the application. `closes` says of a request whether its connection is to end."""

    def __init__(
        self,
        paths: Paths,
        config: HttpConfig,
        *,
        ready: Ready,
        closes: Callable[[Scope], bool],
        new_request_id: Callable[[], str],
    ) -> None:
        self._paths = paths
        self._config = config
        self._ready = ready
        self._closes = closes
        self._new_request_id = new_request_id
        # Starlette calls what a handler returns as an ASGI application; nothing of its Response class is needed.
        handlers: dict[Any, Any] = {404: self._not_found, 405: self._wrong_method}
        routes = [
            Route("/healthz", _Page(self._alive), methods=["GET"]),
            Route("/readyz", _Page(self._readiness), methods=["GET"]),
        ]
        app = Starlette(routes=routes, exception_handlers=handlers)
        # A redirect would turn a wrong path into a second wrong request.
        app.router.redirect_slashes = False
        self.app: ASGIApp = app

    def _alive(self, scope: Scope) -> Answer:
        return self._json(scope, 200, {"status": "alive"})

    def _readiness(self, scope: Scope) -> Answer:
        ready, reason = self._ready()
        if ready:
            return self._json(scope, 200, {"status": "ready"})
        return self._json(scope, 503, {"status": "not ready", "reason": reason})

    def _json(self, scope: Scope, status: int, content: Mapping[str, str]) -> Answer:
        body = msgspec.json.encode(content)
        headers = json_headers(body, request_id_of(header_map(scope), self._new_request_id))
        headers.append((b"cache-control", b"no-store"))
        if self._closes(scope):
            headers.append(CLOSE)
        return Answer(status, headers, body, config=self._config)

    def _not_found(self, request: Request, error: Exception) -> Answer:
        path = request.scope["path"]
        return self._refuse(request, NotFound(f"There is nothing at {request.method} {path[:200]}."))

    def _wrong_method(self, request: Request, error: Exception) -> Answer:
        assert isinstance(error, HTTPException)
        allowed = (error.headers or {}).get("Allow", "GET, HEAD")
        return self._refuse(request, wrong_method(request.scope, allowed), allowed)

    def _refuse(self, request: Request, error: GatewayError, allowed: str | None = None) -> Answer:
        headers = header_map(request.scope)
        return refusal(
            error,
            self._paths.guess(request.scope["path"], headers),
            request_id=request_id_of(headers, self._new_request_id),
            config=self._config,
            close=self._closes(request.scope) or must_close(headers, self._config),
            extra=[(b"allow", allowed.encode("latin-1"))] if allowed else None,
        )


class _Page:
    """A page as an ASGI application, which Starlette routes to as it is."""

    def __init__(self, render: Callable[[Scope], Answer]) -> None:
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._render(scope)(scope, receive, send)


def wrong_method(scope: Scope, allowed: str) -> MethodNotAllowed:
    """The error for a method that a path does not take."""
    return MethodNotAllowed(f"{scope['path'][:200]} takes {allowed}, not {scope['method']}.")
