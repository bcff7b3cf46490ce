"""A gateway with a large catalog, clients that call it, and administrators that change it all the time."""

from __future__ import annotations

import hashlib
import http.client
import itertools
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from llmgw_control import Administration, Compiler, Replica
from llmgw_control.testing import OWNER
from llmgw_crdt import Clock
from llmgw_eventstore import Cursor
from llmgw_gateway.data_dir import open_data_dir
from llmgw_gateway.secrets import Secrets
from llmgw_gateway.state import snapshot

from .conftest import CLIENT_KEY, Node, Simulated

GROUPS = 50
PROBING = Path(__file__).parent / "probing"

Body = dict[str, Any]


def seeded(node: Node, simulator: str, master_key: str, accounts: int, models: int, keys: int) -> None:
    """Puts a state into the node's data folder, as it would be after so many commands. Model `pair` leads to an account
    that only serves one model of the provider."""
    open_data_dir(node.data_dir)
    secrets = Secrets({"GATEWAY_MASTER_KEY": master_key}, node.folder, node.data_dir)
    replica = Replica("seed")
    compiler = Compiler(secrets.reveal)
    admin = Administration(
        replica,
        compiler,
        journal=lambda events: None,
        clock=Clock("seed"),
        wall=time.time,
        rand=os.urandom,
        sealing=secrets,
        publish=lambda catalog: None,
    )
    for i in range(GROUPS):
        admin.create("policy", f"policy-{i}", {"models": [f"vendor/model-{i}*", "gpt", "pair"]}, OWNER)
    for i in range(accounts):
        account = {"provider": "openai", "pool": f"pool-{i % GROUPS}", "credential": f"sk-{i}", "max_concurrency": 32}
        admin.create("account", f"account-{i}", account, OWNER)
    for side in "ab":
        account = {"provider": "openai", "pool": f"pair-{side}", "credential": f"sk-{side}", "base_url": simulator}
        admin.create("account", f"pair-{side}", account, OWNER)
    for i in range(models):
        targets = [{"pool": f"pool-{(i + k) % GROUPS}", "model": "gpt", "priority": k + 1} for k in range(2)]
        admin.create("model", f"vendor/model-{i}", {"targets": targets}, OWNER)
    admin.create("model", "pair", {"targets": [{"pool": "pair-a", "model": "m-a"}]}, OWNER)
    for i in range(keys):
        text = hashlib.sha256(f"gw-{i}".encode()).hexdigest()
        admin.create("key", f"key-{i}", {"hash": f"sha256:{text}", "policy": f"policy-{i % GROUPS}"}, OWNER)
    snapshot.save(node.data_dir, Cursor(), msgspec.json.encode(replica.dump()))


class Caller:
    """One kept connection."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    def ask(self, method: str, path: str, body: Body | None = None, token: str | None = None) -> tuple[int, bytes]:
        headers = self._headers if token is None else {**self._headers, "authorization": f"Bearer {token}"}
        data = None if body is None else msgspec.json.encode(body)
        self._connection.request(method, path, data, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def close(self) -> None:
        self._connection.close()


class Traffic:
    """Clients that call one after the other, whole and streamed; when each call ended and what it took."""

    def __init__(self, node: Node, clients: int = 4) -> None:
        self._node, self._over = node, threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(clients)]
        self.calls: list[tuple[float, float]] = []
        self.failures: list[str] = []

    def _run(self, number: int) -> None:
        caller = Caller(self._node.data, CLIENT_KEY)
        stream = number % 2 == 0
        body = {"model": "pair", "stream": stream, "messages": [{"role": "user", "content": f"hi {number}"}]}
        while not self._over.wait(0.01):
            began = time.perf_counter()
            try:
                status, answer = caller.ask("POST", "/v1/chat/completions", body)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                caller.close()
                caller = Caller(self._node.data, CLIENT_KEY)
                continue
            if status != 200 or (stream and not answer.rstrip().endswith(b"[DONE]")):
                self.failures.append(f"{status} {answer[:200]!r}")
            self.calls.append((began, time.perf_counter() - began))
        caller.close()

    @contextmanager
    def running(self) -> Iterator[Traffic]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join(25)

    def p50(self, begin: float, end: float) -> float:
        """Milliseconds, of the calls that began in between."""
        return 1000 * statistics.median(took for began, took in self.calls if begin <= began < end)


class Administered(NamedTuple):
    """How many commands were given, and how many of them revoked something; what went wrong."""

    given: int
    revoked: int
    failures: list[str]


class Office:
    """A process for the administrators: in that of the clients they would hold up those whose calls are timed."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator[Office]:
        """Open it before there are threads: it is a fork of this process."""
        with ProcessPoolExecutor(1, get_context("fork")) as pool:
            pool.submit(os.getpid).result(30)
            yield cls(pool)

    def work(self, node: Node, rate: float, sizes: tuple[int, int, int], seconds: float) -> Administered:
        """Gives commands for so long."""
        token = (node.data_dir / "owner.token").read_text().strip()
        order = (node.data, node.admin, token, rate, sizes, seconds)
        return self._pool.submit(_administer, *order).result(seconds + 60)


