"""Who is compared: ways from clients to the accounts of the simulator.

| name | what it is |
|---|---|
| `bound` | one account for each provider, without limits: no way to spread sessions can read more from caches |
| `round-robin` | every turn at the next account, and at the one after it if that refuses |
| `gateway` | this gateway, as `gateway serve` |
| `two-nodes` | two of them that share a session secret and nothing else; each turn comes to either |
| `litellm` | LiteLLM's proxy, with the affinity that `--litellm-checks` names |
"""

from __future__ import annotations

import hashlib
import itertools
import shutil
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from subprocess import run

import aiohttp
import measure
import msgspec

from cache.clients import CLAUDE, GPT, provider
from cache.driver import Door
from cache.facts import lost_tokens
from cache.programs import Program, running
from cache.workload import Session

PROVIDERS = ("anthropic", "openai")
HERE = Path(__file__).parent


class Field(msgspec.Struct, frozen=True):
    """What every contender is put into: the simulator, its accounts by provider, a folder of its own."""

    simulator: str
    accounts: int
    tenants: int
    scale: float
    folder: Path
    database: bool = True
    """Whether a gateway has its PostgreSQL."""

    def keys(self, name: str) -> list[str]:
        """The credentials of a provider."""
        return [f"{name}-{number}" for number in range(self.accounts)]


class Contender:
    """A way to the accounts. `tells_real`: its times are real seconds."""

    name = ""
    tells_real = False

    def __init__(self, field: Field) -> None:
        self.field = field

    @contextmanager
    def running(self) -> Iterator[None]:
        """What it needs is running."""
        yield

    def doors(self, session: Session, number: int) -> Sequence[Door]:
        raise NotImplementedError

    def cpu_seconds(self) -> float:
        """Of its processes so far."""
        return 0.0

    def lost(self) -> Counter[str]:
        """Cached tokens by what they were lost to, as it counts them itself."""
        return Counter()

    async def drain(self, credential: str) -> None:
        """Take an account out of use, gently. Raises `NotImplementedError` if it can't."""
        raise NotImplementedError

    def stop(self) -> None:
        """Tell all of its processes to end, and wait until they have."""

    def kill(self) -> None:
        """End all of its processes at once."""

    def start(self) -> None:
        """Start them again, and wait until they serve."""


class Bound(Contender):
    name = "bound"

    def doors(self, session: Session, number: int) -> Sequence[Door]:
        return [Door(self.field.simulator, f"{provider(session)}-bound")]


class RoundRobin(Contender):
    name = "round-robin"

    def __init__(self, field: Field) -> None:
        super().__init__(field)
        self._keys = {name: field.keys(name) for name in PROVIDERS}
        self._turns = {name: itertools.count() for name in PROVIDERS}

    def doors(self, session: Session, number: int) -> Sequence[Door]:
        name = provider(session)
        keys, first = self._keys[name], next(self._turns[name])
        return [Door(self.field.simulator, keys[(first + at) % len(keys)]) for at in range(len(keys))]

    async def drain(self, credential: str) -> None:
        for keys in self._keys.values():
            if credential in keys:
                keys.remove(credential)


class Processes(Contender):
    """One that has processes: `_commands` are what starts each, on its port; at `ready` it says that it serves."""

    ready = "/"

    def __init__(self, field: Field) -> None:
        super().__init__(field)
        self._stack = ExitStack()
        self._programs: list[Program] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        with self._stack:
            self.start()
            yield

    def start(self) -> None:
        self._programs = []
        for at, (command, port, environ) in enumerate(self._commands()):
            log = self.field.folder / f"{self.name}-{at}.log"
            program = self._stack.enter_context(running(command, log, **environ))
            program.until_ready(port, self.ready)
            self._programs.append(program)

    def stop(self) -> None:
        for program in self._programs:
            program.stop()

    def kill(self) -> None:
        for program in self._programs:
            program.kill()

    def cpu_seconds(self) -> float:
        return sum(program.cpu_seconds() for program in self._programs)

    def _commands(self) -> Iterator[tuple[list[str], int, dict[str, str]]]:
        raise NotImplementedError


_GATEWAY = """
[server]
data_bind = "127.0.0.1:{port}"
admin_bind = "127.0.0.1:{admin}"
[model_lists]
refresh = false
[database]
{database}
[[models]]
name = "{claude}"
targets = [{{ pool = "anthropic", model = "{claude}" }}]
[[models]]
name = "{gpt}"
targets = [{{ pool = "openai", model = "{gpt}" }}]
"""
_ACCOUNT = """
[[accounts]]
id = "{key}"
provider = "{provider}"
credential = "env:{variable}"
base_url = "{url}"
pool = "{provider}"
"""
_KEY = """
[[keys]]
id = "tenant-{tenant}"
tenant = "tenant-{tenant}"
hash = "sha256:{hash}"
"""
_ADMIN = "bench-admin-token-0123456789abcdef0123456789"


