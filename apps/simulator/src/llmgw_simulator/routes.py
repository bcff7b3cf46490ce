"""Which dialect answers a path."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from llmgw_simulator.dialects.chat import Chat
from llmgw_simulator.dialects.gemini import Gemini
from llmgw_simulator.dialects.messages import Messages
from llmgw_simulator.wire import Dialect, Endpoint, Refusal

CHAT, MESSAGES, GEMINI = Chat(), Messages(), Gemini()

_GEMINI_CALL = re.compile(r"^/(?:v1|v1beta)/(?:models/)?(.+):(generateContent|streamGenerateContent)$")
_MODELS = re.compile(r"^(?:/(v1|v1beta))?/models(?:/(.+))?$")
_FIXED: dict[str, Dialect] = {
    "/v1/chat/completions": CHAT,
    "/chat/completions": CHAT,
    "/v1/messages": MESSAGES,
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


def _models(version: str | None, wanted: str | None, headers: dict[str, str], query: dict[str, str]) -> Route:
    """All providers share this path; the headers of their SDKs tell them apart."""
    if version == "v1beta" or "x-goog-api-key" in headers or "key" in query:
        return Route(GEMINI, "models", wanted)
    return Route(MESSAGES if "anthropic-version" in headers else CHAT, "models", wanted)
