"""The response object: what every lifecycle event and every whole answer holds.

OpenAI repeats the request's settings in it, and its SDKs require some of them. They are taken from the client's own
bytes, with OpenAI's default where it said nothing and the default is known.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from llmgw_domain import Usage
from llmgw_protocols.dialect import EncodeContext

_encode = msgspec.json.Encoder().encode
_tools = msgspec.json.Decoder(list[dict[str, Raw]])

_DEFAULTS: dict[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "auto",
    "store": True,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
_ECHOED = {name: Raw(_encode(default)) for name, default in _DEFAULTS.items()}
_PLAIN = re.compile(r"[A-Za-z0-9]{1,40}")
_NULL = Raw(b"null")


def mint(request_id: str) -> str:
    """What the ids of a response and of its items have in common: short and of letters and digits, as OpenAI wants
    them back, whatever a client chose for its request's id.
    """
    bare = request_id.replace("-", "")
    if _PLAIN.fullmatch(bare):
        return bare
    return hashlib.sha256(request_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class ResponseObject:
    """Writes the response object of one answer at any moment of it."""

    def __init__(self, context: EncodeContext) -> None:
        self.id = f"resp_{mint(context.request_id)}"
        self.created = context.created
        self.model = context.model
        self._echo = _echo(context.request.fields if context.request else {})

    def write(
        self,
        status: str,
        output: Sequence[Any] = (),
        *,
        usage: Usage | None = None,
        error: Mapping[str, str] | None = None,
        incomplete: str | None = None,
    ) -> Raw:
        """The object's JSON. `incomplete` is why an answer with that status is."""
        body: dict[str, Any] = {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "error": error,
            "incomplete_details": {"reason": incomplete} if incomplete else None,
            "model": self.model,
            "output": output,
            "usage": None if usage is None else usage_object(usage),
        }
        return Raw(_encode(body | self._echo))


def usage_object(usage: Usage) -> dict[str, Any]:
    """Token counts: `input_tokens` counts cached and cache-written ones too, `output_tokens` counts reasoning too.

    OpenAI keeps caches for half an hour or for twelve; the canonical kinds are the short and the long one.
    """
    read: dict[str, Any] = {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write}
    if usage.cache_write:
        kinds = {"ttl_12h_tokens": usage.cache_write_1h, "ttl_30m_tokens": usage.cache_write_5m}
        read["cache_write_tokens_details"] = kinds
    return {
        "input_tokens": usage.input,
        "input_tokens_details": read,
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": usage.total,
    }


def _echo(fields: Mapping[str, Raw]) -> dict[str, Raw]:
    said = {name: fields[name] for name in _ECHOED if bytes(fields.get(name, _NULL)) != b"null"}
    if "tools" in said:
        said["tools"] = _whole_tools(said["tools"])
    return _ECHOED | said


def _whole_tools(raw: Raw) -> Raw:
    """Functions with all members that a response's have, of which a request's need not."""
    tools = _tools.decode(raw)
    whole = [{"parameters": _NULL, "strict": _NULL} | t if _is_function(t) else t for t in tools]
    return Raw(_encode(whole))


def _is_function(tool: dict[str, Raw]) -> bool:
    return bytes(tool.get("type", b'"function"')) == b'"function"'
