"""Real clients as their users run them: processes of their own, in a home and a folder of their own.

The gateway and the simulator run in the test's loop, so a client runs beside them and is awaited. `make test` installs
the clients: those for Node below `node/` from its package-lock.json, those for Python from `python/uv.lock` into
`.tools/clients`, so that what they depend on stays out of the product's lock. A client that is not there is skipped.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

HERE = Path(__file__).parent
NODE_MODULES = HERE / "node" / "node_modules"
PYTHON_CLIENTS = HERE.parents[1] / ".tools" / "clients"
STAMP = ".synced"
"""What `make clients` leaves beside clients that are all there."""

SECONDS = 100.0
"""A client that takes longer hangs. The slowest task takes a tenth of it."""

HOME_VARIABLES = {
    "HOME": "",
    "TMPDIR": "",
    "XDG_CONFIG_HOME": ".config",
    "XDG_CACHE_HOME": ".cache",
    "XDG_DATA_HOME": ".local/share",
}
"""Where clients keep what they keep, below a home of their own."""


class Ran(msgspec.Struct):
    """How a client's process ended: its exit code and what it wrote."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What it printed, which is one JSON text and nothing else."""
        assert self.code == 0, f"exit code {self.code}\n{self.out}\n{self.err}"
        return msgspec.json.decode(self.out)

    def events(self) -> list[Any]:
        """What it printed, which is one JSON text a line."""
        assert self.code == 0, f"exit code {self.code}\n{self.out}\n{self.err}"
        return [msgspec.json.decode(line) for line in self.out.splitlines() if line.startswith("{")]


Runner = Callable[..., Awaitable[Ran]]


@pytest.fixture
def run(tmp_path: Path) -> Runner:
    """Runs a client: `await run([...], {...}, told)` with its arguments, the variables that point it to the gateway,
    and what it reads from standard input."""
    home, folder = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    folder.mkdir()

    async def runner(arguments: list[str], variables: Mapping[str, str], told: str = "") -> Ran:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            cwd=folder,
            env={**sealed(home), **variables},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(SECONDS):
                out, err = await process.communicate(told.encode())
        finally:
            end(process)
            await process.wait()
        return Ran(process.returncode or 0, out.decode(), err.decode())

    return runner


def sealed(home: Path) -> dict[str, str]:
    """An environment of its own in which nothing but this machine can be reached: the proxy for the rest is closed."""
    closed = "http://127.0.0.1:9"
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), closed)
    return {
        **{name: str(home / below) for name, below in HOME_VARIABLES.items()},
        **proxies,
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "PATH": os.environ["PATH"],
        "SSL_CERT_FILE": os.environ["SSL_CERT_FILE"],
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "CI": "1",
        "DO_NOT_TRACK": "1",
    }


def end(process: asyncio.subprocess.Process) -> None:
    """Ends what the client has left running: its session is its own."""
    try:
        os.killpg(process.pid, 9)
    except ProcessLookupError:
        pass


@pytest.fixture(scope="session")
def node() -> str:
    """The Node that runs the clients."""
    found = shutil.which("node")
    if found is None or not (NODE_MODULES / STAMP).exists():
        pytest.skip("the Node clients are not installed: run `make clients`")
    return found


@pytest.fixture(scope="session")
def python() -> str:
    """The Python that has the clients for Python."""
    if not (PYTHON_CLIENTS / STAMP).exists():
        pytest.skip("the Python clients are not installed: run `make clients`")
    return str(PYTHON_CLIENTS / "bin" / "python")
