"""A gateway that works before anything is configured.

Without accounts, those of the environment are taken (`OPENAI_API_KEY` and its like), and without any of these the
built-in simulator, so that the first request can be made at once. Without client keys one is made and kept in the data
folder as `client-key`, mode 0600: its text is the operator's only copy, and the gateway compares hashes. What is
configured always stands; this only fills what is empty.
"""

from __future__ import annotations

import hashlib
import secrets
import shlex
import string
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from llmgw_control import AccountRecord, KeyRecord, ModelRecord, Records, TargetRecord
from llmgw_gateway.config import Config
from llmgw_gateway.data_dir import UnusableDataDir, create_once, open_data_dir

KEY_FILE = "client-key"

_ALPHABET = string.ascii_letters + string.digits
_KEY_CHARACTERS = 32
"""Of 62 each: 190 random bits."""


class Known(NamedTuple):
    """A provider whose key may stand in the environment; `example` is a model to show in a first request."""

    variable: str
    provider: str
    pool: str
    example: str


KNOWN = (
    Known("OPENAI_API_KEY", "openai", "openai", "gpt-4.1-mini"),
    Known("ANTHROPIC_API_KEY", "anthropic", "anthropic", "claude-haiku-4-5"),
    Known("GEMINI_API_KEY", "google", "gemini", "gemini-2.5-flash"),
)

_SIMULATED = (("openai", "gpt", "/v1"), ("anthropic", "claude", ""), ("google", "gemini", ""))


class FirstKey(msgspec.Struct, frozen=True):
    """The client key of the data folder. `made` says whether this start made it."""

    text: str
    path: Path
    made: bool

    def record(self) -> KeyRecord:
        return KeyRecord(id="first", hash="sha256:" + hashlib.sha256(self.text.encode()).hexdigest())

    def __repr__(self) -> str:
        return f"<FirstKey in {self.path}>"


def needs_simulator(config: Config, environ: Mapping[str, str]) -> bool:
    """Whether no account is to be had but the built-in simulator's."""
    return not config.accounts and not any(environ.get(known.variable) for known in KNOWN)


def first_key(config: Config, data_dir: Path) -> FirstKey | None:
    """The key of the data folder, made if need be; None where keys are configured. Raises OSError."""
    if config.keys:
        return None
    path = data_dir / KEY_FILE
    open_data_dir(data_dir)
    text = "gw-" + "".join(secrets.choice(_ALPHABET) for _ in range(_KEY_CHARACTERS))
    made = create_once(path, text + "\n")
    return FirstKey(text if made else path.read_text("utf-8").strip(), path, made)


def kept_key(config: Config, data_dir: Path) -> FirstKey | None:
    """As `first_key`. Raises `UnusableDataDir`."""
    try:
        return first_key(config, data_dir)
    except OSError as error:
        raise UnusableDataDir(f"the data folder {data_dir} can't be used: {error.strerror}") from None


def complete(
    config: Config, environ: Mapping[str, str], simulator_url: str | None = None, key: FirstKey | None = None
) -> Records:
    """The configured records, with what is empty filled in. `simulator_url` is needed where `needs_simulator` says."""
    records = config.records()
    if not records.accounts:
        accounts, models = _from_environment(environ)
        if not accounts and simulator_url is not None:
            accounts, models = _simulated(simulator_url)
        named = {model.name for model in records.models}
        added = tuple(model for model in models if model.name not in named)
        records = msgspec.structs.replace(records, accounts=accounts, models=records.models + added)
    if key is not None:
        records = msgspec.structs.replace(records, keys=(*records.keys, key.record()))
    return records


def example_model(records: Records) -> str | None:
    """A model name for a first request: an exact one, else one below a star that leads to a known provider."""
    for model in records.models:
        if "*" not in model.name:
            return model.name
    examples = {known.provider: known.example for known in KNOWN}
    providers = {account.pool: account.provider for account in records.accounts}
    for model in records.models:
        example = examples.get(providers.get(model.targets[0].pool, "")) if model.targets else None
        if example and model.targets[0].model == "*":
            return model.name.replace("*", example)
    return None


def wants_secrets(environ: Mapping[str, str], on_terminal: bool) -> bool:
    """Whether a start may print secrets: to a person, not to a log that is collected and kept."""
    return on_terminal or environ.get("GATEWAY_PRINT_SECRETS", "").lower() in ("1", "true", "yes")


def welcome(
    *, endpoint: str, dashboard: str, records: Records, key: FirstKey | None, simulated: bool, version: str
) -> str:
    """What a person is told at the start: where everything is, and command lines that work when pasted."""
    names = ", ".join(model.name for model in records.models[:8]) + (", ..." if len(records.models) > 8 else "")
    note = "  (built-in simulator: no provider account is configured)" if simulated else ""
    lines = [
        f"llmgw {version} is ready.",
        "",
        f"  endpoint    {endpoint}/v1",
        f"  client key  {f'{key.text}  (kept in {key.path})' if key else 'as configured'}",
        f"  dashboard   {dashboard}/",
        f"  models      {names or 'none configured'}{note}",
        "",
    ]
    model = example_model(records)
    if model is not None:
        secret = f"'Authorization: Bearer {key.text}'" if key else '"Authorization: Bearer $GATEWAY_KEY"'
        lines += ["Try it, whole and streamed:", "", *_curl_lines(endpoint, secret, model), ""]
    return "\n".join(lines)


def whereabouts(key: FirstKey) -> str:
    """What a log is told of the key: never its text."""
    return f"client key {'made and ' if key.made else ''}kept in {key.path}"


# --- records ----------------------------------------------------------------------------------------------------------


def _from_environment(environ: Mapping[str, str]) -> tuple[tuple[AccountRecord, ...], tuple[ModelRecord, ...]]:
    known = [k for k in KNOWN if environ.get(k.variable)]
    accounts = [
        AccountRecord(id=k.pool, provider=k.provider, credential=f"env:{k.variable}", pool=k.pool) for k in known
    ]
    models = [ModelRecord(name=f"{k.pool}/*", targets=(TargetRecord(pool=k.pool, model="*"),)) for k in known]
    return tuple(accounts), tuple(models)


def _simulated(url: str) -> tuple[tuple[AccountRecord, ...], tuple[ModelRecord, ...]]:
    accounts = [
        AccountRecord(
            id=f"sim-{provider}",
            provider=provider,
            credential=f"builtin:sim-{provider}",
            base_url=url.rstrip("/") + path,
            pool=f"sim-{provider}",
        )
        for provider, _, path in _SIMULATED
    ]
    models = [
        ModelRecord(name=f"sim/{name}", targets=(TargetRecord(pool=f"sim-{provider}", model=f"sim-{name}"),))
        for provider, name, _ in _SIMULATED
    ]
    return tuple(accounts), tuple(models)


def _curl_lines(url: str, authorization: str, model: str) -> list[str]:
    """Each on one line, because a line that is broken over several is pasted wrongly by half of all terminals."""
    question = {"model": model, "messages": [{"role": "user", "content": "Hello!"}]}
    head = f"{url}/v1/chat/completions -H {authorization} -H 'Content-Type: application/json' -d"
    whole, streamed = (
        shlex.quote(msgspec.json.encode(body).decode()) for body in (question, {**question, "stream": True})
    )
    return [f"curl -sS {head} {whole}", f"curl -sSN {head} {streamed}"]
