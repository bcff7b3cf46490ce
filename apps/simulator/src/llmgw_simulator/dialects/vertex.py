"""Vertex AI: Gemini and Claude behind Google's OAuth.

A model's complaints come in its maker's envelope, those of the platform (credentials, quotas, unknown models) in
Google's.
"""

from __future__ import annotations

from typing import Any

import msgspec

from llmgw_simulator.dialects._checks import is_texts, json_object
from llmgw_simulator.dialects.gemini import JSON, Gemini
from llmgw_simulator.dialects.gemini_request import parse_gemini
from llmgw_simulator.dialects.gemini_side import count_gemini, embed_many, embed_one, predict
from llmgw_simulator.dialects.messages import Messages
from llmgw_simulator.dialects.messages_request import invalid, parse_messages
from llmgw_simulator.dialects.messages_side import count_messages
from llmgw_simulator.google_token import PREFIX, is_good
from llmgw_simulator.wire import Incoming, Parsed, Refusal, Reply, bearer, rejected

_REALM = 'Bearer realm="https://accounts.google.com/"'
_HELP = (
    "Expected OAuth 2 access token, login cookie or other valid authentication credential. See "
    "https://developers.google.com/identity/sign-in/web/devconsole-project."
)
_QUOTA = (
    "Resource exhausted. Please try again later. Please refer to "
    "https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more details."
)
_VERSIONS = {"vertex-2023-10-16": "2023-06-01", "2023-06-01": "2023-06-01", "2026-10-21": "2026-10-21"}
"""What the body may call the version of the API, and which rules of the API that means."""

_PLATFORM = frozenset({401, 403, 404, 429})
_SIDE = {"countTokens": count_gemini, "embedContent": embed_one, "batchEmbedContents": embed_many, "predict": predict}
_encode = msgspec.json.encode


class Vertex(Gemini):
    """The dialect `vertex`: Gemini's, but for its credentials and the models' names."""

    name = "vertex"

    def credential(self, incoming: Incoming) -> str | None:
        """An access token, or the API key of express mode."""
        return bearer(incoming.headers) or incoming.headers.get("x-goog-api-key")

    def authenticate(self, incoming: Incoming) -> None:
        """Check the token. Raises `Refusal`."""
        check_access(incoming)

    def parse(self, incoming: Incoming) -> Parsed | Reply:
        """Check the request. Raises `Refusal`."""
        body = json_object(incoming.body)
        if body is None:
            raise Refusal(400, "Invalid JSON payload received. Expected a value.\n\n^")
        resource = _resource(incoming)
        if (answer := _SIDE.get(incoming.action)) is not None:
            return Reply(200, {"content-type": JSON}, _encode(answer(body, incoming.model, resource)))
        streams = incoming.action == "streamGenerateContent"
        array = incoming.query.get("alt") != "sse"
        return parse_gemini(body, incoming.model, stream=streams, array=array, resource=resource)

    def refuse(self, refusal: Refusal, incoming: Incoming) -> Reply:
        """Google's error envelope; a 401 says how to authenticate."""
        reply = super().refuse(refusal, incoming)
        if refusal.status != 401:
            return reply
        hint = f'{_REALM}, error="invalid_token"' if self.credential(incoming) else _REALM
        return msgspec.structs.replace(reply, headers=reply.headers | {"www-authenticate": hint})

    def canned(self, status: int) -> Refusal:
        """The usual words for a status."""
        if status == 401:
            return _unauthenticated(f"Request had invalid authentication credentials. {_HELP}", "ACCESS_TOKEN_EXPIRED")
        return Refusal(429, _QUOTA) if status == 429 else super().canned(status)


_GOOGLE = Vertex()


