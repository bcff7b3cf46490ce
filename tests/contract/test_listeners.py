"""contract.md, "Listeners"."""

from __future__ import annotations

import socket

import pytest

DEAD = """
[[accounts]]
id = "dead"
provider = "openai"
credential = "env:UP_KEY"
base_url = "http://127.0.0.1:{port}/v1"
pool = "dead"

[[models]]
name = "dead"
targets = [{{ pool = "dead", model = "m" }}]
"""


@pytest.fixture
def closed_port():
    """A port at which every connection is refused."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


async def get(stack, url: str, **headers: str):
    async with stack.http.get(url, headers=headers) as response:
        return response.status, response.headers, await response.text()


async def test_healthz_says_alive(stack):
    """/healthz of the data listener is 200 without a key."""
    assert (await get(stack, f"{stack.base}/healthz"))[0] == 200


async def test_readyz_is_200_once_a_catalog_is_loaded(stack):
    """/readyz of the data listener is 200 without a key."""
    assert (await get(stack, f"{stack.base}/readyz"))[0] == 200


async def test_readyz_never_depends_on_providers(open_stack, caller, closed_port):
    """With all accounts failing or unreachable /readyz stays 200."""
    async with open_stack(more=DEAD.format(port=closed_port)) as stack:
        call = caller(stack)
        await call.fault(status=503)
        statuses = [(await call(model=model)).status for model in ("sim/gpt", "dead", "sim/gpt", "dead")]
        assert statuses == [503, 502, 503, 502]
        assert (await get(stack, f"{stack.base}/readyz"))[0] == 200


async def test_the_admin_listener_serves_the_dashboard(stack):
    """/ of the admin listener is a page that names accounts and models."""
    status, headers, text = await get(stack, f"{stack.admin}/")
    assert (status, headers["content-type"].split(";")[0]) == (200, "text/html")
    assert "openai-a" in text
    assert "sim/claude" in text
    assert "sk-up-stream" not in text


async def test_metrics_are_open_on_loopback_and_in_prometheus_format(stack):
    """/metrics of the admin listener needs no token there."""
    status, headers, text = await get(stack, f"{stack.admin}/metrics")
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert "# TYPE gateway_requests_total counter" in text


@pytest.mark.parametrize("path", ["/", "/metrics", "/api/v1/accounts"])
async def test_the_admin_listener_checks_the_host_header(stack, path):
    """A name that is not the listener's own is refused, so that no web site reaches the pages through its own name."""
    status, _, text = await get(stack, stack.admin + path, host="evil.example")
    assert status == 421
    assert "openai-a" not in text


@pytest.mark.parametrize("path", ["/", "/metrics", "/api/v1/accounts"])
async def test_the_data_listener_serves_no_admin_pages(stack, path):
    """What is for operators is not on the public listener."""
    assert (await get(stack, stack.base + path, **{"x-api-key": stack.key}))[0] == 404


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/readyz"])
async def test_the_admin_listener_serves_no_client_apis(stack, path):
    """Client APIs are on the data listener only."""
    async with stack.http.post(stack.admin + path, json={}, headers={"x-api-key": stack.key}) as response:
        assert response.status in (404, 405)


async def test_peers_are_off(open_stack):
    """Two listeners and no third, until it is configured."""
    async with open_stack() as stack:
        assert len(stack.gateway.data.addresses) == len(stack.gateway.admin.addresses) == 1
