"""One running stack for the tests that cross the whole product: simulator, gateway, real sockets, one event loop.

Everything runs in the test's own loop, so that a test can count what is left when it is over.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from llmgw_gateway.build import Gateway, open_gateway
from llmgw_gateway.config import load
from llmgw_simulator import Simulator, SimulatorConfig
from llmgw_simulator.keyring import Keyring
from llmgw_simulator.testing import service_account
from llmgw_telemetry import LogConfig, configure_logging

KEY = "gw-test-key-0123456789abcdefghijklmnop"
HASH = "sha256:" + hashlib.sha256(KEY.encode()).hexdigest()

SMALL = {
    # Without a database a gateway is open at once; those that need one say so.
    "GATEWAY_DATABASE__URL": "none",
    "GATEWAY_SPOOL__MAX_BYTES": "4194304",
    "GATEWAY_SPOOL__SEGMENT_BYTES": "262144",
    # After a refusal that does not say for how long, accounts rest for a moment: most tests have but one.
    "GATEWAY_BALANCE__PAUSE_SECONDS": "0.02",
    "GATEWAY_BALANCE__OVERLOADED_SECONDS": "0.02",
}

CONFIG = """
[server]
data_bind = "127.0.0.1:0"
admin_bind = "127.0.0.1:0"
engine = "{engine}"
{server}

[[accounts]]
id = "openai-a"
provider = "openai"
credential = "env:UP_KEY"
base_url = "{simulator}/v1"
pool = "openai"

[[accounts]]
id = "anthropic-a"
provider = "anthropic"
credential = "env:UP_KEY"
base_url = "{simulator}"
pool = "anthropic"

[[accounts]]
id = "google-a"
provider = "google"
credential = "env:UP_KEY"
base_url = "{simulator}"
pool = "google"

[[models]]
name = "sim/gpt"
targets = [{{ pool = "openai", model = "sim-gpt" }}]

[[models]]
name = "sim/claude"
targets = [{{ pool = "anthropic", model = "claude-sonnet-4-5" }}]

[[models]]
name = "sim/gemini"
targets = [{{ pool = "google", model = "gemini-2.5-flash" }}]

[[models]]
name = "openai/*"
targets = [{{ pool = "openai", model = "*" }}]

[[keys]]
id = "test"
hash = "{hash}"
{more}
"""

CLOUDS = """
[[accounts]]
id = "azure-a"
provider = "azure"
credential = "env:AZURE_KEY"
base_url = "{simulator}"
pool = "azure"

[[accounts]]
id = "azure-old"
provider = "azure"
credential = "env:AZURE_KEY"
base_url = "{simulator}"
api_version = "2025-04-01-preview"
pool = "azure-old"

[[accounts]]
id = "vertex-a"
provider = "vertex"
credential = "env:ROBOT"
base_url = "{simulator}"
location = "eu"
pool = "vertex"

[[accounts]]
id = "bedrock-a"
provider = "bedrock"
credential = "env:AWS_KEYS"
base_url = "{simulator}"
region = "eu-west-1"
pool = "bedrock"

[[models]]
name = "responses/*"
targets = [{ pool = "openai", model = "*", api = "responses" }]

[[models]]
name = "chat/*"
targets = [{ pool = "openai", model = "*", api = "chat" }]

[[models]]
name = "anthropic/*"
targets = [{ pool = "anthropic", model = "*" }]

[[models]]
name = "google/*"
targets = [{ pool = "google", model = "*" }]

[[models]]
name = "azure/*"
targets = [{ pool = "azure", model = "*" }]

[[models]]
name = "old/*"
targets = [{ pool = "azure-old", model = "*" }]

[[models]]
name = "vertex/*"
targets = [{ pool = "vertex", model = "*" }]

