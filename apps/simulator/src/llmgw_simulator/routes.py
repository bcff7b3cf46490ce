"""Which dialect answers a path."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from llmgw_simulator.dialects.bedrock import Bedrock
from llmgw_simulator.dialects.chat import Chat
from llmgw_simulator.dialects.gemini import Gemini
from llmgw_simulator.dialects.messages import Messages
from llmgw_simulator.dialects.oauth import OAuth
from llmgw_simulator.dialects.vertex import Vertex, VertexClaude
from llmgw_simulator.wire import Dialect, Endpoint, Refusal

CHAT, MESSAGES, GEMINI = Chat(), Messages(), Gemini()
BEDROCK = Bedrock()
_PUBLISHERS: dict[str, Dialect] = {"google": Vertex(), "anthropic": VertexClaude()}

_GEMINI_METHODS = ("generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents")
_GEMINI_CALL = re.compile(rf"^/(?:v1|v1beta)/(?!projects/|publishers/)(?:models/)?(.+):({'|'.join(_GEMINI_METHODS)})$")
_BEDROCK_CALL = re.compile(r"^/model/(.+)/(converse|converse-stream|count-tokens|invoke)$")
_VERTEX_CALL = re.compile(
    r"^/(?:v1|v1beta1)/(?:projects/[^/]+/locations/[^/]+/)?publishers/(google|anthropic)/models/(.+):(\w+)$"
)
_VERTEX_METHODS = {"google": (*_GEMINI_METHODS, "predict"), "anthropic": ("rawPredict", "streamRawPredict")}
_MODELS = re.compile(r"^(?:/(v1|v1beta))?/models(?:/(.+))?$")
_FIXED: dict[str, Dialect] = {
    "/v1/chat/completions": CHAT,
    "/chat/completions": CHAT,
    "/v1/messages": MESSAGES,
    "/token": OAuth(),
}


class Route(msgspec.Struct, frozen=True):
    """The dialect of a path, what is wanted of it, and the model where the path names it.

    `endpoint` answers what is no model's text; `name` is how the log calls it, if not by its dialect.
    """

    dialect: Dialect
    kind: Literal["generate", "models", "endpoint"]
    model: str | None = None
    action: str = ""
    endpoint: Endpoint | None = None
    name: str = ""


def find(method: str, path: str, headers: dict[str, str], query: dict[str, str]) -> Route:
    """The route of a request; `path` is decoded. Raises `Refusal` with 404 or 405, in OpenAI's words."""
    wants = "POST"
    if (dialect := _FIXED.get(path)) is not None:
        found = Route(dialect, "generate")
    elif (cloud := _cloud(path)) is not None:
        found = cloud
    elif call := _GEMINI_CALL.match(path):
        found = Route(GEMINI, "generate", call.group(1), call.group(2))
    elif models := _MODELS.match(path):
        wants = "GET"
        found = _models(models.group(1), models.group(2), headers, query)
    else:
        raise Refusal(404, f"Invalid URL ({method} {path})")
    if method != wants:
        raise Refusal(
            405, f"Not allowed to {method} on {path} (HINT: Perhaps you meant to use a different HTTP method?)"
        )
    return found


def _cloud(path: str) -> Route | None:
    """The route of a path that belongs to Bedrock, to Vertex or beside Anthropic's messages."""
    if path == "/v1/messages/count_tokens":
        return Route(MESSAGES, "generate", action="count_tokens")
    if call := _BEDROCK_CALL.match(path):
        return Route(BEDROCK, "generate", call.group(1), call.group(2))
    if (call := _VERTEX_CALL.match(path)) and call.group(3) in _VERTEX_METHODS[call.group(1)]:
        return Route(_PUBLISHERS[call.group(1)], "generate", call.group(2), call.group(3))
    return None


def _models(version: str | None, wanted: str | None, headers: dict[str, str], query: dict[str, str]) -> Route:
    """All providers share this path; the headers of their SDKs tell them apart."""
    if version == "v1beta" or "x-goog-api-key" in headers or "key" in query:
        return Route(GEMINI, "models", wanted)
    return Route(MESSAGES if "anthropic-version" in headers else CHAT, "models", wanted)
