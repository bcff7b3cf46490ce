"""A client of the whole admin application, with a token of each role."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from llmgw_admin import AdminConfig, Status, admin_app
from llmgw_admin.testing import MemoryHistory, MemoryRequestLog, MemorySessions, a_session
from llmgw_control import AccountRecord, Records
from llmgw_control.testing import OWNER, Desk
from llmgw_domain import Secret

FILE = Records(accounts=(AccountRecord(id="filed", provider="openai", pool="p", credential="env:FILED"),))


class Stack(msgspec.Struct, kw_only=True):
    """The application over a node's administration, with an account in pool `p` from its file, a request `x` in its
    log, and a client for each role (and one without a token). `before` is how many events the tokens took.
    """

    desk: Desk
    history: MemoryHistory
    requests: MemoryRequestLog
    sessions: MemorySessions
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
    requests = MemoryRequestLog()
    requests.tell("x", 1.0)
    sessions = MemorySessions([a_session(1), a_session(2, current="b", tenant="emca"), a_session(3, key="web")])
    config = AdminConfig(token=Secret("env-token"), owner_token=Secret("owner-token"))
    app = admin_app(
        lambda: desk.catalog,
        metrics_text,
        lambda: Status(version="9.9", uptime=1.0),
        config,
        administration=desk.administration,
        history=history,
        requests=requests,
        sessions=sessions,
    )

    def client(token: str | None) -> TestClient:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return TestClient(app, "http://127.0.0.1:8081", headers=headers, raise_server_exceptions=False)

    clients: dict[str, Any] = {
        role: client(desk.administration.create("token", role, {"role": role}, OWNER).secret)
        for role in ("owner", "operator", "viewer")
    }
    return Stack(
        desk=desk,
        history=history,
        requests=requests,
        sessions=sessions,
        before=len(history.log),
        nobody=client(None),
        **clients,
    )
