"""A client of the whole admin application, with a token of each role."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from llmgw_admin import AdminConfig, Status, admin_app
from llmgw_admin.testing import MemoryAdministration, MemoryHistory
from llmgw_control import Control
from llmgw_control.views import Actor
from llmgw_domain import Event, Secret

TOKENS = {f"gwa-{role}": Actor(f"the-{role}", role) for role in ("viewer", "operator", "owner")}


class Stack(msgspec.Struct, kw_only=True):
    """The application with what it was given, and a client for each role (and one without a token)."""

    administration: MemoryAdministration
    history: MemoryHistory
    owner: TestClient
    operator: TestClient
    viewer: TestClient
    nobody: TestClient


@pytest.fixture
def stack() -> Stack:
    administration = MemoryAdministration(TOKENS, {("account", "filed"): {"provider": "openai", "pool": "p"}})
    history = MemoryHistory()
    control = Control(lambda _: Secret("s"))
    config = AdminConfig(token=Secret("env-token"), owner_token=Secret("owner-token"))
    app = admin_app(
        control,
        lambda: b"",
        lambda: Status(version="9.9", uptime=1.0),
        config,
        administration=administration,
        history=history,
    )

    def client(token: str | None) -> TestClient:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return TestClient(app, "http://127.0.0.1:8081", headers=headers, raise_server_exceptions=False)

    roles = {role: client(f"gwa-{role}") for role in ("owner", "operator", "viewer")}
    return Stack(administration=administration, history=history, nobody=client(None), **roles)


@pytest.fixture
def event() -> Callable[..., Event]:
    """A state event; `hlc` in milliseconds since 1970."""

    def make(ms: int, subject: str, fields: dict[str, Any] | None, *, node: str = "n1", **more: Any) -> Event:
        stamp = (ms << 16, node)
        body = {"after": 0, "incarnation": more.pop("incarnation", stamp), "fields": fields or {}}
        body["previous"] = more.pop("previous", {})
        return Event(
            id=f"event-{ms}-{node}",
            hlc=ms << 16,
            node=node,
            v=1,
            kind="state.deleted" if fields is None else "state.written",
            tenant="default",
            actor=more.pop("actor", "admin:the-owner"),
            cause=None,
            subject=subject,
            body=msgspec.Raw(msgspec.json.encode(body)),
        )

    return make
