"""contract.md, "Configuration", `[fetch]`: media that requests name by address, as the whole product treats them."""

from __future__ import annotations

import pytest

MORE = """
[[accounts]]
id = "rock"
provider = "bedrock"
credential = { access_key_id = "env:AWS_ID", secret_access_key = "env:AWS_SECRET" }
region = "us-east-1"
base_url = "http://127.0.0.1:9"
pool = "rock"

[[models]]
name = "rock/*"
targets = [{ pool = "rock", model = "*" }]
"""
ENVIRON = {"AWS_ID": "AKIAX", "AWS_SECRET": "hush"}
MODEL = "rock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"
URL = "https://localhost:9/a.png"
ON = f"""
[fetch]
enabled = true
allowed_hosts = ["localhost:9"]
{MORE}"""

PICTURED = {
    "chat": {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": URL}}]}]},
    "messages": {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": URL}}]}]},
    "gemini": {"contents": [{"role": "user", "parts": [{"fileData": {"fileUri": URL, "mimeType": "image/png"}}]}]},
}


@pytest.mark.parametrize("dialect", PICTURED)
async def test_an_address_that_nobody_fetches_is_a_400_that_names_the_setting(open_stack, caller, dialect):
    """Off by default, in each dialect's own envelope; no account was asked."""
    async with open_stack(more=MORE, environ=ENVIRON) as stack:
        answer = await caller(stack)(dialect, model=MODEL, **PICTURED[dialect])
        assert (400, "0") == (answer.status, answer.headers["x-gw-attempts"])
        assert "fetch.allowed_hosts with fetch.enabled" in answer.error["message"]


@pytest.mark.parametrize("dialect", PICTURED)
async def test_an_allowed_host_that_leads_inward_is_not_connected_to(open_stack, caller, dialect):
    """The name is allowed, its address is not public."""
    async with open_stack(more=ON, environ=ENVIRON) as stack:
        answer = await caller(stack)(dialect, model=MODEL, **PICTURED[dialect])
        assert (400, "0") == (answer.status, answer.headers["x-gw-attempts"])
        assert answer.error["message"].endswith("its host's name leads to an address that is not public.")


async def test_an_address_goes_on_to_a_provider_that_fetches_it(open_stack, caller):
    """Whether the gateway fetches or not."""
    for more in (MORE, ON):
        async with open_stack(more=more, environ=ENVIRON) as stack:
            await caller(stack)("chat", model="sim/claude", max_tokens=9, **PICTURED["chat"])
            (request,) = [r for r in await stack.upstream_saw() if r["path"].endswith("/messages")]
            assert URL in str(request)
