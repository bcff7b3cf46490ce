"""Running a process of the gateway: the supervisor, or one of its children."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import uvloop

from llmgw_control import Refused
from llmgw_eventstore.spool import SpoolError
from llmgw_gateway import console, first_start
from llmgw_gateway.config import Settings
from llmgw_gateway.control_plane import Unopened
from llmgw_gateway.data_dir import UnusableDataDir
from llmgw_gateway.home import conninfo, keyring, log_config
from llmgw_gateway.limits import raise_descriptors
from llmgw_gateway.node import owned
from llmgw_gateway.processes.control import run_control
from llmgw_gateway.processes.setup import DO_NOT_RESTART, Setup, adopted, receive
from llmgw_gateway.processes.supervisor import GaveUp, Supervisor, command
from llmgw_gateway.processes.worker import run_worker
from llmgw_gateway.serving import BadCertificate, CannotListen
from llmgw_gateway.signals import stop_signals
from llmgw_gateway.state import spools
from llmgw_postgres.embedded import EmbeddedError
from llmgw_telemetry import LogStream, configure_logging

_log = logging.getLogger(__name__)

_FOR_A_PERSON = (BadCertificate, CannotListen, EmbeddedError, SpoolError, UnusableDataDir, Unopened)
"""What ends a start, and says what to do: no traceback helps with it."""


def supervise(settings: Settings, arguments: Sequence[str]) -> int:
    """Runs the gateway's processes until it is told to stop; the exit code. `arguments` are passed to each."""
    configure_logging(log_config(settings.config.server))
    raise_descriptors()
    return _run(settings, _supervise(settings, arguments), 1)


def run_child(settings: Settings, role: str) -> int:
    """Runs this process's part, which the supervisor tells it on standard input; the exit code."""
    try:
        setup = receive()
    except msgspec.DecodeError:
        console.complain("This command is for the gateway's own use: start it with `gateway serve`.\n")
        return 2
    # A terminal's interrupt goes to every process; it is the supervisor that decides what comes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    log = configure_logging(log_config(settings.config.server))
    raise_descriptors()
    if role == "control":
        return _run(settings, _control(settings, setup), DO_NOT_RESTART)
    return _run(settings, _worker(settings, setup, log), DO_NOT_RESTART)


def _run(settings: Settings, work: Coroutine[Any, Any, None], refused: int) -> int:
    """Runs it to its end; 0, or `refused` after saying why it can't run."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(work)
        except Refused as error:
            for reason in error.reasons:
                console.complain(f"{settings.origins.problem(reason.path, reason.message)}\n")
            return refused
        except GaveUp:
            return refused
        except _FOR_A_PERSON as error:
            console.complain(f"{error}\n")
            return refused
    return 0


async def _supervise(settings: Settings, arguments: Sequence[str]) -> None:
    stop, now = stop_signals()
    async with AsyncExitStack() as stack:
        node = stack.enter_context(owned(settings.data_dir))
        # What a person may look for at once, and what each child needs, is there before the first of them.
        keyring(settings)
        first_start.kept_key(settings.config, settings.data_dir)
        if not await spools.predecessor_gone(settings.data_dir):
            raise UnusableDataDir(
                f"the data folder {settings.data_dir} is in use by what is left of another gateway, whose supervisor "
                "is gone: end its processes (gateway process ...), or try again in a moment"
            )
        # The addresses are taken before anything that takes time: an address in use is known at once.
        supervisor = Supervisor(settings, command(arguments), node)
        await stack.enter_async_context(supervisor.opened())
        database = await conninfo(settings, stack)
        supervisor.prepare(database)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, supervisor.reload)
        await supervisor.run(stop, now)
    _log.info("stopped")


async def _control(settings: Settings, setup: Setup) -> None:
    stop, _ = stop_signals([signal.SIGTERM])
    async with adopted(stop):
        await run_control(settings, setup, stop)


async def _worker(settings: Settings, setup: Setup, log: LogStream) -> None:
    stop, now = stop_signals([signal.SIGTERM])
    async with adopted(stop):
        await run_worker(settings, setup, log, stop, now)
