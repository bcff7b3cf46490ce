"""Two machines and a middlebox between them, in network namespaces of this machine: `with Network(...)`.

Processes run in the one or the other, and all that passes between them passes the box. Names carry the pid, so that
several runs do not meet, and what a run that was killed has left behind is removed by the next.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")

_HERE = Path(__file__).parent
_CLONE_NEWNET = 0x40000000
_PREFIX = "llmgw"


def missing() -> str | None:
    """Why there can be no network here; None if there can."""
    if sys.platform != "linux" or os.geteuid():
        return "network namespaces need Linux and root"
    name = f"{_PREFIX}-{os.getpid()}-probe"
    try:
        _ip("netns", "add", name)
        _ip("netns", "del", name)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"no network namespaces here: {error}"
    return None


class Network:
    """Namespaces `client` and `server`, and the box between them, which forgets flows after `forget` seconds."""

    client_address, server_address = "10.231.0.1", "10.231.0.2"

    def __init__(self, forget: float = 1e9) -> None:
        self._forget = forget
        base = f"{_PREFIX}-{os.getpid()}"
        self.client, self.middle, self.server = (f"{base}-{part}" for part in ("client", "middle", "server"))

    def __enter__(self) -> Self:
        _sweep()
        for name in (self.client, self.middle, self.server):
            _ip("netns", "add", name)
        for name, inner, address in (
            (self.client, "left", self.client_address),
            (self.server, "right", self.server_address),
        ):
            _ip("link", "add", "outer", "netns", name, "type", "veth", "peer", "name", inner, "netns", self.middle)
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", "outer")
            for link in ("lo", "outer"):
                _ip("-n", name, "link", "set", link, "up")
            _ip("-n", self.middle, "link", "set", inner, "up", "promisc", "on")
        box = [sys.executable, str(_HERE / "middlebox.py"), "left", "right", str(self._forget)]
        self._box = subprocess.Popen(self.command(self.middle, *box), stdout=subprocess.PIPE)
        assert self._box.stdout is not None
        assert self._box.stdout.readline() == b"ready\n"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._box.kill()
        self._box.wait()
        assert self._box.stdout is not None
        self._box.stdout.close()
        for name in (self.client, self.middle, self.server):
            _ip("netns", "del", name)

    def drop(self) -> None:
        """From now on no packet passes, and nobody is told."""
        self._box.send_signal(signal.SIGUSR1)

    def heal(self) -> None:
        self._box.send_signal(signal.SIGUSR2)

    @staticmethod
    def command(namespace: str, *command: str) -> list[str]:
        """The same command, run in a namespace; the process is the command's own."""
        return ["ip", "netns", "exec", namespace, *command]


def inside(namespace: str, work: Callable[[], T]) -> T:
    """What `work` gives when it is done in the namespace. A socket that it opens stays there."""
    found: list[Any] = []

    def enter() -> None:
        with open(f"/run/netns/{namespace}") as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET):
                found.append(OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno())))
                return
        try:
            found.append(work())
        except Exception as error:
            found.append(error)

    # The namespace is the thread's own, and goes with it.
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]  # type: ignore[no-any-return]


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def _sweep() -> None:
    """Removes the namespaces of runs that are no more."""
    for file in Path("/run/netns").glob(f"{_PREFIX}-*-*"):
        pid = file.name.split("-")[1]
        if not Path("/proc", pid).exists():
            _ip("netns", "del", file.name)
