"""The configuration's file, changed while the gateway runs."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from llmgw_gateway import reload
from llmgw_gateway.build import Gateway, open_gateway
from llmgw_gateway.config import load
from llmgw_telemetry import LogConfig, configure_logging

FILE = """
[server]
data_bind = "127.0.0.1:0"
admin_bind = "127.0.0.1:0"
drain_seconds = {drain}
[database]
url = "none"
[spool]
max_bytes = 4194304
segment_bytes = 262144
[[accounts]]
id = "a"
provider = "openai"
pool = "p"
credential = "env:UP"
[[models]]
name = "{model}"
targets = [{{ pool = "{pool}", model = "x" }}]
[[keys]]
id = "k"
value = "env:K"
"""


class Running:
    def __init__(self, gateway: Gateway, file: Path, log: io.StringIO) -> None:
        self.gateway = gateway
        self.file = file
        self.log = log

    @property
    def models(self) -> list[str]:
        return [*self.gateway.control.current().models]

    def write(self, model: str = "m", pool: str = "p", drain: int = 1) -> None:
        self.file.write_text(FILE.format(model=model, pool=pool, drain=drain))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - the watching is another task's
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Running]:
    file, log = folder / "g.toml", io.StringIO()
    file.write_text(FILE.format(model="m", pool="p", drain=1))
    out = configure_logging(LogConfig(format="json"), log)
    environ = {"GATEWAY_DATA_DIR": str(folder / "data"), "UP": "sk-1", "K": "gw-1"}
    async with open_gateway(load(file, environ), out) as gateway:
        yield Running(gateway, file, log)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "_LOOK_SECONDS", 0.02)


async def test_a_changed_file_is_served(tmp_path: Path) -> None:
    """Without being asked; what is gone from it is gone."""
    async with running(tmp_path) as here:
        before = here.gateway.control.current()
        here.write(model="other")
        await here.until(lambda: here.models == ["other"])
        assert ["m"] == [*before.models]
        assert "configuration read again" in here.log.getvalue()


async def test_a_hangup_reads_it_at_once(tmp_path: Path) -> None:
    """Also where nothing of the file changed: what it refers to may have."""
    async with running(tmp_path) as here:
        here.gateway.reload()
        await here.until(lambda: "configuration read again" in here.log.getvalue())


async def test_a_file_that_is_not_valid_changes_nothing(tmp_path: Path) -> None:
    """Every problem is logged, and the next good one is taken."""
    async with running(tmp_path) as here:
        here.write(model="other", pool="nowhere")
        await here.until(lambda: "no account is in pool 'nowhere'" in here.log.getvalue())
        here.file.write_text("[")
        await here.until(lambda: "is not valid TOML" in here.log.getvalue())
        assert ["m"] == here.models
        here.write(model="third")
        await here.until(lambda: here.models == ["third"])


async def test_what_needs_a_restart_is_said(tmp_path: Path) -> None:
    """The records are taken all the same."""
    async with running(tmp_path) as here:
        here.write(model="other", drain=7)
        await here.until(lambda: "needs a restart" in here.log.getvalue())
        assert ["other"] == here.models
