"""The configuration's file while the gateway runs: read again when it changes, and on SIGHUP.

Only records are taken from it then (accounts, models, keys, policies, servers). What the process itself is made of
(`[server]`, `[database]`, ...) needs a restart, which is said. A file that is not valid changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec

from llmgw_control import Refused
from llmgw_gateway import first_start
from llmgw_gateway.check import examine
from llmgw_gateway.config import Config, Settings, read
from llmgw_gateway.control_plane import ControlPlane
from llmgw_gateway.problems import Unreadable
from llmgw_gateway.state.messages import Overlay

_LOOK_SECONDS = 1.0
_RECORDS = ("accounts", "models", "keys", "policies", "servers")

_log = logging.getLogger(__name__)

Lay = Callable[[Overlay], Awaitable[None]]


async def laid_nowhere(overlay: Overlay) -> None:
    """There is nobody to tell."""


class Reloads:
    """Reads the file again, one time after the other, however often it is asked for."""

    def __init__(
        self,
        settings: Settings,
        control: ControlPlane,
        simulator_url: str | None,
        key: first_start.FirstKey | None,
        lay: Lay = laid_nowhere,
    ) -> None:
        """`lay` brings the file's records to whoever follows."""
        self._settings = settings
        self._control = control
        self._simulator_url = simulator_url
        self._key = key
        self._lay = lay
        self._asked = asyncio.Event()
        self._seen = self._stamp()

    @classmethod
    @asynccontextmanager
    async def watching(
        cls,
        settings: Settings,
        control: ControlPlane,
        simulator_url: str | None,
        key: first_start.FirstKey | None,
        lay: Lay = laid_nowhere,
    ) -> AsyncIterator[Reloads]:
        """Watches the file while the context is open."""
        reloads = cls(settings, control, simulator_url, key, lay)
        # Owned here, and ended with the context.
        task = asyncio.get_running_loop().create_task(reloads._watch())
        try:
            yield reloads
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def now(self) -> None:
        """Asks for the file to be read again soon."""
        self._asked.set()

    async def _watch(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._asked.wait()
            except TimeoutError:
                if await asyncio.to_thread(self._stamp) == self._seen:
                    continue
            self._asked.clear()
            self._seen = await asyncio.to_thread(self._stamp)
            await self._again()

    def _stamp(self) -> tuple[int, int, int] | None:
        """What changes with the file; None while it can't be seen."""
        try:
            stat = self._settings.file.stat() if self._settings.file else None
        except OSError:
            stat = None
        return None if stat is None else (stat.st_mtime_ns, stat.st_size, stat.st_ino)

    async def _again(self) -> None:
        old = self._settings
        try:
            settings, problems = await asyncio.to_thread(read, old.file, old.environ, None, old.master_key)
            problems = await asyncio.to_thread(examine, settings, problems)
        except Unreadable as error:
            problems = list(error.problems)
        if problems:
            _log.error(
                "the configuration is not taken: it has problems", extra={"problems": [str(p) for p in problems]}
            )
            return
        records = first_start.complete(settings.config, settings.environ, self._simulator_url, self._key)
        try:
            catalog = self._control.lay(records, str(settings.file or "the environment"))
        except Refused as refused:
            _log.error("the configuration is not taken", extra={"problems": [r.message for r in refused.reasons]})
            return
        await self._lay(self._control.overlaid)
        _log.info("configuration read again", extra={"catalog": catalog.version})
        if _process_part(settings.config) != _process_part(old.config):
            _log.warning("some of what changed in the configuration needs a restart: only its records were taken")


def _process_part(config: Config) -> Config:
    """The configuration without its records, and without what the command line may have changed."""
    plain = msgspec.structs.replace(config, **dict.fromkeys(_RECORDS, ()))
    server = msgspec.structs.replace(plain.server, data_bind="", admin_bind="", data_dir=None)
    return msgspec.structs.replace(plain, server=server)
