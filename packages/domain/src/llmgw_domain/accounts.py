"""Provider accounts: the credentials and limits that calls are spread over."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from llmgw_domain.servers import GENERIC, Server


class Provider(StrEnum):
    """The kind of a provider: which dialects it speaks, at which paths, and how it is authenticated."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GOOGLE = "google"
    VERTEX = "vertex"
    AZURE = "azure"
    BEDROCK = "bedrock"
    OPENAI_COMPATIBLE = "openai-compatible"

    @property
    def is_openai(self) -> bool:
        """Whether it serves OpenAI's own models, which tell their habits by their names: OpenAI and Azure."""
        return self in (Provider.OPENAI, Provider.AZURE)

    @property
    def speaks_openai(self) -> bool:
        """Whether its accounts have OpenAI's own API, as far as they have it: files, batches, images, audio."""
        return self in (Provider.OPENAI, Provider.AZURE, Provider.OPENAI_COMPATIBLE)


class Secret:
    """A credential that can't be printed, compared in a log, or serialised by accident."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The credential itself, for the one place that puts it on the wire."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret(***)"


class AwsKeys(msgspec.Struct, frozen=True, kw_only=True):
    """An AWS access key; `session_token` belongs to a temporary one."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None = None


class ServiceAccount(msgspec.Struct, frozen=True, kw_only=True):
    """A Google service account: what its JSON file holds. `private_key` is PEM; `token_url` gives tokens for it."""

    client_email: str
    private_key: Secret
    private_key_id: str = ""
    token_url: str = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
    project: str | None = None


class Ambient(msgspec.Struct, frozen=True):
    """The credential that the platform's own chain finds (`"default"`): instance metadata, environment, profile."""


Credential = Secret | AwsKeys | ServiceAccount | Ambient
"""What an account is authenticated with. An empty `Secret` is none, for servers of one's own."""


class Platform(msgspec.Struct, frozen=True, kw_only=True):
    """Where in a cloud an account is; each field means something to one kind of provider only.

    `region`: Bedrock. `project`, `location`: Vertex. `api_version` (`v1`, or a date for the classic paths) and
    `deployments` (model to deployment): Azure.
    """

    region: str | None = None
    project: str | None = None
    location: str | None = None
    api_version: str = "v1"
    deployments: dict[str, str] = msgspec.field(default_factory=dict)


class Deadlines(msgspec.Struct, frozen=True, kw_only=True):
    """How long each phase of an upstream call may take, in seconds; `None` is no limit.

    An event is a part of the answer: a provider's comments and pings prove that it lives, not that it gets on. The
    defaults let five minutes of silent thinking pass: `headers`, `first_event` and `gap` are above 300.
    """

    connect: float | None = 10.0
    """TCP and TLS set-up."""
    headers: float | None = 600.0
    """From the request sent to the response's status line."""
    first_event: float | None = 600.0
    """From the status line to the first event of the body, or the first bytes of one that is no stream."""
    gap: float | None = 600.0
    """Between two events, or two reads of a body that is no stream."""
    total: float | None = 3600.0
    """The whole call."""


Transport = Literal["auto", "http1", "http2"]
"""How an account is reached. `auto` is what suits its provider, and what its server then agrees to; `http2` insists,
and needs no TLS (prior knowledge) where the address is `http://`."""

Cloud = Literal["", "foundry", "mantle"]
"""A cloud with Anthropic's API at an address of its own: Azure AI Foundry, or Bedrock's Mantle."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One account at a provider. `base_url` is what the provider's own SDK takes as its base address.

    `server` is what is known of an OpenAI-compatible server (`vllm`, `groq`, ...). `proxy` is the address of an HTTP
    proxy to go through, with user and password if it wants them; `ca` are certificates (PEM) to trust in place of the
    system's. An account that drains takes no new calls; what is kept there (files, batches) goes on being served, which
    an account that is not `enabled` does not. Accounts of one `organization` can read what the provider sealed for it.
    """

    id: str
    provider: Provider
    base_url: str
    credential: Credential
    pool: str
    platform: Platform = Platform()
    server: Server = GENERIC
    max_concurrency: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    weight: float = 1.0
    organization: str | None = None
    enabled: bool = True
    drain: bool = False
    deadlines: Deadlines = Deadlines()
    transport: Transport = "auto"
    proxy: Secret | None = None
    ca: str | None = None

    @property
    def cloud(self) -> Cloud:
        """The cloud that this account of Anthropic's API is at; empty for Anthropic itself, and for other providers."""
        if self.provider is not Provider.ANTHROPIC:
            return ""
        if ".services.ai.azure." in self.base_url:
            return "foundry"
        return "mantle" if "//bedrock-mantle." in self.base_url else ""

    @property
    def reader(self) -> str:
        """Who can read what the provider sealed for this account: all of the same name."""
        return self.organization or self.id

    def for_its_own(self) -> Account:
        """As it is for calls about what it keeps: these go there while it drains."""
        return msgspec.structs.replace(self, drain=False) if self.drain else self

    def secrets(self) -> tuple[str, ...]:
        """Every text of its credential that must not be shown to anybody."""
        match self.credential:
            case Secret() as secret:
                found = [secret]
            case AwsKeys(secret_access_key=key, session_token=token):
                found = [key] if token is None else [key, token]
            case ServiceAccount(private_key=key):
                found = [key]
            case _:
                found = []
        return tuple(s.reveal() for s in found if s)
