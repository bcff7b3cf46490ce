"""The client's request at its top level: split, checked, and passed through with the least change.

Only well-known fields are checked, and only as far as no provider could accept another type; what is nested stays
untouched bytes until a translation needs it.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from llmgw_domain.errors import InvalidField
from llmgw_protocols import toplevel
from llmgw_protocols.chat import _wire, servers
from llmgw_protocols.dialect import Envelope, Rendered, TargetFacts, WireRequest

PATH = "/chat/completions"

_AT = re.compile(r" - at `\$(.*?)`$")


class _Role(msgspec.Struct):
    role: str


_CHECKS: dict[str, tuple[Any, str]] = {
    "model": (Annotated[str, Meta(min_length=1)], "send the model's name as text"),
    "messages": (
        Annotated[list[_Role], Meta(min_length=1)],
        "send a non-empty array of message objects, each with a 'role'",
    ),
    "stream": (bool | None, "send true or false"),
    "stream_options": (_wire.StreamOptions | None, "send an object such as {'include_usage': true}"),
    "max_tokens": (_wire.Count | None, "send a whole number above 0"),
    "max_completion_tokens": (_wire.Count | None, "send a whole number above 0"),
    "temperature": (float | None, "send a number"),
    "top_p": (float | None, "send a number"),
    "frequency_penalty": (float | None, "send a number"),
    "presence_penalty": (float | None, "send a number"),
    "n": (_wire.Count | None, "send a whole number above 0"),
    "stop": (str | list[str] | None, "send a text or an array of texts"),
    "tools": (list[_wire.Object] | None, "send an array of tool objects"),
    "tool_choice": (str | _wire.Object | None, "send 'auto', 'none', 'required' or an object"),
    "response_format": (_wire.Object | None, "send an object with a 'type'"),
    "user": (str | None, "send a text"),
}
_MAX_CHOICES = 128
"""What OpenAI allows; a larger `n` is the provider's to refuse."""

_DECODERS = {name: (msgspec.json.Decoder(kind), hint) for name, (kind, hint) in _CHECKS.items()}


def envelope(wire: WireRequest) -> Envelope:
    """Splits and checks a request. Raises `InvalidJson`, or `InvalidField` with the field's path."""
    fields = toplevel.split(wire.body)
    for required in ("model", "messages"):
        if required not in fields:
            raise InvalidField(f"The field {required!r} is missing: {_CHECKS[required][1]}.", param=required)
    read = {name: _read(name, fields[name]) for name in _DECODERS if name in fields}
    options: _wire.StreamOptions | None = read.get("stream_options")
    return Envelope(
        wire=wire,
        model=read["model"],
        stream=bool(read.get("stream")),
        fields=fields,
        include_usage=bool(options and options.include_usage),
        choices=min(read.get("n") or 1, _MAX_CHOICES),
    )


def passthrough(envelope: Envelope, facts: TargetFacts) -> Rendered:
    """The client's own bytes, but for the model and, in streams, the wish for usage, which the gateway always has.

    A server that the account names does not get what it is known to refuse although OpenAI's SDK sends it.
    """
    server = facts.server
    changed: dict[str, bytes] = {}
    if facts.model != envelope.model:
        changed["model"] = msgspec.json.encode(facts.model)
    if envelope.stream and not envelope.include_usage and server.stream_options:
        changed["stream_options"] = _with_usage(envelope.fields.get("stream_options"))
    fields = {name: bytes(raw) for name, raw in envelope.fields.items()} if changed or server.name else {}
    body = {**fields, **changed}
    if server.name:
        body = servers.passed(body, server)
    if body == fields:
        return Rendered(path=PATH, body=envelope.wire.body)
    return Rendered(path=PATH, body=toplevel.join(body))


def place(error: msgspec.ValidationError) -> str:
    """Where a decode found the wrong type, e.g. `.messages[0].role`; empty at the top."""
    match = _AT.search(str(error))
    return match[1] if match else ""


def complaint(error: msgspec.ValidationError) -> str:
    """What a decode found wrong, without the place, e.g. "expected `str`, got `int`"."""
    text = _AT.sub("", str(error))
    return text[:1].lower() + text[1:]


def _read(name: str, raw: Raw) -> Any:
    decoder, hint = _DECODERS[name]
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        param = name + place(error)
        raise InvalidField(f"Invalid value for {param!r}: {complaint(error)}; {hint}.", param=param) from None
    except msgspec.DecodeError as error:
        raise InvalidField(f"Invalid value for {name!r}: {error}.", param=name) from None


def _with_usage(options: Raw | None) -> bytes:
    if options is None or bytes(options) == b"null":
        return b'{"include_usage":true}'
    members = {name: bytes(raw) for name, raw in toplevel.split(bytes(options)).items()}
    return toplevel.join({**members, "include_usage": b"true"})
