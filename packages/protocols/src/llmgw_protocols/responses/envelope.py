"""A client's Responses request at its top level: split, checked, and passed through with the least change.

Only well-known fields are checked, and only as far as no provider could accept another type. In a pass-through the
model's name changes, and what only this gateway can read is left out: see `passthrough`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from llmgw_domain.errors import InvalidField, InvalidJson
from llmgw_protocols import toplevel
from llmgw_protocols.chat.envelope import complaint, place
from llmgw_protocols.dialect import Envelope, Rendered, TargetFacts, WireRequest
from llmgw_protocols.responses import sealed
from llmgw_protocols.responses._request import Count, Object

PATH = "/responses"

_CHECKS: dict[str, tuple[Any, str]] = {
    "model": (Annotated[str, Meta(min_length=1)], "send the model's name as text"),
    "input": (str | list[Object] | None, "send a text or an array of items"),
    "instructions": (str | list[Object] | None, "send a text"),
    "stream": (bool | None, "send true or false"),
    "max_output_tokens": (Count | None, "send a whole number above 0"),
    "temperature": (float | None, "send a number"),
    "top_p": (float | None, "send a number"),
    "tools": (list[Object] | None, "send an array of tool objects"),
    "tool_choice": (str | Object | None, "send 'auto', 'none', 'required' or an object"),
    "text": (Object | None, "send an object such as {'format': {'type': 'text'}}"),
    "reasoning": (Object | None, "send an object such as {'effort': 'low'}"),
    "include": (list[str] | None, "send an array of texts"),
    "metadata": (Object | None, "send an object"),
    "previous_response_id": (str | None, "send the id of a response"),
    "store": (bool | None, "send true or false"),
    "background": (bool | None, "send true or false"),
    "user": (str | None, "send a text"),
}
_DECODERS = {name: (msgspec.json.Decoder(kind), hint) for name, (kind, hint) in _CHECKS.items()}
_STANDS_FOR_INPUT = ("previous_response_id", "conversation", "prompt")


class _Sealed(msgspec.Struct):
    type: str | None = None
    encrypted_content: str | None = None


_items = msgspec.json.Decoder(list[Raw])
_sealed = msgspec.json.Decoder(_Sealed)


def envelope(wire: WireRequest) -> Envelope:
    """Splits and checks a request. Raises `InvalidJson`, or `InvalidField` with the field's path."""
    fields = toplevel.split(wire.body)
    if "model" not in fields:
        raise InvalidField("The field 'model' is missing: send the model's name as text.", param="model")
    read = {name: _read(name, fields[name]) for name in _DECODERS if name in fields}
    if read.get("input") is None and not any(has(fields, name) for name in _STANDS_FOR_INPUT):
        raise InvalidField("The field 'input' is missing: send a text or an array of items.", param="input")
    return Envelope(wire=wire, model=read["model"], stream=bool(read.get("stream")), fields=fields)


def passthrough(envelope: Envelope, facts: TargetFacts) -> Rendered:
    """The client's own bytes but for the model, and without reasoning that another family's model made.

    Such reasoning is in a form of this gateway's own (see `sealed`), which OpenAI refuses as forged.
    """
    changed: dict[str, bytes] = {}
    if facts.model != envelope.model:
        changed["model"] = msgspec.json.encode(facts.model)
    # Rare, so the bytes are searched before anything is decoded.
    if sealed.PREFIX.encode() in envelope.wire.body and "input" in envelope.fields:
        changed["input"] = _without_sealed(envelope.fields["input"])
    if not changed:
        return Rendered(path=PATH, body=envelope.wire.body)
    fields = {name: bytes(raw) for name, raw in envelope.fields.items()}
    return Rendered(path=PATH, body=toplevel.join({**fields, **changed}))


def has(fields: dict[str, Raw], name: str) -> bool:
    """Whether a field says anything: null is as good as absent."""
    return name in fields and bytes(fields[name]) != b"null"


def with_input(envelope: Envelope, fields: Mapping[str, bytes], items: Iterable[bytes | Raw]) -> Envelope:
    """The request with these fields and these items in place of its own; its body is made anew."""
    changed = {**fields, "input": b"[" + b",".join(bytes(item) for item in items) + b"]"}
    wire = msgspec.structs.replace(envelope.wire, body=toplevel.join(changed))
    return msgspec.structs.replace(envelope, wire=wire, fields={name: Raw(raw) for name, raw in changed.items()})


def _read(name: str, raw: Raw) -> Any:
    decoder, hint = _DECODERS[name]
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        param = name + place(error)
        raise InvalidField(f"Invalid value for {param!r}: {complaint(error)}; {hint}.", param=param) from None
    except RecursionError:
        raise InvalidJson("The body is nested too deeply.") from None


def _without_sealed(value: Raw) -> bytes:
    if not bytes(value).startswith(b"["):
        return bytes(value)
    return b"[" + b",".join(bytes(item) for item in _items.decode(value) if not _is_sealed(item)) + b"]"


def _is_sealed(item: Raw) -> bool:
    try:
        read = _sealed.decode(item)
    except msgspec.ValidationError:
        return False
    return read.type == "reasoning" and sealed.is_sealed(read.encrypted_content)