class VertexClaude(Messages):
    """The dialect `vertex-claude`: Anthropic's messages with the version in the body and the model in the path."""

    name = "vertex-claude"

    def credential(self, incoming: Incoming) -> str | None:
        """An access token."""
        return _GOOGLE.credential(incoming)

    def authenticate(self, incoming: Incoming) -> None:
        """Check the token. Raises `Refusal`."""
        check_access(incoming)

    def parse(self, incoming: Incoming) -> Parsed | Reply:
        """Check the request. Raises `Refusal`.

        Whether the answer is streamed is said by the body's `stream`, which both methods pass on to the model.
        """
        body = json_object(incoming.body)
        if body is None:
            raise Refusal(400, "The request body is not valid JSON.")
        version, betas = _version(body), _betas(body, incoming)
        named = {name: value for name, value in body.items() if name not in ("anthropic_version", "anthropic_beta")}
        if incoming.model == "count-tokens":
            counted = count_messages(named, version, betas)
            return Reply(200, {"content-type": "application/json"}, _encode(counted))
        if incoming.model == "missing-model":
            raise Refusal(404, f"Publisher Model `{_resource(incoming)}` not found.")
        if "model" in named:
            invalid("model", "Extra inputs are not permitted")
        parsed = parse_messages({**named, "model": incoming.model.partition("@")[0]}, version, betas)
        return msgspec.structs.replace(parsed, options=parsed.options | {"vertex"})

    def refuse(self, refusal: Refusal, incoming: Incoming) -> Reply:
        """Anthropic's envelope for what the model refuses, Google's for the rest."""
        return _GOOGLE.refuse(refusal, incoming) if refusal.status in _PLATFORM else super().refuse(refusal, incoming)

    def canned(self, status: int) -> Refusal:
        """The usual words for a status."""
        return _GOOGLE.canned(status) if status in _PLATFORM else super().canned(status)


def check_access(incoming: Incoming) -> None:
    """Check the credential: a token of `POST /token` while it lives, any other, or without a project an API key."""
    token = bearer(incoming.headers)
    if token is None and incoming.headers.get("x-goog-api-key"):
        _check_key(incoming)
    elif token is None:
        raise _unauthenticated(f"Request is missing required authentication credential. {_HELP}", "CREDENTIALS_MISSING")
    elif rejected(token):
        message = f"Request had invalid authentication credentials. {_HELP}"
        raise _unauthenticated(message, "ACCESS_TOKEN_TYPE_UNSUPPORTED")
    elif token.startswith(PREFIX) and not is_good(token, incoming.now):
        raise _unauthenticated(f"Request had invalid authentication credentials. {_HELP}", "ACCESS_TOKEN_EXPIRED")


def _check_key(incoming: Incoming) -> None:
    if "/projects/" in incoming.path:
        message = (
            "API keys are not supported by this API. Expected OAuth2 access token or other authentication credentials "
            "that assert a principal. See https://cloud.google.com/docs/authentication"
        )
        raise _unauthenticated(message, "CREDENTIALS_MISSING")
    if rejected(incoming.headers["x-goog-api-key"]):
        raise Refusal(400, "API key not valid. Please pass a valid API key.")


def _unauthenticated(message: str, reason: str) -> Refusal:
    metadata = {
        "service": "aiplatform.googleapis.com",
        "method": "google.cloud.aiplatform.v1.PredictionService.GenerateContent",
    }
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
    return Refusal(401, message, details=[info | {"metadata": metadata}])


def _resource(incoming: Incoming) -> str:
    """The model's full name: the path without version and method."""
    return incoming.path.rpartition(":")[0].split("/", 2)[-1]


def _version(body: dict[str, Any]) -> str:
    given = body.get("anthropic_version")
    if given is None:
        invalid("anthropic_version", "Field required")
    if given not in _VERSIONS:
        invalid("anthropic_version", f'"{given}" is not a valid version')
    return _VERSIONS[given]


def _betas(body: dict[str, Any], incoming: Incoming) -> str:
    given = body.get("anthropic_beta")
    if given is not None and not is_texts(given):
        invalid("anthropic_beta", "Input should be a valid list")
    return ",".join(filter(None, [incoming.headers.get("anthropic-beta", ""), *(given or ())]))
