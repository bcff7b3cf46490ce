"""A real gateway and a real simulator, in processes of their own, with a network between them that can fail.

The gateway runs in the network's `client` namespace. Its listening sockets are made outside and handed to it, so that
the test reaches it whatever happens to the network.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from .network import Network, inside

KEY = "gw-client"
READY_SECONDS = 60.0
_TOKEN = "admin-token-of-the-rig"
_PORT = 9001
_BIN = Path(sys.executable).parent

_CONFIG = """
[server]
engine = "{engine}"
data_bind = "fd://{data}"
admin_bind = "fd://{admin}"
log_format = "json"
heartbeat_seconds = {heartbeat}

[connections]
{connections}

[[accounts]]
id = "a"
provider = "openai"
credential = "env:UP_KEY"
base_url = "http://{upstream}:{port}/v1"
transport = "{transport}"
pool = "p"
deadlines = {{ {deadlines} }}

[[models]]
name = "gpt"
targets = [{{ pool = "p", model = "sim-gpt" }}]

[[keys]]
id = "test"
value = "env:CLIENT_KEY"
"""


class Rig:
    """`settings` are `[connections]`, `deadlines` the account's; without either the defaults hold.

    With `far_clients` the network lies between the gateway and its clients, and the provider is near.
    """

    def __init__(
        self,
        folder: Path,
        transport: str,
        *,
        engine: str = "hypercorn",
        forget: float = 1e9,
        heartbeat: float = 1.0,
        far_clients: bool = False,
        settings: dict[str, float] | None = None,
        deadlines: dict[str, float] | None = None,
    ) -> None:
        self._folder = folder
        self._transport = transport
        self._engine = engine
        self._heartbeat = heartbeat
        self._settings = settings or {}
        self._deadlines = deadlines or {}
        self.network = network = Network(forget)
        self._far_clients = far_clients
        self._upstream = "127.0.0.1" if far_clients else network.server_address
        self._upstream_at = network.client if far_clients else network.server
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.network.__enter__()
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
        self.network.__exit__(kind, error, trace)

    def _start(self) -> None:
        network = self.network
        simulator = [str(_BIN / "simulator"), "--host", self._upstream, "--port", str(_PORT)]
        self.simulator = self._run(network.command(self._upstream_at, *simulator), "simulator")
        with self._data_socket() as data, socket.create_server(("127.0.0.1", 0)) as admin:
            self.port, self.admin = data.getsockname()[1], admin.getsockname()[1]
            numbers = data.fileno(), admin.fileno()
            file = self._folder / "gateway.toml"
            file.write_text(self._config(*numbers))
            gateway = [str(_BIN / "gateway"), "serve", "--config", str(file), "--data-dir", str(self._folder)]
            self.gateway = self._run(network.command(network.client, *gateway), "gateway", numbers)
            self._until(lambda: '"event":"ready"' in self.log)
        self._until(lambda: self.faults(None) is not None)

    def _data_socket(self) -> socket.socket:
        if not self._far_clients:
            return socket.create_server(("127.0.0.1", 0))
        network = self.network
        return inside(network.client, lambda: socket.create_server((network.client_address, 0)))

    def connect(self) -> socket.socket:
        """A client's connection to the gateway."""
        if not self._far_clients:
            return socket.create_connection(("127.0.0.1", self.port))
        network = self.network
        return inside(network.server, lambda: socket.create_connection((network.client_address, self.port)))

    def _config(self, data: int, admin: int) -> str:
        return _CONFIG.format(
            engine=self._engine,
            data=data,
            admin=admin,
            heartbeat=self._heartbeat,
            connections="\n".join(f"{name} = {value}" for name, value in self._settings.items()),
            deadlines=", ".join(f"{name} = {value}" for name, value in self._deadlines.items()),
            upstream=self._upstream,
            port=_PORT,
            transport=self._transport,
        )

    def _run(self, command: list[str], name: str, descriptors: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
        # One process, whose memory and descriptors are looked at.
        alone = {"GATEWAY_SERVER__WORKERS": "0", "GATEWAY_DATABASE__URL": "none"}
        environ = {**os.environ, **alone, "CLIENT_KEY": KEY, "UP_KEY": "sk-upstream", "GATEWAY_ADMIN_TOKEN": _TOKEN}
        with (self._folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environ, pass_fds=descriptors)
        self._processes.append(process)
        return process

    @property
    def log(self) -> str:
        """What the gateway has logged so far."""
        return (self._folder / "gateway.log").read_text()

    def settled(self, seconds: float = 20.0) -> dict[str, Any]:
        """The log line of the one call that there was."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            lines = [msgspec.json.decode(line) for line in self.log.splitlines() if line.startswith("{")]
            found[:] = [line for line in lines if line.get("event") == "request"]
            return bool(found)

        self._until(there, seconds)
        return found[0]

    def metric(self, name: str) -> dict[str, float]:
        """The samples of a metric, by its labels."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.admin}/metrics", headers={"authorization": f"Bearer {_TOKEN}"}
        )
        with urllib.request.urlopen(request) as response:
            lines = [line for line in response.read().decode().splitlines() if line.startswith(f"{name}{{")]
        return {line.partition("{")[2].rpartition("}")[0]: float(line.rpartition(" ")[2]) for line in lines}

    def faults(self, fault: str | None) -> list[Any] | None:
        """Has the simulator do this to the next call; the rules in force, or None where it can't be asked."""
        url = f"http://{self._upstream}:{_PORT}/_sim/faults"
        body = None if fault is None else msgspec.json.encode({"fault": fault})

        def ask() -> list[Any] | None:
            try:
                with urllib.request.urlopen(url, body, timeout=2) as response:
                    rules: list[Any] = msgspec.json.decode(response.read())["rules"]
                    return rules
            except OSError:
                return None

        return inside(self._upstream_at, ask)

    def _until(self, condition: Any, seconds: float = READY_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert all(process.poll() is None for process in self._processes), self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)


