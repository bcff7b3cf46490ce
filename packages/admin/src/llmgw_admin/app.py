"""The routes, and what they answer."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from llmgw_admin.guard import AdminConfig, Guard
from llmgw_admin.overview import overview
from llmgw_admin.status import Status
from llmgw_control import Control

# The version is Prometheus' text format's, which it chooses its parser by.
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def admin_app(
    control: Control,
    metrics_text: Callable[[], bytes],
    status: Callable[[], Status],
    config: AdminConfig | None = None,
) -> ASGIApp:
    """The pages as an ASGI application; `metrics_text` gives Prometheus' text format, `status` the present moment.

    Raises ValueError if `config` would open the pages to other machines without a token.
    """

    async def index(_: Request) -> Response:
        return HTMLResponse(overview(control.current(), status()))

    async def metrics(_: Request) -> Response:
        return Response(metrics_text(), headers={"content-type": METRICS_TYPE})

    routes = [
        Route("/", index),
        Route("/metrics", metrics),
        Route("/healthz", _healthz),
        Route("/style.css", _style),
    ]
    return Guard(Starlette(routes=routes), config or AdminConfig())


async def _healthz(_: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _style(_: Request) -> Response:
    return Response((files("llmgw_admin") / "static" / "style.css").read_bytes(), media_type="text/css")