[[models]]
name = "bedrock/*"
targets = [{ pool = "bedrock", model = "*" }]
"""
"""More configuration: the simulator as every cloud that it can be, and OpenAI asked through one of its APIs alone."""


class Stack:
    """A simulator and a gateway in front of it. `base` is the gateway's address."""

    def __init__(self, gateway: Gateway, simulator: Any, http: aiohttp.ClientSession, log: io.StringIO) -> None:
        self.gateway = gateway
        self.simulator = simulator
        self.http = http
        self.key = KEY
        self.base = gateway.data_bind.url()
        self.admin = gateway.admin_bind.url()
        self._log = log

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What the gateway has logged, one object a line."""
        return [msgspec.json.decode(line) for line in self._log.getvalue().splitlines()]

    @property
    def requests(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if line.get("event") == "request"]

    async def sim(self, method: str, path: str, **more: Any) -> Any:
        """A control request to the simulator."""
        async with self.http.request(method, f"{self.simulator.base_url}/_sim/{path}", **more) as response:
            assert response.status < 300, await response.text()
            return await response.json() if response.content_type == "application/json" else None

    async def upstream_saw(self) -> list[dict[str, Any]]:
        """The requests that the simulator received."""
        requests: list[dict[str, Any]] = (await self.sim("GET", "log"))["requests"]
        return requests

    @property
    def left(self) -> tuple[int, int, int]:
        """Leases, upstream calls in progress, and upstream connections that are neither in use nor kept."""
        pool = self.gateway.pool.counters()
        return self.gateway.balancer.in_flight, pool.leased, pool.open - pool.idle

    async def settle(self) -> None:
        """Waits until the last requests have left the gateway, for two seconds at most."""
        for _ in range(200):
            if self.left == (0, 0, 0):
                return
            await asyncio.sleep(0.01)

    def assert_nothing_left(self) -> None:
        """Everything that the requests took is given back."""
        assert self.left == (0, 0, 0)


Opener = Callable[..., AbstractAsyncContextManager[Stack]]


@asynccontextmanager
async def _open(
    folder: Path,
    engine: str = "hypercorn",
    server: str = "",
    more: str = "",
    simulator: Any = None,
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[Stack]:
    log = io.StringIO()
    out = configure_logging(LogConfig(format="json"), log)
    async with (
        Simulator(simulator or SimulatorConfig()).serve("127.0.0.1", 0) as running,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
    ):
        file = folder / "gateway.toml"
        more = more.replace("{simulator}", running.base_url)
        text = CONFIG.format(engine=engine, simulator=running.base_url, hash=HASH, server=server, more=more)
        file.write_text(text)
        # A test may open several at once, and each owns its folder.
        data = tempfile.mkdtemp(prefix="data-", dir=folder)
        given = {"UP_KEY": "sk-up-stream", "GATEWAY_DATA_DIR": data, **SMALL, **(environ or {})}
        given = {name: value.replace("{simulator}", running.base_url) for name, value in given.items()}
        async with open_gateway(load(file, given), out) as gateway:
            yield Stack(gateway, running, http, log)


@pytest.fixture
def open_stack(tmp_path: Path) -> Opener:
    """Opens a stack: `async with open_stack(engine=..., server=..., more=...)` with further lines of configuration,
    and `environ` with further variables. `{simulator}` in both of them is the simulator's address."""

    def opener(**options: Any) -> AbstractAsyncContextManager[Stack]:
        return _open(tmp_path, **options)

    return opener


@pytest.fixture(params=["hypercorn", "uvicorn"])
async def stack(request: pytest.FixtureRequest, open_stack: Opener) -> AsyncIterator[Stack]:
    """A stack on each of the two engines."""
    async with _leaving_nothing(open_stack(engine=request.param)) as opened:
        yield opened


@pytest.fixture
def open_clouds(open_stack: Opener, robot: Any) -> Opener:
    """Opens a stack with every kind of account, which must leave nothing: `async with open_clouds(engine=...)`."""

    def opener(**options: Any) -> AbstractAsyncContextManager[Stack]:
        keys = {"AZURE_KEY": "azure-key", "AWS_KEYS": "AKID1:secret-of-AKID1"}
        environ = {**keys, "ROBOT": msgspec.json.encode(robot.file).decode()}
        simulator = SimulatorConfig(keyring=Keyring(google=robot.public))
        return _leaving_nothing(open_stack(more=CLOUDS, environ=environ, simulator=simulator, **options))

    return opener


@pytest.fixture
async def clouds(open_clouds: Opener) -> AsyncIterator[Stack]:
    """A stack with every kind of account."""
    async with open_clouds() as opened:
        yield opened


@pytest.fixture(scope="session")
def robot() -> Any:
    """A service account of Google's, whose tokens the simulator gives."""
    return service_account("{simulator}/token")


@asynccontextmanager
async def _leaving_nothing(opening: AbstractAsyncContextManager[Stack]) -> AsyncIterator[Stack]:
    """The stack; afterwards all that it took must be given back."""
    tasks, descriptors = len(asyncio.all_tasks()), open_descriptors()
    async with opening as opened:
        yield opened
        await opened.settle()
        opened.assert_nothing_left()
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == tasks
    assert open_descriptors() <= descriptors


def open_descriptors() -> int:
    """Files and sockets that this process has open."""
    return len(os.listdir("/proc/self/fd"))
