"""A client's Messages request: split, checked, and sent on to a provider of the same dialect.

Only what every later step relies on is checked here, so that nothing wrong is sent upstream; fields that are not known
survive untouched. In a pass-through the model's name is the one thing that changes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from llmgw_domain.errors import InvalidField
from llmgw_protocols import toplevel
from llmgw_protocols.dialect import Envelope, Rendered, TargetFacts, WireRequest
from llmgw_protocols.messages._wire import Message
from llmgw_protocols.messages.reading import is_null, read

PATH = "/v1/messages"
DEFAULT_VERSION = "2023-06-01"
"""What a missing `anthropic-version` means."""

_Object = dict[str, msgspec.Raw]
_OPTIONAL: dict[str, Any] = {
    "stream": bool | None,
    "system": str | list[_Object] | None,
    "tools": list[_Object] | None,
    "tool_choice": _Object | None,
    "thinking": _Object | None,
    "output_config": _Object | None,
    "metadata": _Object | None,
    "stop_sequences": list[str] | None,
    "temperature": float | None,
    "top_p": float | None,
    "top_k": int | None,
    "service_tier": str | None,
}


def envelope(wire: WireRequest) -> Envelope:
    """Splits and checks a request. Raises `InvalidJson`, or `InvalidField` with the field and what it should be."""
    fields = toplevel.split(wire.body)
    model = _required(fields, "model", str)
    if not model:
        raise InvalidField("model: must not be empty; name one of the models of GET /v1/models.", param="model")
    if _required(fields, "max_tokens", int) < 0:
        raise InvalidField("max_tokens: must be 0 or more.", param="max_tokens")
    _check_messages(_required(fields, "messages", list[msgspec.Raw]))
    for name, kind in _OPTIONAL.items():
        if name in fields:
            read(fields[name], kind, name)
    stream = "stream" in fields and bytes(fields["stream"]) == b"true"
    return Envelope(wire=wire, model=model, stream=stream, fields=fields)


def _required(fields: dict[str, msgspec.Raw], name: str, kind: Any) -> Any:
    if name not in fields or is_null(fields[name]):
        raise InvalidField(f"{name}: field required.", param=name)
    return read(fields[name], kind, name)


def _check_messages(messages: list[msgspec.Raw]) -> None:
    if not messages:
        raise InvalidField("messages: at least one message is required.", param="messages")
    for at, message in enumerate(messages):
        read(message, Message, f"messages.{at}")


def passthrough(envelope: Envelope, facts: TargetFacts) -> Rendered:
    """The client's own bytes, but for the model's name where the provider's differs."""
    wire = envelope.wire
    body = wire.body if facts.model == envelope.model else _with_model(envelope, facts.model)
    headers = [("anthropic-version", wire.headers.get("anthropic-version") or DEFAULT_VERSION)]
    if beta := wire.headers.get("anthropic-beta"):
        headers.append(("anthropic-beta", beta))
    query = "beta=true" if wire.query.get("beta") == "true" else ""
    return Rendered(path=PATH, query=query, body=body, headers=tuple(headers))


def _with_model(envelope: Envelope, model: str) -> bytes:
    fields = {name: bytes(value) for name, value in envelope.fields.items()}
    fields["model"] = msgspec.json.encode(model)
    return toplevel.join(fields)
