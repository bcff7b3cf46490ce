"""contract.md, "Configuration": accounts at Azure and Vertex AI, as the whole product serves them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from llmgw_gateway.check import examine, summary
from llmgw_gateway.config import read

HARNESS = Path(__file__).resolve().parents[3] / "shared" / "tools" / "conformance" / "targets" / "render.py"
TOKEN = "ya29.granted-to-the-gateway"

MORE = """
[[accounts]]
id = "azure-a"
provider = "azure"
credential = "env:AZURE_KEY"
base_url = "{cloud}/openai/v1"
deployments = {{ "gpt-4.1" = "chat-eu" }}
pool = "azure"

[[accounts]]
id = "azure-old"
provider = "azure"
credential = "env:AZURE_KEY"
base_url = "{cloud}"
api_version = "2024-10-21"
deployments = {{ "gpt-4.1" = "chat-eu" }}
pool = "azure-old"

[[accounts]]
id = "vertex-a"
provider = "vertex"
credential = "file:robot.json"
location = "eu"
base_url = "{cloud}"
pool = "vertex"

[[models]]
name = "azure/*"
targets = [{{ pool = "azure", model = "*" }}]

[[models]]
name = "old/*"
targets = [{{ pool = "azure-old", model = "*" }}]

[[models]]
name = "vertex/*"
targets = [{{ pool = "vertex", model = "*" }}]
"""

CHAT = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
GEMINI = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "ok"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
}
CLAUDE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "ok"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}


class Cloud:
    """Azure, Vertex and Google's issuer of tokens at one address; `refuse` is what models are answered instead."""

    def __init__(self) -> None:
        self.seen: list[web.Request] = []
        self.bodies: list[Any] = []
        self.granted = 0
        self.refuse: tuple[int, Any] | None = None

    async def answer(self, request: web.Request) -> web.Response:
        if request.path == "/token":
            self.granted += 1
            return self._json(200, {"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"})
        self.seen.append(request)
        self.bodies.append(msgspec.json.decode(await request.read()))
        if self.refuse is not None:
            return self._json(*self.refuse)
        kinds = {"rawPredict": CLAUDE, "generateContent": GEMINI}
        return self._json(200, kinds.get(request.path.rpartition(":")[2], CHAT))

    @staticmethod
    def _json(status: int, body: Any) -> web.Response:
        return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")

    @property
    def last(self) -> tuple[str, Any]:
        return self.seen[-1].raw_path, self.bodies[-1]


@asynccontextmanager
async def serving(cloud: Cloud) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", cloud.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture(scope="module")
def pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption()).decode()


@pytest.fixture
async def clouds(open_stack, caller, tmp_path, pem) -> AsyncIterator[Any]:
    """`call`, and the cloud that answers it as `call.cloud`."""
    cloud = Cloud()
    async with serving(cloud) as url:
        robot = {
            "type": "service_account",
            "project_id": "from-file",
            "private_key": pem,
            "client_email": "gw@p.example",
            "token_uri": f"{url}/token",
        }
        (tmp_path / "robot.json").write_bytes(msgspec.json.encode(robot))
        async with open_stack(more=MORE.format(cloud=url), environ={"AZURE_KEY": "azure-key"}) as stack:
            call = caller(stack)
            call.cloud = cloud
            yield call


async def test_azure(clouds):
    """The current paths: the key in `api-key`, the deployment as the body's model."""
    answer = await clouds("chat", model="azure/gpt-4.1")
    path, body = clouds.cloud.last
    assert (200, "azure-a", "/openai/v1/chat/completions") == (answer.status, answer.headers["x-gw-account"], path)
    assert ("chat-eu", "azure-key") == (body["model"], clouds.cloud.seen[-1].headers["api-key"])


async def test_azure_with_a_dated_version(clouds):
    """The classic paths: the deployment in the path, the version in the query; from another dialect as well."""
    for dialect in ("chat", "messages"):
        assert 200 == (await clouds(dialect, model="old/gpt-4.1")).status
        assert "/openai/deployments/chat-eu/chat/completions?api-version=2024-10-21" == clouds.cloud.last[0]


async def test_gemini_at_vertex(clouds):
    """A service account's token, one for all calls, and a path by project and location."""
    for dialect in ("gemini", "chat", "messages"):
        assert 200 == (await clouds(dialect, model="vertex/gemini-2.5-flash")).status
    path, _ = clouds.cloud.last
    assert "/v1beta1/projects/from-file/locations/eu/publishers/google/models/gemini-2.5-flash:generateContent" == path
    assert (f"Bearer {TOKEN}", 1) == (clouds.cloud.seen[-1].headers["authorization"], clouds.cloud.granted)


async def test_claude_at_vertex(clouds):
    """Anthropic's body without a model, with the version and the betas in it."""
    headers = {"anthropic-beta": "context-1m-2025-08-07"}
    answer = await clouds("messages", model="vertex/claude-sonnet-4-5@20250929", headers=headers)
    path, body = clouds.cloud.last
    place = "/v1/projects/from-file/locations/eu/publishers/anthropic/models"
    assert (200, f"{place}/claude-sonnet-4-5@20250929:rawPredict") == (answer.status, path)
    assert (None, "vertex-2023-10-16") == (body.get("model"), body["anthropic_version"])
    assert ["context-1m-2025-08-07"] == body["anthropic_beta"]
    assert "anthropic-beta" not in clouds.cloud.seen[-1].headers


async def test_a_token_is_never_shown(clouds):
    """A provider that quotes the token it refuses: neither the client nor the log learns it; it is renewed once."""
    clouds.cloud.refuse = (401, {"error": {"code": 401, "message": f"bad {TOKEN}", "status": "UNAUTHENTICATED"}})
    answer = await clouds("gemini", model="vertex/gemini-2.5-flash")
    assert (503, 2) == (answer.status, clouds.cloud.granted)
    await clouds.stack.settle()
    assert TOKEN not in answer.raw.decode() + str(clouds.stack.lines)
    clouds.cloud.refuse = (400, {"error": {"code": 400, "message": f"bad {TOKEN}", "status": "INVALID_ARGUMENT"}})
    answer = await clouds("gemini", model="vertex/gemini-2.5-flash")
    assert (400, "bad [hidden]") == (answer.status, answer.error["message"])


@pytest.mark.skipif(not HARNESS.is_file(), reason=f"the conformance harness is not there: {HARNESS}")
def test_the_harness_s_configuration_is_valid(tmp_path):
    """The configuration that the conformance harness makes, with an account of every kind, is accepted as it is."""
    command = [sys.executable, "-B", str(HARNESS), "llmgw", "--upstream", "http://127.0.0.1:9", "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    settings, problems = read(tmp_path / "gateway.toml", {"REPLAY_KEY": "sk-up", "REPLAY_AWS_KEY": "AKIAX:x"})
    assert [] == examine(settings, problems)
    assert "7 accounts" in summary(settings)
