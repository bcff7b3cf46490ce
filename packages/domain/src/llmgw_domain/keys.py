"""Who calls, and what the caller may do: tenants, client keys, policies."""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec


class StreamErrors(StrEnum):
    """How a chat stream that breaks after its first byte is ended.

    `FINISH`: a chunk with `finish_reason: "error"` that carries `gateway_error`, then `[DONE]`.
    `RAISE`: the same with a top-level `error` object, on which OpenAI's SDKs raise.
    `STRICT`: the top-level `error` object alone, without the finish reason that OpenAI does not define.
    """

    FINISH = "finish"
    RAISE = "raise"
    STRICT = "strict"


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """The owner of keys, usage and stored objects. Everything that a client can name belongs to one."""

    id: str
    name: str = ""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What a key may do and how it is answered."""

    id: str = "default"
    models: tuple[str, ...] | None = None
    """Names or `prefix/*` patterns; None allows every model."""
    hide_accounts: bool = False
    """Leaves account ids out of response headers."""
    stream_errors: StreamErrors | None = None
    """None: what the gateway is configured to do."""
    json_heartbeats: bool = False
    """Answers that are no stream get white space before their JSON while the provider is silent."""
    max_body_bytes: int | None = None
    stored_responses: bool = False
    """The gateway may keep this key's responses, so that `previous_response_id` works at every provider."""
    endpoints: tuple[str, ...] = ()
    """What of OpenAI's API beyond models may be passed through: `images`, `audio`, `files`, `batches`, or `*`."""

    def allows_endpoint(self, endpoint: str) -> bool:
        return endpoint in self.endpoints or "*" in self.endpoints

    def allows(self, model: str) -> bool:
        if self.models is None:
            return True
        return any(model == m or (m.endswith("*") and model.startswith(m[:-1])) for m in self.models)


class ClientKey(msgspec.Struct, frozen=True, kw_only=True):
    """A client's key, stored as the SHA-256 of its text: keys carry 160 random bits or more, so no slow hash is
    needed.
    """

    id: str
    tenant: str
    digest: bytes
    policy: str = "default"
    enabled: bool = True

    @staticmethod
    def digest_of(secret: str) -> bytes:
        return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
