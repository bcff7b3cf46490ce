"""The composition: what is opened is closed again, in any outcome."""

from __future__ import annotations

import asyncio
import io
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmgw_control import Refused
from llmgw_gateway.build import open_gateway, serve
from llmgw_gateway.config import Settings, load
from llmgw_gateway.data_dir import UnusableDataDir
from llmgw_gateway.serving import CannotListen
from llmgw_telemetry import LogConfig, LogStream, configure_logging

FREE = {
    "GATEWAY_SERVER__DATA_BIND": "127.0.0.1:0",
    "GATEWAY_SERVER__ADMIN_BIND": "127.0.0.1:0",
    "GATEWAY_DATABASE__URL": "none",
    "GATEWAY_SPOOL__MAX_BYTES": "4194304",
    "GATEWAY_SPOOL__SEGMENT_BYTES": "262144",
}


def settings(folder: Path, **environ: str) -> Settings:
    """A configuration of variables alone, with free ports."""
    return load(None, {"GATEWAY_DATA_DIR": str(folder / "data"), **FREE, **environ})


@pytest.fixture
def log() -> LogStream:
    return configure_logging(LogConfig(format="json"), io.StringIO())


@pytest.fixture
def taken() -> Iterator[str]:
    """An address that somebody listens at."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield f"127.0.0.1:{sock.getsockname()[1]}"


def held() -> tuple[int, int]:
    """How many tasks and descriptors there are."""
    return len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))


async def left(before: tuple[int, int]) -> tuple[int, int]:
    """What is held beyond `before`, once connections that are closing have closed."""
    for _ in range(100):
        if held() == before:
            break
        await asyncio.sleep(0.01)
    tasks, descriptors = held()
    return tasks - before[0], descriptors - before[1]


def listening(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as sock:
        return sock.connect_ex((host, int(port))) == 0


async def test_everything_is_open_inside_and_closed_after(tmp_path: Path, log: LogStream) -> None:
    """Both listeners and the simulator answer while the context is open; afterwards no task and no socket is left."""
    before = held()
    async with open_gateway(settings(tmp_path), log) as gateway:
        simulator = gateway.records.accounts[1].base_url
        assert simulator is not None
        addresses = [str(gateway.data_bind), str(gateway.admin_bind), simulator.removeprefix("http://")]
        assert [True, True, True] == [listening(address) for address in addresses]
        # asyncio loses a connection that it accepts in the very moment in which its server closes.
        await asyncio.sleep(0.05)
        assert (True, ["sim/gpt", "sim/gemini", "sim/claude"]) == (
            gateway.simulated,
            sorted(gateway.control.current().models, reverse=True),
        )
    assert [False, False, False] == [listening(address) for address in addresses]
    assert (0, 0) == await left(before)


async def test_accounts_of_the_environment_need_no_simulator(tmp_path: Path, log: LogStream) -> None:
    """With a provider's key in the environment its account is in the catalog, and no simulator runs."""
    async with open_gateway(settings(tmp_path, OPENAI_API_KEY="sk-x"), log) as gateway:
        assert (False, ["openai"]) == (gateway.simulated, [*gateway.control.current().accounts])


@pytest.mark.parametrize("name", ["DATA_BIND", "ADMIN_BIND"])
async def test_an_address_in_use_leaves_nothing_open(tmp_path: Path, log: LogStream, taken: str, name: str) -> None:
    """What was opened before the listener that failed is closed again."""
    before = held()
    with pytest.raises(CannotListen, match=taken):
        async with open_gateway(settings(tmp_path, **{f"GATEWAY_SERVER__{name}": taken}), log):
            pass
    assert (0, 0) == await left(before)


async def test_a_refused_configuration_opens_nothing(tmp_path: Path, log: LogStream) -> None:
    """A record that does not compile is told before anything listens."""
    models = '[{name = "m", targets = [{pool = "nowhere", model = "m"}]}]'
    with pytest.raises(Refused, match="nowhere"):
        async with open_gateway(settings(tmp_path, GATEWAY_MODELS=models), log):
            pass


async def test_an_unusable_data_folder_is_named(tmp_path: Path, log: LogStream) -> None:
    """Where the folder should be there is a file."""
    (tmp_path / "data").write_text("")
    with pytest.raises(UnusableDataDir, match=r"data folder .*/data can't be used"):
        async with open_gateway(settings(tmp_path), log):
            pass


async def test_configured_keys_need_no_first_one(tmp_path: Path, log: LogStream) -> None:
    """Where keys are configured none is made."""
    environ = {"GATEWAY_KEYS__0__ID": "k", "GATEWAY_KEYS__0__VALUE": "env:K", "K": "gw-key"}
    async with open_gateway(settings(tmp_path, **environ), log) as gateway:
        assert gateway.first_key is None
    assert not (tmp_path / "data" / "client-key").exists()


async def test_a_drain_stops_both_listeners(tmp_path: Path, log: LogStream) -> None:
    """Afterwards nobody can connect, and the gateway says that it drains."""
    async with open_gateway(settings(tmp_path), log) as gateway:
        addresses = [str(gateway.data_bind), str(gateway.admin_bind)]
        await gateway.drain(5)
        assert [False, False] == [listening(address) for address in addresses]
        assert gateway.data.draining


@pytest.mark.parametrize("engine", ["hypercorn", "uvicorn"])
async def test_both_listeners_run_on_the_engine_of_the_configuration(
    tmp_path: Path, log: LogStream, engine: str
) -> None:
    """Each listener answers its health page."""
    async with open_gateway(settings(tmp_path, GATEWAY_SERVER__ENGINE=engine), log) as gateway:
        for bind in (gateway.data_bind, gateway.admin_bind):
            host, _, port = str(bind).rpartition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
            writer.close()
            await writer.wait_closed()


def test_serve_says_why_it_cannot(tmp_path: Path, taken: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An address in use, and a data folder that is none: a line on standard error and 1."""
    assert 1 == serve(settings(tmp_path, GATEWAY_SERVER__DATA_BIND=taken))
    (tmp_path / "file").write_text("")
    assert 1 == serve(settings(tmp_path, GATEWAY_DATA_DIR=str(tmp_path / "file")))
    lines = capsys.readouterr().err.splitlines()
    assert [True, True] == [taken in lines[0], str(tmp_path / "file") in lines[1]]
