"""The embedded server's life: opened with its owner, watched, restarted when it fails, closed with its owner."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psycopg

from llmgw_postgres._binaries import Binaries
from llmgw_postgres.embedded import _cluster, _log, _postmaster
from llmgw_postgres.embedded._advice import advice
from llmgw_postgres.embedded._home import Home, open_home
from llmgw_postgres.embedded._postmaster import Postmaster
from llmgw_postgres.embedded.config import EmbeddedConfig
from llmgw_postgres.embedded.errors import EmbeddedError, StartFailed

_logger = logging.getLogger(__name__)

WATCH_SECONDS: Final = 0.2
LOOKS_PER_LOG: Final = 25
"""The log's size is looked at every five seconds."""

FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 30.0
STEADY_SECONDS: Final = 60.0
"""A server that ran this long before it failed is restarted as if it were the first time."""


class Embedded:
    """A private PostgreSQL server for the data folder `data_dir`, from `async with` to its end.

    Entering raises EmbeddedError (InUse, OutOfReach, WrongMajor, StartFailed), whose text is for the operator. The
    process that enters must not fork without exec while it holds the server: a child would hold the guard's pipe, and
    the server would not notice its owner's death. Nothing here blocks the loop.
    """

    def __init__(self, data_dir: Path, config: EmbeddedConfig | None = None) -> None:
        self._data_dir = data_dir.absolute()
        self._config = config or EmbeddedConfig()
        self._held = ExitStack()
        self._home: Home | None = None
        self._binaries: Binaries | None = None
        self._sockets = Path()
        self._postmaster: Postmaster | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._given_up = threading.Event()
        self.lost = asyncio.Event()
        """Set from when the server's end is noticed until it takes connections again. Its address stays the same."""
        self.restarts = 0
        """How often it has come back after it failed."""

    def __repr__(self) -> str:
        state = "lost" if self.lost.is_set() else "up" if self._watcher else "closed"
        return f"<Embedded PostgreSQL {self.version or '?'} {state} in {self.folder}>"

    @property
    def folder(self) -> Path:
        """Where its files are: below the data folder, or where the link there leads."""
        return self._home.folder if self._home else self._data_dir / "postgres"

    @property
    def version(self) -> str:
        """The version of its programs, such as "18.6"; empty before it is entered."""
        return self._binaries.version if self._binaries else ""

    @property
    def conninfo(self) -> str:
        """How the gateway connects (libpq). It names the password's file and holds no secret. It stays the same."""
        assert self._home is not None, "not entered"
        return _cluster.conninfo(self._home, self._sockets)

    async def __aenter__(self) -> Self:
        await _finished(self._open, undo=self._close, given_up=self._given_up)
        # Owned by this object: `__aexit__` ends and awaits it.
        self._watcher = asyncio.get_running_loop().create_task(self._watch(), name="embedded PostgreSQL")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._given_up.set()
        try:
            if self._watcher:
                await asyncio.shield(self._watcher)
        finally:
            if self._watcher:
                await _done(self._watcher)  # cancelled or not: two must not start and stop at once
                self._watcher = None
            await _finished(self._close)

    # -- on the loop

    async def _watch(self) -> None:
        pause, since, looks = FIRST_PAUSE, time.monotonic(), 0
        while not await self._closed_within(WATCH_SECONDS):
            assert self._postmaster is not None
            looks += 1
            if self._postmaster.running:
                if looks % LOOKS_PER_LOG == 0:
                    await asyncio.to_thread(_log.bound, self._known_home.log, self._config.log_bytes)
                continue
            self.lost.set()
            if time.monotonic() - since > STEADY_SECONDS:
                pause = FIRST_PAUSE
            _logger.error("PostgreSQL ended %s", self._postmaster.ended)
            pause = await self._revive(pause)
            since = time.monotonic()

    async def _revive(self, pause: float) -> float:
        """Start it again, as often as it takes. Returns the pause before the next time."""
        while not await self._closed_within(pause):
            pause = min(pause * 2, LONGEST_PAUSE)
            try:
                await asyncio.to_thread(self._relaunch)
            except (EmbeddedError, OSError, psycopg.Error) as error:
                _logger.error("PostgreSQL can't be started again, next try in %s s: %s", pause, error)
                continue
            if not self._given_up.is_set():
                self.restarts += 1
                self.lost.clear()
                _logger.warning("PostgreSQL is back")
            break
        return pause

    async def _closed_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._closing.wait(), seconds)
            return True
        except TimeoutError:
            return False

    # -- off the loop

    @property
    def _known_home(self) -> Home:
        assert self._home is not None
        return self._home

    def _open(self) -> None:
        try:
            self._open_all()
        except OSError as error:
            user = self._home.user.name if self._home else "of the gateway"
            what = advice(str(error), self.folder, user)
            raise StartFailed("the embedded database can't be opened", what, str(error)) from error

    def _open_all(self) -> None:
        home = self._home = open_home(self._data_dir, Path(self._config.shelf))
        self._held.enter_context(home.owned())
        _postmaster.clear(home, self._config.stop_seconds)
        home.remove_socket_folder()
        binaries = self._binaries = _cluster.programs_for(home, Path(self._config.shelf))
        if not home.cluster.exists():
            _cluster.make(home, binaries)
        elif not home.password.exists():
            _cluster.set_password(home, binaries)
        self._sockets = home.make_socket_folder()
        self._held.callback(home.remove_socket_folder)
        self._launch()
        _logger.info("PostgreSQL %s runs in %s as %s", binaries.version, home.folder, home.user.name)

    def _launch(self) -> None:
        assert self._binaries is not None
        home = self._known_home
        self._postmaster = _postmaster.start(home, self._binaries, self._sockets, self._config)
        try:
            self._postmaster.wait_ready(self._config.start_seconds, self._given_up)
            if not self._given_up.is_set():
                _cluster.prepare(home, self._sockets)
        except psycopg.Error as error:
            self._postmaster.stop(self._config.stop_seconds)
            raise StartFailed("PostgreSQL started and can't be used", str(error).strip(), "") from error
        except BaseException:
            self._postmaster.stop(self._config.stop_seconds)
            raise

    def _relaunch(self) -> None:
        assert self._postmaster is not None
        self._postmaster.stop(0)
        _postmaster.clear(self._known_home, self._config.stop_seconds)
        self._launch()

    def _close(self) -> None:
        try:
            if self._postmaster is not None:
                self._postmaster.stop(self._config.stop_seconds)
                self._postmaster = None
        finally:
            self._held.close()


async def _finished(
    work: Callable[[], None], undo: Callable[[], None] | None = None, given_up: threading.Event | None = None
) -> None:
    """Do `work` in a thread, to its end even if the caller is cancelled meanwhile: a thread can't be.

    If it fails, or the caller is cancelled (which sets `given_up`, so that the work can be short), `undo` is done too.
    """
    loop = asyncio.get_running_loop()
    running = loop.run_in_executor(None, work)
    try:
        await asyncio.shield(running)
    except BaseException:
        if given_up:
            given_up.set()
        await _done(running)
        if undo:
            await _done(loop.run_in_executor(None, undo))
        raise


async def _done(running: asyncio.Future[None]) -> None:
    """Wait for it, however often the caller is cancelled; the one that made it wait is raised again by its caller."""
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError:
            continue
    if not running.cancelled():
        running.exception()  # looked at, so that the loop doesn't complain of it
