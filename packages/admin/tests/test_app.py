from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from llmgw_admin import AdminConfig, Status, admin_app
from llmgw_admin.testing import MemoryHistory
from llmgw_control import AccountRecord, Control, KeyRecord, ModelRecord, Records, TargetRecord
from llmgw_control.testing import OWNER, Desk
from llmgw_domain import Secret

RECORDS = Records(
    accounts=(
        AccountRecord(id="claude-a", provider="anthropic", pool="claude", credential="env:A", max_concurrency=2),
        AccountRecord(id="claude-b", provider="anthropic", pool="claude", credential="env:B", enabled=False),
    ),
    models=(ModelRecord(name="sonnet", targets=(TargetRecord(pool="claude", model="claude-sonnet-4-5"),)),),
    keys=(KeyRecord(id="k", value="env:KEY"),),
)

DESK = Desk()
VIEWERS = DESK.administration.create("token", "v", {"role": "viewer"}, OWNER).secret


async def metrics_text() -> bytes:
    return b"gateway_inflight 2\n"


def client(config: AdminConfig | None = None, base: str = "http://127.0.0.1:8081") -> TestClient:
    control = Control(lambda reference: Secret("secret-of-" + reference.removeprefix("env:")))
    control.load(RECORDS)
    app = admin_app(
        control.current,
        metrics_text,
        lambda: Status(version="9.9", uptime=3725.0, in_flight={"claude-a": 2}),
        config,
        administration=DESK.administration,
        history=MemoryHistory(),
    )
    return TestClient(app, base_url=base)


def test_the_overview_shows_accounts_and_models() -> None:
    """The page has each account with its state and load, each model with its targets, version and uptime."""
    answer = client().get("/")
    assert (200, "text/html; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
    wanted = ["claude-a", "claude-b", "full", "disabled", "sonnet", "claude / claude-sonnet-4-5", "9.9", "1 h 2 min"]
    assert [] == [text for text in wanted if text not in answer.text]


def test_the_overview_shows_no_secret() -> None:
    """Neither credentials, nor keys, nor where they are kept are on the page."""
    text = client().get("/").text
    assert [] == [word for word in ("secret-of", "env:A", "env:KEY") if word in text]


def test_metrics_are_prometheus_text() -> None:
    """/metrics gives the text of its port under Prometheus' own content type."""
    answer = client().get("/metrics")
    assert (b"gateway_inflight 2\n", "text/plain; version=0.0.4; charset=utf-8") == (
        answer.content,
        answer.headers["content-type"],
    )


def test_the_style_comes_from_here() -> None:
    """The only thing that the page loads is served by the same listener, as its policy demands."""
    answer = client().get("/style.css")
    assert (200, "text/css; charset=utf-8") == (answer.status_code, answer.headers["content-type"])


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/nothing"])
def test_every_answer_has_the_security_headers(path: str) -> None:
    """No page can be framed, sniffed or made to load anything from elsewhere."""
    headers = client().get(path).headers
    assert ("nosniff", "DENY", "no-store") == (
        headers["x-content-type-options"],
        headers["x-frame-options"],
        headers["cache-control"],
    )
    assert "default-src 'none'" in headers["content-security-policy"]


def test_a_foreign_host_name_is_turned_away() -> None:
    """A page of another site that rebinds its name to loopback gets 421 and is told why."""
    answer = client(base="http://evil.example").get("/")
    assert 421 == answer.status_code
    assert "evil.example" in answer.text
    assert "server.admin_hosts" in answer.text


def test_beyond_loopback_the_token_is_asked_for() -> None:
    """Bound to another address, every page but /healthz needs the bearer token."""
    outside = client(AdminConfig(host="0.0.0.0", token=Secret("let-me-in")), "http://10.0.0.7:8081")
    answers = {path: outside.get(path).status_code for path in ("/", "/metrics", "/style.css", "/nothing", "/healthz")}
    assert {"/": 401, "/metrics": 401, "/style.css": 401, "/nothing": 401, "/healthz": 200} == answers
    assert 200 == outside.get("/", headers={"authorization": "Bearer let-me-in"}).status_code
    assert 401 == outside.get("/", headers={"authorization": "Bearer let-me-out"}).status_code


def test_every_made_token_opens_the_pages() -> None:
    """Beyond loopback a viewer's token is as good as an owner's for what can only be read."""
    outside = client(AdminConfig(host="0.0.0.0", token=Secret("let-me-in")), "http://10.0.0.7:8081")
    assert 200 == outside.get("/metrics", headers={"authorization": f"Bearer {VIEWERS}"}).status_code


@pytest.mark.parametrize("path", ["/api/v1/accounts", "/api/v1/catalog", "/api/v1/nothing", "/openapi.json"])
def test_the_api_needs_a_token_on_loopback_too(path: str) -> None:
    """What a browser can reach on loopback is no right: without a token, or with a wrong one, 401 in JSON."""
    for headers in ({}, {"authorization": "Bearer wrong"}):
        answer = client().get(path, headers=headers)
        assert (401, "invalid_admin_token") == (answer.status_code, answer.json()["error"]["code"])
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_api_is_refused_under_a_foreign_name() -> None:
    """The Host header is checked before the token, and the answer is JSON there."""
    headers = {"authorization": f"Bearer {VIEWERS}"}
    answer = client(base="http://evil.example").get("/api/v1/accounts", headers=headers)
    assert (421, "unknown_host") == (answer.status_code, answer.json()["error"]["code"])


def test_no_other_origin_is_let_in() -> None:
    """A preflight of another site gets no permission, with a token or without."""
    headers = {"origin": "https://evil.example", "access-control-request-method": "DELETE"}
    for more in ({}, {"authorization": f"Bearer {VIEWERS}"}):
        answer = client().options("/api/v1/accounts", headers={**headers, **more})
        assert answer.status_code in (401, 405)
        assert [] == [name for name in answer.headers if name.startswith("access-control-")]


def test_only_reading_is_possible() -> None:
    """No page takes another method than GET and HEAD."""
    assert 405 == client().post("/").status_code
