"""Processes of a run: started, waited for, and ended with everything that they started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import measure

_STOP_SECONDS = 20.0


class Program:
    """A process with its descendants. Its output goes to a file, of which `said` is the end."""

    def __init__(self, command: list[str], log: Path, environ: dict[str, str]) -> None:
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def said(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]

    def until_ready(self, port: int, path: str) -> None:
        """Wait until GET of `path` there is a 200: what listens may not serve yet.

        Raises `RuntimeError` with what the process said, if it ends before or takes too long.
        """
        began = time.monotonic()
        while time.monotonic() - began < measure.READY_SECONDS and self._process.poll() is None:
            if _is_ready(port, path):
                return
            time.sleep(0.05)
        raise RuntimeError(f"what should serve on port {port} is not ready:\n{self.said()}")

    def cpu_seconds(self) -> float:
        return measure.cpu_seconds(self.pid)

    def kill(self) -> None:
        """SIGKILL for it and all its descendants, at once."""
        for pid in measure.descendants(self.pid):
            with _gone():
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """SIGTERM, and by force what does not go."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()


def _is_ready(port: int, path: str) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


@contextmanager
def _gone() -> Iterator[None]:
    try:
        yield
    except ProcessLookupError:
        return


@contextmanager
def running(command: list[str], log: Path, **environ: str) -> Iterator[Program]:
    """A process while the block runs."""
    program = Program(command, log, environ)
    try:
        yield program
    finally:
        program.stop()
