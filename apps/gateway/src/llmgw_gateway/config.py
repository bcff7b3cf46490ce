"""What the gateway is configured to do, read from a file, the environment and the command line, in that order.

Later sources win. Everything ends in one frozen `Config`, whose structs are the whole schema: the reader, the names in
the environment and the reference in the documentation follow from them. Every problem is collected with the place that
it comes from, so that `gateway check` can show all of them at once.

Reading is total: `read` gives settings with defaults in place of what is wrong, next to the problems, and `load`
refuses if there are any.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from llmgw_balancer import BalanceConfig
from llmgw_control import AccountRecord, KeyRecord, ModelRecord, PolicyRecord, Records
from llmgw_domain import Secret, StreamErrors
from llmgw_domain.servers import Server
from llmgw_gateway import compatible, documents
from llmgw_gateway.bind import bind_problem
from llmgw_gateway.convert import convert
from llmgw_gateway.data_dir import default_data_dir
from llmgw_gateway.database import DatabaseConfig, SpoolConfig
from llmgw_gateway.environment import overlay
from llmgw_gateway.limits import streams_problem
from llmgw_gateway.locate import Lines
from llmgw_gateway.model_lists import ModelListsConfig
from llmgw_gateway.problems import ConfigError, Origins, Problem
from llmgw_httpapi.proxies import TrustedProxies
from llmgw_pool import FetchConfig, PoolConfig

DEFAULT_FILE = "gateway.toml"

_LATER_TABLES = {
    "cluster": "nodes share their state through one database, [database], until they speak to each other",
}

_MOST_WORKERS = 256


class TlsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[server.tls]`: the certificate for clients. Paths of PEM files, from the configuration file's folder on."""

    cert: str
    """The chain: the server's own certificate first."""
    key: str


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[server]`: the process itself. Durations are in seconds, sizes in bytes."""

    data_bind: str = "127.0.0.1:8080"
    admin_bind: str = "127.0.0.1:8081"
    admin_hosts: tuple[str, ...] = ()
    """Further names under which the admin pages may be asked for, e.g. of a proxy in front."""
    workers: int = 1
    """Processes that serve clients, beside the one that administers; 0 runs everything in one process."""
    drain_seconds: float = 600.0
    engine: Literal["hypercorn", "uvicorn"] = "hypercorn"
    max_body_bytes: int = 32 * 1024 * 1024
    """Of one request; a key's policy may say otherwise."""
    max_upload_bytes: int = 512 * 1024 * 1024
    """Of one body that is passed on as it comes in, e.g. a file."""
    max_buffered_bytes: int = 512 * 1024 * 1024
    """Of all requests in flight together."""
    max_streams: int | None = None
    """Connections of clients at once; by default as many as the process's file descriptors allow."""
    tls: TlsConfig | None = None
    """Without it, clients speak plain HTTP."""
    http2: bool = False
    """Experimental: HTTP/2 to clients that ask for it in TLS. Only with Hypercorn."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks (CIDR) of the proxies in front, whose word on a client's address is taken."""
    data_dir: str | None = None
    heartbeat_seconds: float = 10.0
    """How long a client may wait for a byte before it is sent a sign of life; 0 for none."""
    send_timeout_seconds: float = 60.0
    """How long a client may leave what is sent to it untaken before its connection is dropped."""
    stream_errors: StreamErrors = StreamErrors.FINISH
    log_format: Literal["auto", "console", "json"] = "auto"
    """`auto` is `console` on a terminal and `json` elsewhere."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_requests: bool = True
    time_scale: float = 1.0
    """For benchmarks: how much faster than time the clocks of sessions, pauses, limits and deadlines run."""


class SessionsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[sessions]`: what a call does whose account can't serve it now."""

    max_wait_seconds: float = 30.0
    """How long a call waits for an account, at most; 0 for not at all."""
    max_waiting: int = 10_000
    """Calls that wait at once, in each worker."""
    wait_tokens_per_second: float = 1000.0
    """What a second of waiting is worth, in tokens that another account would have to read anew."""
    fallback_wait_seconds: float = 2.0
    """How long it waits for one of a model's accounts before another model is asked for them."""

    def problems(self) -> dict[str, str]:
        """What is wrong, by the field's name."""
        wrong = {
            "max_wait_seconds": _seconds_problem(self.max_wait_seconds),
            "wait_tokens_per_second": _seconds_problem(self.wait_tokens_per_second),
            "fallback_wait_seconds": _seconds_problem(self.fallback_wait_seconds),
            "max_waiting": None if self.max_waiting > 0 else f"must be a positive integer, not {self.max_waiting}",
        }
        return {name: problem for name, problem in wrong.items() if problem}


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of `gateway.toml`."""

    server: ServerConfig = ServerConfig()
    database: DatabaseConfig = DatabaseConfig()
    spool: SpoolConfig = SpoolConfig()
    model_lists: ModelListsConfig = ModelListsConfig()
    fetch: FetchConfig = FetchConfig()
    connections: PoolConfig = PoolConfig()
    sessions: SessionsConfig = SessionsConfig()
    balance: BalanceConfig = BalanceConfig()
    accounts: tuple[AccountRecord, ...] = ()
    models: tuple[ModelRecord, ...] = ()
    keys: tuple[KeyRecord, ...] = ()
    policies: tuple[PolicyRecord, ...] = ()
    servers: tuple[Server, ...] = ()
    """Those of the file; once it is read, also the ones that come with the gateway, behind them."""

    def records(self) -> Records:
        return Records(
            accounts=self.accounts,
            models=self.models,
            keys=self.keys,
            policies=self.policies,
            servers=self.servers,
        )


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration with what it needs to be used: where it came from, and where secrets and data are.

    `file` is None where there is no file; `base` is the folder that relative `file:` references start at; `master_key`
    is the reference that the command line gave.
    """

    config: Config
    data_dir: Path
    base: Path
    origins: Origins
    environ: Mapping[str, str]
    file: Path | None = None
    master_key: str | None = None

    @property
    def tls_files(self) -> tuple[Path, Path] | None:
        """The certificate chain for clients and its key."""
        tls = self.config.server.tls
        return None if tls is None else (self.base / tls.cert, self.base / tls.key)

    @property
    def admin_token(self) -> Secret | None:
        token = self.environ.get("GATEWAY_ADMIN_TOKEN")
        return Secret(token) if token else None

    def __repr__(self) -> str:
        # The environment holds secrets, so the generated repr would print them.
        return f"<Settings {self.file or 'without a file'}, data in {self.data_dir}>"


