"""A client of the whole admin application, with a token of each role."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from llmgw_admin import AdminConfig, Status, admin_app
from llmgw_admin.testing import MemoryHistory, MemoryRequestLog
from llmgw_control import AccountRecord, Records
from llmgw_control.testing import OWNER, Desk
from llmgw_domain import Secret
from llmgw_eventstore.testing import make_event

SERVED = {
    "request_id": "x",
    "at": 1.0,
    "tenant": "t",
    "key": "k",
    "dialect": "chat",
    "model": "m",
    "stream": False,
    "outcome": "ok",
    "status": 200,
    "attempts": 0,
    "duration": 1.0,
}
FILE = Records(accounts=(AccountRecord(id="filed", provider="openai", pool="p", credential="env:FILED"),))


class Stack(msgspec.Struct, kw_only=True):
    """The application over a node's administration, with an account in pool `p` from its file, a request `x` in its
    log, and a client for each role (and one without a token). `before` is how many events the tokens took.
    """

    desk: Desk
    history: MemoryHistory
    requests: MemoryRequestLog
    before: int
    owner: TestClient
    operator: TestClient
    viewer: TestClient
    nobody: TestClient


async def metrics_text() -> bytes:
    return b""


@pytest.fixture
def stack() -> Stack:
    desk = Desk(file=FILE)
    history = MemoryHistory(desk.journal.events)
    served = make_event(1, kind="request.settled", body=SERVED)
    requests = MemoryRequestLog([msgspec.structs.replace(served, subject="request/x")])
    config = AdminConfig(token=Secret("env-token"), owner_token=Secret("owner-token"))
    app = admin_app(
        lambda: desk.catalog,
        metrics_text,
        lambda: Status(version="9.9", uptime=1.0),
        config,
        administration=desk.administration,
        history=history,
        requests=requests,
    )

    def client(token: str | None) -> TestClient:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return TestClient(app, "http://127.0.0.1:8081", headers=headers, raise_server_exceptions=False)

    clients: dict[str, Any] = {
        role: client(desk.administration.create("token", role, {"role": role}, OWNER).secret)
        for role in ("owner", "operator", "viewer")
    }
    return Stack(desk=desk, history=history, requests=requests, before=len(history.log), nobody=client(None), **clients)
