"""Which path means what.

Chat and Messages have fixed paths. Gemini's hold a model and a verb, and its clients disagree on how to write them: raw
slashes in the model or `%2F`, with `models/` in front or without, under `/v1` or `/v1beta`. So the path is taken as it
came (`raw_path`), split at its last colon, since a model may hold colons too, and decoded once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

import msgspec
from starlette.types import Scope

from llmgw_httpapi.headers import header_map
from llmgw_protocols import Dialect, dialect_named
from llmgw_protocols.counting import GEMINI_COUNT, MESSAGES_COUNT, RESPONSES_COUNT
from llmgw_protocols.embeddings import GEMINI_BATCH_EMBED, GEMINI_EMBED, OPENAI_EMBEDDINGS
from llmgw_protocols.enquiry import Enquiry
from llmgw_protocols.moderations import MODERATIONS
from llmgw_protocols.resources import Resource, methods_at, resource_at
from llmgw_relay.call import Verb

_STREAMS = {"generateContent": False, "streamGenerateContent": True}
_GEMINI_ENQUIRIES: dict[str, Enquiry] = {
    "countTokens": GEMINI_COUNT,
    "embedContent": GEMINI_EMBED,
    "batchEmbedContents": GEMINI_BATCH_EMBED,
}
_VERSIONS = (("/v1beta/", "v1beta"), ("/v1/", "v1"), ("/models/", "v1beta"))
_CHAT = ("/v1/chat/completions", "/chat/completions")
_COMPLETIONS = ("/v1/completions", "/completions")
_RESPONSES = ("/v1/responses", "/responses")
_MESSAGES = ("/v1/messages",)
_LISTING = re.compile(r"/(?P<version>v1beta|v1)/models(?:/(?P<model>.+))?").fullmatch
_POST, _GET = ("POST",), ("GET",)


class Endpoint(msgspec.Struct, frozen=True):
    """A path that carries calls. Model, stream and version are set where the path says them (Gemini)."""

    dialect: Dialect
    model: str | None = None
    stream: bool = False
    version: str | None = None
    verb: Verb = Verb.GENERATE
    methods: tuple[str, ...] = _POST
    enquiry: Enquiry | None = None
    resource: Resource | None = None


class Paths:
    """The data plane's paths."""

    def __init__(self) -> None:
        chat = self._chat = dialect_named("chat")
        messages = self._messages = dialect_named("messages")
        self._gemini = dialect_named("gemini")
        completions, responses = dialect_named("completions"), dialect_named("responses")
        self._fixed = {path: Endpoint(chat) for path in _CHAT} | {path: Endpoint(messages) for path in _MESSAGES}
        self._fixed |= {path: Endpoint(completions) for path in _COMPLETIONS}
        self._fixed |= {path: Endpoint(responses) for path in _RESPONSES}
        self._fixed |= {
            path: Endpoint(dialect, verb=Verb.ENQUIRE, enquiry=enquiry)
            for path, dialect, enquiry in (
                ("/v1/embeddings", chat, OPENAI_EMBEDDINGS),
                ("/embeddings", chat, OPENAI_EMBEDDINGS),
                ("/v1/moderations", chat, MODERATIONS),
                ("/v1/messages/count_tokens", messages, MESSAGES_COUNT),
                ("/v1/responses/input_tokens", responses, RESPONSES_COUNT),
            )
        }

    def find(self, scope: Scope) -> Endpoint | None:
        """The endpoint at a request's path, or None; the method is not looked at."""
        return self._fixed.get(scope["path"]) or self._in_path(scope) or self._models(scope) or self._forwarded(scope)

    def guess(self, path: str, headers: Mapping[str, str]) -> Dialect:
        """The dialect that the sender of a request to an unknown path most likely reads."""
        if path.startswith("/v1beta") or "x-goog-api-key" in headers or "x-goog-api-client" in headers:
            return self._gemini
        if "anthropic-version" in headers or path.endswith("/messages"):
            return self._messages
        return self._chat

    def _in_path(self, scope: Scope) -> Endpoint | None:
        raw = _raw_path(scope)
        for prefix, version in _VERSIONS:
            if raw.startswith(prefix):
                model, _, verb = unquote(raw[len(prefix) :]).rpartition(":")
                return self._gemini_endpoint(_without_collection(model), verb, version)
        return None

    def _gemini_endpoint(self, model: str, verb: str, version: str) -> Endpoint | None:
        if not model:
            return None
        stream, enquiry = _STREAMS.get(verb), _GEMINI_ENQUIRIES.get(verb)
        if stream is not None:
            return Endpoint(self._gemini, model, stream, version)
        if enquiry is not None:
            return Endpoint(self._gemini, model, version=version, verb=Verb.ENQUIRE, enquiry=enquiry)
        return None

    def _models(self, scope: Scope) -> Endpoint | None:
        """The list of models, or one of them: one path in three shapes, told apart by the client's headers."""
        found = _LISTING(_raw_path(scope))
        # What is posted to a model's own path has a verb that nobody knows.
        if found is None or (found["model"] and scope.get("method") == "POST"):
            return None
        model = _without_collection(unquote(found["model"] or "")) or None
        dialect = self.guess(scope["path"], header_map(scope))
        return Endpoint(dialect, model, version=found["version"], verb=Verb.LIST, methods=_GET)

    def _forwarded(self, scope: Scope) -> Endpoint | None:
        """What of OpenAI's API is passed through."""
        path = scope["path"].removeprefix("/v1")
        methods = methods_at(path)
        if not methods or path == scope["path"]:
            return None
        resource = resource_at(scope["method"], path)
        return Endpoint(self._chat, verb=Verb.FORWARD, methods=methods, resource=resource)


def _raw_path(scope: Scope) -> str:
    raw = scope.get("raw_path")
    # Servers that leave `raw_path` out have decoded the path already; a second decoding could change a model's name.
    text: str = raw.decode("latin-1") if raw is not None else scope["path"].replace("%", "%25")
    return text


def _without_collection(model: str) -> str:
    # A client that puts its own "models/" into a template that has one too writes it twice.
    return model.removeprefix("models/").removeprefix("models/")