class Stream(threading.Thread):
    """A client of a stream, which notes when everything came. Begins at once; `join` waits for its end."""

    def __init__(self, rig: Rig, *, dialect: str = "chat") -> None:
        super().__init__(daemon=True)
        self._connect = rig.connect
        self._dialect = dialect
        self.came: list[tuple[float, bytes]] = []
        """Seconds since the request, and what came."""
        self.ended = 0.0
        self.start()

    def run(self) -> None:
        chat = self._dialect == "chat"
        path = "/v1/chat/completions" if chat else "/v1/messages"
        body = msgspec.json.encode(
            {"model": "gpt", "stream": True, "max_tokens": 99, "messages": [{"role": "user", "content": "Hi"}]}
        )
        head = f"POST {path} HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n"
        with self._connect() as sock:
            began = time.monotonic()
            sock.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            try:
                while data := sock.recv(65536):
                    self.came.append((time.monotonic() - began, data))
            except OSError:
                pass  # Its own kernel gave up.
            self.ended = time.monotonic() - began

    @property
    def text(self) -> str:
        return b"".join(data for _, data in self.came).decode()

    @property
    def beats(self) -> list[float]:
        """When heartbeats came; a Messages answer has a ping of its own at its start."""
        mark = b": keepalive" if self._dialect == "chat" else b"event: ping"
        return [at for at, data in self.came if mark in data and b"message_start" not in data]

    @property
    def complete(self) -> bool:
        text = self.text.replace(" ", "")
        if self._dialect == "chat":
            return '"finish_reason":"stop"' in text and text.rstrip("\r\n0").endswith("data:[DONE]")
        return '"stop_reason":"end_turn"' in text and "message_stop" in text

    @property
    def broken(self) -> bool:
        """Whether it was told of a failure, in its dialect, and then ended in good order."""
        text = self.text.replace(" ", "")
        if self._dialect == "chat":
            return '"finish_reason":"error"' in text and text.rstrip("\r\n0").endswith("data:[DONE]")
        return "event:error" in text
