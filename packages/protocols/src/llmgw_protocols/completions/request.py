"""A request for a completion: split, checked, passed through, or put as a chat with one message."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from llmgw_domain.chat import ChatRequest
from llmgw_domain.errors import InvalidField, UnsupportedField
from llmgw_protocols import toplevel
from llmgw_protocols.chat import CHAT
from llmgw_protocols.chat.envelope import passthrough as _passthrough
from llmgw_protocols.dialect import Envelope, Rendered, TargetFacts, WireRequest

PATH = "/completions"

_PROMPT = msgspec.json.Decoder(str | list[Any] | None)
_HINT = "send a text; several texts or token ids only where the model's provider has completions itself"
_IMPOSSIBLE = ("echo", "suffix", "logprobs", "best_of")
"""What a chat can't do, unless it has its default value."""
_NOTHING = (b"null", b"false", b'""', b"1")


def envelope(wire: WireRequest) -> Envelope:
    """Splits and checks a request. Raises `InvalidJson` and `InvalidField`."""
    fields = toplevel.split(wire.body)
    _prompt(fields)
    # The rest is Chat Completions', and so are the checks; a conversation it must have is lent for them.
    lent = {name: bytes(raw) for name, raw in fields.items() if name not in ("prompt", *_IMPOSSIBLE)}
    read = CHAT.envelope(msgspec.structs.replace(wire, body=toplevel.join({**lent, "messages": _message(b'""')})))
    return msgspec.structs.replace(read, wire=wire, fields=fields)


def passthrough(envelope: Envelope, facts: TargetFacts) -> Rendered:
    return msgspec.structs.replace(_passthrough(envelope, facts), path=PATH)


def parse(envelope: Envelope) -> ChatRequest:
    """The same as a chat. Raises `UnsupportedField` for what a chat can't do."""
    fields = envelope.fields
    for name in _IMPOSSIBLE:
        if name in fields and bytes(fields[name]) not in _NOTHING:
            raise UnsupportedField.named(name, "The model is served by a chat, which has nothing like it.")
    prompt = _prompt(fields)
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str):
        prompt = prompt[0]
    if not isinstance(prompt, str):
        raise UnsupportedField.named("prompt", "The model is served by a chat: send one text a request.")
    chat = {name: bytes(raw) for name, raw in fields.items() if name not in ("prompt", *_IMPOSSIBLE)}
    body = toplevel.join({**chat, "messages": _message(msgspec.json.encode(prompt))})
    request = CHAT.parse(CHAT.envelope(msgspec.structs.replace(envelope.wire, body=body)))
    return msgspec.structs.replace(request, model=envelope.model)


def _prompt(fields: dict[str, Raw]) -> Any:
    if "prompt" not in fields:
        raise InvalidField(f"The field 'prompt' is missing: {_HINT}.", param="prompt")
    try:
        return _PROMPT.decode(fields["prompt"])
    except (msgspec.DecodeError, RecursionError):
        raise InvalidField(f"Invalid value for 'prompt': {_HINT}.", param="prompt") from None


def _message(content: bytes) -> bytes:
    return b'[{"role":"user","content":' + content + b"}]"