class Gateway(Processes):
    name = "gateway"
    ready = "/readyz"
    nodes = 1

    def __init__(self, field: Field) -> None:
        super().__init__(field)
        ports = measure.free_ports(2 * self.nodes)
        self._ports = list(zip(ports[::2], ports[1::2], strict=True))
        self._nodes = Random(0)
        self._environ = {_variable(key): key for name in PROVIDERS for key in field.keys(name)}
        self._environ |= {"GATEWAY_ADMIN_TOKEN": _ADMIN, "GATEWAY_SERVER__TIME_SCALE": str(field.scale)}
        for at, (port, admin) in enumerate(self._ports):
            (field.folder / f"gateway-{at}.toml").write_text(self._config(port, admin))

    def doors(self, session: Session, number: int) -> Sequence[Door]:
        port, _ = self._nodes.choice(self._ports)
        return [Door(f"http://127.0.0.1:{port}", _client_key(session.tenant))]

    def lost(self) -> Counter[str]:
        return sum((lost_tokens(folder) for folder in self.field.folder.glob("node-*/spool/worker-?")), Counter())

    async def drain(self, credential: str) -> None:
        async with aiohttp.ClientSession(headers={"authorization": f"Bearer {_ADMIN}"}) as http:
            for _, admin in self._ports:
                async with http.post(f"http://127.0.0.1:{admin}/api/v1/accounts/{credential}/drain") as response:
                    response.raise_for_status()

    def _commands(self) -> Iterator[tuple[list[str], int, dict[str, str]]]:
        for at, (port, _) in enumerate(self._ports):
            folder = self.field.folder / f"node-{at}"
            if at and not folder.exists():
                self._copy(folder)
            serve = ["serve", "--config", str(self.field.folder / f"gateway-{at}.toml"), "--data-dir", str(folder)]
            yield [str(Path(sys.executable).parent / "gateway"), *serve], port, self._environ

    def _copy(self, folder: Path) -> None:
        """The first node's data folder, as it is, for one that is to have its secrets."""
        self._programs[0].stop()
        shutil.copytree(self.field.folder / "node-0", folder, ignore=shutil.ignore_patterns("*.sock", "*.lock"))
        self._programs.clear()
        command, port, environ = next(self._commands())
        again = self._stack.enter_context(running(command, self.field.folder / "gateway-0.log", **environ))
        again.until_ready(port, self.ready)
        self._programs.append(again)

    def _config(self, port: int, admin: int) -> str:
        field = self.field
        database = "" if field.database else 'url = "none"'
        parts = [_GATEWAY.format(port=port, admin=admin, claude=CLAUDE, gpt=GPT, database=database)]
        for name in PROVIDERS:
            url = field.simulator + ("/v1" if name == "openai" else "")
            for key in field.keys(name):
                parts.append(_ACCOUNT.format(key=key, provider=name, variable=_variable(key), url=url))
        for tenant in range(field.tenants):
            digest = hashlib.sha256(_client_key(tenant).encode()).hexdigest()
            parts.append(_KEY.format(tenant=tenant, hash=digest))
        text = "".join(parts)
        tomllib.loads(text)
        return text


class TwoNodes(Gateway):
    name = "two-nodes"
    nodes = 2

    def __init__(self, field: Field) -> None:
        # Two folders made from one can't have two databases.
        super().__init__(msgspec.structs.replace(field, database=False))


_DEPLOYMENT = """
  - model_name: {model}
    litellm_params: {{model: {provider}/{model}, api_base: "{url}", api_key: {key}}}"""
_LITELLM = """
general_settings:
  master_key: sk-bench-master
  custom_auth: litellm_auth.one_key_for_each_tenant
router_settings:
  optional_pre_call_checks: [{checks}]
  num_retries: 3
  cooldown_time: {cooldown}
litellm_settings:
  telemetry: false
"""
_LITELLM_ENVIRON = {
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "ERROR",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "127.0.0.1",
}
CHECKS = ("session_affinity", "deployment_affinity", "responses_api_deployment_check")


class LiteLLM(Processes):
    """Its times can't be scaled, so they are given it as short as they are for the others."""

    name = "litellm"
    ready = "/health/readiness"
    tells_real = True

    def __init__(self, field: Field, home: Path, checks: Sequence[str] = CHECKS) -> None:
        super().__init__(field)
        self._home = home.absolute()
        self._port = measure.free_ports(1)[0]
        shutil.copy(HERE / "litellm_auth.py", field.folder)
        (field.folder / "litellm.yaml").write_text(self._config(checks))

    def doors(self, session: Session, number: int) -> Sequence[Door]:
        return [Door(f"http://127.0.0.1:{self._port}", _client_key(session.tenant))]

    def version(self) -> str:
        asked = [
            str(self._home / "bin/python"),
            "-c",
            "from importlib.metadata import version as v; print(v('litellm'))",
        ]
        return run(asked, capture_output=True, text=True, check=True).stdout.strip()

    def _commands(self) -> Iterator[tuple[list[str], int, dict[str, str]]]:
        serve = ["--config", str(self.field.folder / "litellm.yaml"), "--host", "127.0.0.1", "--port", str(self._port)]
        yield [str(self._home / "bin/litellm"), *serve, "--num_workers", "1"], self._port, _LITELLM_ENVIRON

    def _config(self, checks: Sequence[str]) -> str:
        field = self.field
        urls = {"anthropic": field.simulator, "openai": f"{field.simulator}/v1"}
        models = {"anthropic": CLAUDE, "openai": GPT}
        deployments = [
            _DEPLOYMENT.format(model=models[name], provider=name, url=urls[name], key=key)
            for name in PROVIDERS
            for key in field.keys(name)
        ]
        named = ", ".join(f'"{check}"' for check in checks)
        rest = _LITELLM.format(checks=named, cooldown=5.0 / field.scale)
        return "model_list:" + "".join(deployments) + rest


def _variable(key: str) -> str:
    return f"UP_{key.upper().replace('-', '_')}"


def _client_key(tenant: int) -> str:
    return f"sk-bench-tenant-{tenant}-0123456789abcdefghijklmnopqrst"