def _administer(
    data: int, admin: int, token: str, rate: float, sizes: tuple[int, int, int], seconds: float
) -> Administered:
    administrators = _Administrators(data, admin, token, rate, sizes)
    administrators.work(seconds)
    return Administered(administrators.given, administrators.revoked, administrators.failures)


class _Administrators:
    """Commands at a steady rate on two connections, and after each revocation a call with what was revoked."""

    def __init__(self, data: int, admin: int, token: str, rate: float, sizes: tuple[int, int, int]) -> None:
        self._data, self._admin, self._token = data, admin, token
        self._rate, self._sizes = rate, sizes
        self._count = itertools.count()
        self.given = 0
        self.revoked = 0
        self.failures: list[str] = []

    def work(self, seconds: float) -> None:
        """Returns when the time is over."""
        begin = time.perf_counter()
        threads = [threading.Thread(target=self._run, args=(begin, begin + seconds)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(seconds + 30)

    def _run(self, begin: float, end: float) -> None:
        admin, client = Caller(self._admin, self._token), Caller(self._data, CLIENT_KEY)

        def command(method: str, path: str, body: Body | None = None) -> Body:
            status, answer = admin.ask(method, f"/api/v1/{path}", body)
            self.given += 1
            if status >= 300:
                self.failures.append(f"{method} {path}: {status} {answer[:300]!r}")
            return msgspec.json.decode(answer) if answer else {}

        while (due := begin + (n := next(self._count)) * 2 / self._rate) < end:
            time.sleep(max(0.0, due - time.perf_counter()))
            # Two commands a round.
            self._round(n, command, client)
        admin.close()
        client.close()

    def _round(self, n: int, command: Callable[..., Body], client: Caller) -> None:
        accounts, models, keys = self._sizes
        match n % 4:
            case 0:
                side = "ab"[n // 4 % 2]
                command("PATCH", "models/pair", {"targets": [{"pool": f"pair-{side}", "model": f"m-{side}"}]})
                command("PATCH", f"policies/policy-{n % GROUPS}", {"max_body_bytes": n + 1})
            case 1:
                made = command("POST", "keys", {"id": f"new-{n}", "policy": "policy-1"})
                # In a burst workers publish ten times a second, but for revocations.
                self._expect(client, made.get("secret", ""), 200, f"new-{n} was made", 0.3)
                command("POST", f"keys/new-{n}/disable")
                self._expect(client, made.get("secret", ""), 401, f"new-{n} was disabled", 0)
                self.revoked += 1
            case 2:
                command("PATCH", f"accounts/account-{n % accounts}", {"credential": f"sk-new-{n}"})
                command("PATCH", f"models/vendor%2Fmodel-{n % models}", {"max_output_tokens": n + 1})
            case _:
                command("POST", f"accounts/account-{n % accounts}/{'drain' if n % 8 == 3 else 'undrain'}")
                command("POST", f"keys/key-{n % keys}/{'disable' if n % 8 == 3 else 'enable'}")

    def _expect(self, client: Caller, secret: str, wanted: int, what: str, within: float) -> None:
        deadline = time.perf_counter() + within
        status, answer = client.ask("GET", "/v1/models", token=secret)
        while status != wanted and time.perf_counter() < deadline:
            time.sleep(0.01)
            status, answer = client.ask("GET", "/v1/models", token=secret)
        if status != wanted:
            self.failures.append(f"{what}, and a call got {status}: {answer[:200]!r}")


def mixed_up(simulator: Simulated) -> list[tuple[str, str]]:
    """Calls that had the credential of one side of the pair and the model of the other: half of a catalog."""
    seen = {(entry["credential"], entry["model"]) for entry in simulator.look().values() if entry.get("model")}
    return sorted(seen - {("sk-a", "m-a"), ("sk-b", "m-b")})


def probed(folder: Path) -> list[dict[str, Any]]:
    """What the probes in the processes saw."""
    return [msgspec.json.decode(file.read_bytes()) for file in folder.iterdir() if file.name.isdecimal()]
