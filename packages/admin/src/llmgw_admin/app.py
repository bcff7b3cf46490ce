"""The routes, and what they answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from llmgw_admin.api.app import Api, Settled, at_once
from llmgw_admin.api.catalog import catalog_operations
from llmgw_admin.api.events import event_operations
from llmgw_admin.api.openapi import openapi_operation
from llmgw_admin.api.operations import Operation
from llmgw_admin.api.portable import portable_operations
from llmgw_admin.api.records import record_operations
from llmgw_admin.api.replay import Replay, replay_operations
from llmgw_admin.api.requests import request_operations
from llmgw_admin.api.sessions import session_operations
from llmgw_admin.guard import AdminConfig, Guard
from llmgw_admin.history import History
from llmgw_admin.overview import overview
from llmgw_admin.requests import RequestLog
from llmgw_admin.sessions import Sessions
from llmgw_admin.status import Status
from llmgw_control import Administration
from llmgw_domain import Catalog

# The version is Prometheus' text format's, which it chooses its parser by.
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def admin_app(
    current: Callable[[], Catalog],
    metrics_text: Callable[[], Awaitable[bytes]],
    status: Callable[[], Status],
    config: AdminConfig | None = None,
    *,
    administration: Administration | None = None,
    history: History | None = None,
    requests: RequestLog | None = None,
    replay: Replay | None = None,
    sessions: Sessions | None = None,
    settled: Settled = at_once,
) -> ASGIApp:
    """Pages and JSON API as an ASGI application.

    `current` gives the catalog that is served, `metrics_text` Prometheus' text format, `status` the present moment;
    `administration` takes the API's commands, `history` is where the audit trail is read from, `requests` the request
    log; `replay` folds the log anew, `sessions` are looked at and forgotten. Without the first there is no API, without
    one of the others it has no such part.
    What was commanded is answered once `settled` returns.

    Raises ValueError if `config` would open the pages to other machines without a token.
    """

    async def index(_: Request) -> Response:
        return HTMLResponse(overview(current(), status()))

    async def metrics(_: Request) -> Response:
        return Response(await metrics_text(), headers={"content-type": METRICS_TYPE})

    routes = [
        Route("/", index),
        Route("/metrics", metrics),
        Route("/healthz", _healthz),
        Route("/style.css", _style),
    ]
    pages, config = Starlette(routes=routes), config or AdminConfig()
    if administration is None:
        return Guard(pages, config)
    api = Api(api_operations(administration, current, history, status().version, requests, replay, sessions), settled)
    return Guard(pages, config, api, administration.actor_of)


def api_operations(
    administration: Administration,
    current: Callable[[], Catalog],
    history: History | None,
    version: str,
    requests: RequestLog | None = None,
    replay: Replay | None = None,
    sessions: Sessions | None = None,
) -> list[Operation]:
    """The whole table of the API, with the description of itself."""
    operations = [
        *record_operations(administration),
        *catalog_operations(administration, current),
        *portable_operations(administration),
        *(event_operations(history) if history is not None else ()),
        *(request_operations(requests) if requests is not None else ()),
        *(session_operations(sessions) if sessions is not None else ()),
        *(replay_operations(replay) if replay is not None else ()),
    ]
    return [*operations, openapi_operation(operations, version)]


async def _healthz(_: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _style(_: Request) -> Response:
    return Response((files("llmgw_admin") / "static" / "style.css").read_bytes(), media_type="text/css")