def load(
    path: Path | None, environ: Mapping[str, str], flags: Mapping[str, str] | None = None, master_key: str | None = None
) -> Settings:
    """Reads and refuses: as `read`, and raises `ConfigError` with every problem if there is any."""
    settings, problems = read(path, environ, flags, master_key)
    if problems:
        raise ConfigError(problems)
    return settings


def read(
    path: Path | None, environ: Mapping[str, str], flags: Mapping[str, str] | None = None, master_key: str | None = None
) -> tuple[Settings, list[Problem]]:
    """The settings as far as they are valid, and every problem of the rest.

    `flags` are values of the command line by their path (`server.data_bind`). Raises `Unreadable` if there is no such
    file, or it is not TOML.
    """
    file = _file(path, environ)
    text = documents.text_of(file) if file else ""
    raw = documents.parsed(text, file) if file else {}
    origins = Origins(file=_shown(file), lines=Lines.of(text))
    problems = _later_tables(raw, origins)
    keys = {name: value for name, value in environ.items() if f"env:{name}" != master_key}
    problems += overlay(raw, keys, Config, origins)
    _apply_flags(raw, flags or {}, origins)
    others, unread = compatible.complete(raw, file.parent / compatible.FOLDER if file else None)
    problems += unread
    config, wrong = convert(Config, raw)
    wrong += _server_problems(config.server)
    wrong += [(f"fetch.{field}", message) for field, message in config.fetch.problems().items()]
    wrong += [(f"connections.{field}", message) for field, message in config.connections.problems().items()]
    wrong += [(f"sessions.{field}", message) for field, message in config.sessions.problems().items()]
    wrong += [(f"balance.{field}", message) for field, message in config.balance.problems().items()]
    wrong += [(f"model_lists.{field}", message) for field, message in config.model_lists.problems()]
    wrong += [(f"database.{field}", message) for field, message in config.database.problems().items()]
    wrong += [(f"spool.{field}", message) for field, message in config.spool.problems().items()]
    problems += [origins.problem(path, message) for path, message in wrong]
    settings = Settings(
        config=msgspec.structs.replace(config, servers=config.servers + others),
        data_dir=_data_dir(config.server, file, origins, environ),
        base=file.parent if file else Path(),
        origins=origins,
        environ=environ,
        file=file,
        master_key=master_key,
    )
    return settings, problems


