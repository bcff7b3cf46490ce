"""What every form of the gateway needs around its planes: the database's address, the keys, the words at the start."""

from __future__ import annotations

import logging
import os
import secrets
import string
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from llmgw_admin import AdminConfig
from llmgw_control import Records, Unrevealed
from llmgw_domain import Event, Secret
from llmgw_gateway import console, first_start
from llmgw_gateway.bind import Bind
from llmgw_gateway.config import ServerConfig, Settings
from llmgw_gateway.control_plane import Unopened
from llmgw_gateway.data_dir import UnusableDataDir, create_once
from llmgw_gateway.database import address
from llmgw_gateway.keyring import Keyring, make_keyring
from llmgw_gateway.sealing import PREFIX, SealingError
from llmgw_gateway.secrets import Secrets
from llmgw_gateway.state import snapshot, spools
from llmgw_gateway.state.recorder import Recorder
from llmgw_gateway.state.served import Served
from llmgw_gateway.verbs.where import OWNER_FILE
from llmgw_postgres.embedded import Embedded
from llmgw_simulator import Simulator, SimulatorConfig
from llmgw_telemetry import LogConfig

_ALPHABET = string.ascii_letters + string.digits

_log = logging.getLogger(__name__)


async def conninfo(settings: Settings, stack: AsyncExitStack) -> str | None:
    """Where the database is; the private one is started, and stopped with `stack`. None where there is none.

    Raises `EmbeddedError`, `Unopened`.
    """
    database = settings.config.database
    match database.kind:
        case "none":
            return None
        case "external":
            assert database.url is not None
            try:
                return address(database.url, Secrets.of(settings).reveal)
            except Unrevealed as error:
                raise Unopened(f"the database's address (database.url) can't be had: {error}") from None
    server = await stack.enter_async_context(Embedded(settings.data_dir, database.embedded))
    return server.conninfo


def keyring(settings: Settings) -> Keyring:
    """The master keys, one made in the data folder where that is allowed. Raises `Unopened`.

    Nodes that share a database must have one key, so it is never made for one of one's own.
    """
    try:
        found = Secrets.of(settings).keyring()
        if found is not None:
            return found
        if settings.config.database.kind == "external":
            raise Unopened(
                "a database of your own needs a master key that is given: every node that shares it has the same. "
                "Make one with `openssl rand -base64 32`, and give it as GATEWAY_MASTER_KEY or with --master-key"
            )
        if _is_sealed(settings.data_dir):
            raise Unopened(
                f"the state in {settings.data_dir} is sealed, and there is no master key: give it with "
                "GATEWAY_MASTER_KEY or --master-key, or put it back as master.key into the data folder. Nothing was "
                "changed"
            )
        return make_keyring(settings.data_dir)
    except SealingError as error:
        raise Unopened(str(error)) from None


def _is_sealed(data_dir: Path) -> bool:
    """Whether the snapshot or the journal has sealed values. A new key beside them would hide what is wrong."""
    journal = spools.folder_of(data_dir) / spools.CONTROL
    segments = [path for path in journal.iterdir() if path.is_file()] if journal.is_dir() else []
    files = [path for path in (data_dir / snapshot.FILE, *segments) if path.is_file()]
    return any(PREFIX.encode() in path.read_bytes() for path in files)


def admin_config(settings: Settings) -> AdminConfig:
    """Who may administer. The owner's token is made in the data folder. Raises `UnusableDataDir`."""
    server, path = settings.config.server, settings.data_dir / OWNER_FILE
    try:
        create_once(path, "gwa-" + "".join(secrets.choice(_ALPHABET) for _ in range(32)) + "\n")
        owner = path.read_text("utf-8").strip()
    except OSError as error:
        raise UnusableDataDir(f"the data folder {settings.data_dir} can't be used: {error.strerror}") from None
    return AdminConfig(
        host=Bind.parse(server.admin_bind).host,
        hosts=server.admin_hosts,
        token=settings.admin_token,
        owner_token=Secret(owner),
    )


async def nothing_spread(events: Sequence[Event]) -> None:
    """There is nobody to tell: one process serves what it administers."""


@asynccontextmanager
async def simulator() -> AsyncIterator[str]:
    """The built-in simulator on a free port of loopback; its base URL."""
    async with Simulator(SimulatorConfig()).serve("127.0.0.1", 0) as running:
        yield running.base_url


def ready(served: Served, recorder: Recorder) -> tuple[bool, str]:
    """Whether calls can be served, and if not, why. Neither a database nor a provider is asked."""
    if not served.loaded:
        return False, "no catalog is loaded"
    return (False, "the spool is full") if recorder.held else (True, "")


def log_config(server: ServerConfig) -> LogConfig:
    return LogConfig(level=server.log_level, format=server.log_format, requests=server.log_requests)


def welcome(
    settings: Settings,
    *,
    data: Bind,
    admin: Bind,
    catalog: str,
    records: Records,
    key: first_start.FirstKey | None,
    simulated: bool,
) -> None:
    """Says that the gateway is ready: to the log, and to a person who started it."""
    server = settings.config.server
    said = {"data": str(data), "admin": str(admin), "engine": server.engine, "catalog": catalog}
    _log.info("ready", extra=said)
    if first_start.wants_secrets(os.environ, sys.stdout.isatty()):
        text = first_start.welcome(
            endpoint=data.url("https" if server.tls else "http"),
            dashboard=admin.url(),
            records=records,
            key=key,
            simulated=simulated,
            version=version("llmgw-gateway"),
        )
        console.say(f"\n{text}\n")
    elif key is not None:
        _log.info(first_start.whereabouts(key))
