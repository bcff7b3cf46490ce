"""A Gemini client's request as it came: split and checked at the surface, and passed on to Google untouched.

The model, the verb and the version stand in the path, so the body goes on byte for byte. Only what any provider would
refuse is refused here, with the field's name; unknown fields survive.
"""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from llmgw_domain.errors import InvalidField
from llmgw_protocols import toplevel
from llmgw_protocols.dialect import Envelope, Rendered, TargetFacts, WireRequest
from llmgw_protocols.gemini.fields import Fields, objects

_KINDS = {b"{": "an object", b"[": "an array", b'"': "a string"}
_TOP: dict[str, bytes] = {
    "contents": b"[",
    "systemInstruction": b'{"',
    "tools": b"[",
    "toolConfig": b"{",
    "generationConfig": b"{",
    "safetySettings": b"[",
    "cachedContent": b'"',
    "labels": b"{",
}
"""The JSON values that a field may be, by their first bytes."""

_NUMBERS = ("temperature", "topP", "topK", "presencePenalty", "frequencyPenalty")
_INTEGERS = ("maxOutputTokens", "candidateCount", "seed", "logprobs")


def envelope_of(wire: WireRequest) -> Envelope:
    """Splits and checks a request. Raises `InvalidJson` and `InvalidField`."""
    if not wire.path_model:
        raise InvalidField("The path names no model: use /v1beta/models/MODEL:generateContent.", param="model")
    split = toplevel.split(wire.body)
    _check(Fields(split))
    return Envelope(
        wire=wire,
        model=wire.path_model,
        stream=wire.path_stream,
        fields=split,
        form="array" if wire.path_stream and wire.query.get("alt") != "sse" else "sse",
    )


def passthrough_of(envelope: Envelope, facts: TargetFacts) -> Rendered:
    """The same request for Google: the client's bytes, with a `model` in the body replaced."""
    body = envelope.wire.body
    if "model" in envelope.fields:
        body = toplevel.join(
            {
                name: msgspec.json.encode(_resource(facts.model)) if name == "model" else bytes(value)
                for name, value in envelope.fields.items()
            }
        )
    version = envelope.wire.path_version or "v1beta"
    path = path_of(facts.model, stream=envelope.stream, version=version)
    return Rendered(path=path, body=body, query="alt=sse" if envelope.stream and envelope.form == "sse" else "")


def path_of(model: str, *, stream: bool, version: str = "v1beta") -> str:
    """The path of a model's call below the account's base address."""
    verb = "streamGenerateContent" if stream else "generateContent"
    return f"/{version}/{quote(_resource(model), safe='/:@.-_')}:{verb}"


def _resource(model: str) -> str:
    return model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"


def _check(top: Fields) -> None:
    for name, first in _TOP.items():
        raw = top.raw(name)
        if raw is not None and bytes(raw)[:1] not in first:
            kinds = " or ".join(kind for mark, kind in _KINDS.items() if mark in first)
            raise InvalidField(f"{name} must be {kinds}.", param=name)
    contents = top.raw("contents")
    turns = [] if contents is None else objects(contents, "contents")
    if not turns:
        raise InvalidField("contents must hold at least one message.", param="contents")
    for turn in turns:
        turn.text("role")
        turn.objects("parts")
    config = top.object("generationConfig")
    if config is not None:
        _check_config(config)


def _check_config(config: Fields) -> None:
    for name in _NUMBERS:
        config.number(name)
    for name in _INTEGERS:
        config.integer(name)
    config.texts("stopSequences")
    config.object("thinkingConfig")