# --- the file ---------------------------------------------------------------------------------------------------------


def _file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    if path is not None:
        return path
    if environ.get("GATEWAY_CONFIG"):
        return Path(environ["GATEWAY_CONFIG"])
    return Path(DEFAULT_FILE) if Path(DEFAULT_FILE).exists() else None


def _shown(file: Path | None) -> str:
    return str(file) if file else DEFAULT_FILE


def _later_tables(raw: dict[str, Any], origins: Origins) -> list[Problem]:
    """Tables of the documented format that this version can't honour are refused, not passed over in silence."""
    found = [name for name in _LATER_TABLES if raw.pop(name, None) is not None]
    return [origins.problem(name, f"is not available in this version: {_LATER_TABLES[name]}") for name in found]


# --- the rest ---------------------------------------------------------------------------------------------------------


def _apply_flags(raw: dict[str, Any], flags: Mapping[str, str], origins: Origins) -> None:
    server = raw.setdefault("server", {})
    if not isinstance(server, dict):
        return
    for path, value in flags.items():
        field = path.removeprefix("server.")
        server[field] = value
        origins.names[path] = "--" + field.replace("_", "-")


def _data_dir(server: ServerConfig, file: Path | None, origins: Origins, environ: Mapping[str, str]) -> Path:
    if not server.data_dir:
        return default_data_dir(environ)
    given = Path(server.data_dir).expanduser()
    from_file = file is not None and "server.data_dir" not in origins.names
    return file.parent / given if from_file and file is not None else given


def _server_problems(server: ServerConfig) -> list[tuple[str, str]]:
    wrong = {
        "server.data_bind": bind_problem(server.data_bind),
        "server.admin_bind": bind_problem(server.admin_bind),
        "server.drain_seconds": None if 0 <= server.drain_seconds < float("inf") else "must be 0 or more seconds",
        "server.heartbeat_seconds": _seconds_problem(server.heartbeat_seconds),
        "server.send_timeout_seconds": _seconds_problem(server.send_timeout_seconds, least=0.1),
        "server.max_body_bytes": _size_problem(server.max_body_bytes),
        "server.max_upload_bytes": _size_problem(server.max_upload_bytes),
        "server.max_buffered_bytes": _size_problem(server.max_buffered_bytes),
        "server.workers": _workers_problem(server.workers),
        "server.http2": _http2_problem(server),
        "server.trusted_proxies": _networks_problem(server.trusted_proxies),
        "server.time_scale": None if 1 <= server.time_scale <= 10_000 else "must be 1 to 10000",
        "server.max_streams": streams_problem(server.max_streams),
    }
    return [(path, problem) for path, problem in wrong.items() if problem]


def _seconds_problem(seconds: float, least: float = 0.0) -> str | None:
    return None if least <= seconds < float("inf") else f"must be {least:g} or more seconds, not {seconds}"


def _size_problem(size: int) -> str | None:
    return None if size > 0 else f"must be a positive integer, not {size}"


def _http2_problem(server: ServerConfig) -> str | None:
    if not server.http2:
        return None
    if server.engine != "hypercorn":
        return f'needs server.engine = "hypercorn": {server.engine} speaks HTTP/1.1 only'
    return None if server.tls is not None else "needs server.tls: clients agree on HTTP/2 in TLS"


def _networks_problem(networks: tuple[str, ...]) -> str | None:
    try:
        TrustedProxies(networks)
    except ValueError as error:
        return f'must be networks such as "10.0.0.0/8" or "::1/128": {error}'
    return None


def _workers_problem(workers: int) -> str | None:
    return None if 0 <= workers <= _MOST_WORKERS else f"must be 0 to {_MOST_WORKERS}, not {workers}"
