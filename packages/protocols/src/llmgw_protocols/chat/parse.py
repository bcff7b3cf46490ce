"""A client's request, read into the canonical one.

The whole body is decoded once into typed structs; what has no canonical place stays raw in `extras`, for the renderer
of the target to carry over, report or refuse.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llmgw_domain.chat import ChatRequest, Effort, OutputFormat, Reasoning
from llmgw_domain.errors import InvalidField, InvalidJson
from llmgw_protocols.chat import _wire, tools, turns
from llmgw_protocols.chat.envelope import complaint, place
from llmgw_protocols.dialect import Envelope

_decode = msgspec.json.Decoder(_wire.Request).decode
_KNOWN = frozenset(_wire.Request.__struct_fields__)
_members = msgspec.json.Decoder(_wire.Object).decode
_LEVELS: dict[str, Effort] = {"minimal": "minimal", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh"}


def parse(envelope: Envelope) -> ChatRequest:
    """The canonical request. Raises `InvalidField` with the path, `UnsupportedField`."""
    wire = _request(envelope.wire.body)
    return ChatRequest(
        model=wire.model,
        turns=turns.read(wire.messages),
        stream=bool(wire.stream),
        include_usage=envelope.include_usage,
        max_tokens=wire.max_completion_tokens or wire.max_tokens,
        temperature=wire.temperature,
        top_p=wire.top_p,
        top_k=wire.top_k,
        frequency_penalty=wire.frequency_penalty,
        presence_penalty=wire.presence_penalty,
        logprobs=wire.logprobs,
        top_logprobs=wire.top_logprobs,
        n=wire.n,
        seed=wire.seed,
        stop=(wire.stop,) if isinstance(wire.stop, str) else tuple(wire.stop or ()),
        tools=tools.read(wire.tools, wire.functions),
        tool_choice=tools.read_choice(wire.tool_choice, wire.function_call),
        parallel_tool_calls=wire.parallel_tool_calls,
        format=_format(wire.response_format),
        reasoning=_reasoning(wire),
        user=wire.user or wire.safety_identifier,
        service_tier=wire.service_tier,
        cache_key=wire.prompt_cache_key,
        family="openai",
        extras=_extras(envelope.fields, wire),
    )


def _request(body: bytes) -> _wire.Request:
    try:
        return _decode(body)
    except msgspec.ValidationError as error:
        param = place(error).removeprefix(".")
        raise InvalidField(f"Invalid value for {param!r}: {complaint(error)}.", param=param or None) from None
    except RecursionError:
        raise InvalidJson("The body is nested too deeply.") from None
    except msgspec.DecodeError as error:
        raise InvalidJson(f"The body is not valid JSON: {error}.") from None


def _extras(fields: dict[str, Raw], wire: _wire.Request) -> dict[str, Raw]:
    extras = {k: raw for k, raw in fields.items() if k not in _KNOWN and bytes(raw) != b"null"}
    # Only what `extra_body` says of thinking has a canonical place; whatever else is in it stays whole.
    if wire.extra_body and not _is_thinking_alone(fields["extra_body"]):
        extras["extra_body"] = fields["extra_body"]
    return extras


def _is_thinking_alone(raw: Raw) -> bool:
    said = _said(raw)
    return said.keys() <= {"google"} and all(_said(google).keys() <= {"thinking_config"} for google in said.values())


def _said(raw: Raw) -> dict[str, Raw]:
    return {name: member for name, member in _members(raw).items() if bytes(member) != b"null"}


def _format(wire: _wire.ResponseFormat | None) -> OutputFormat | None:
    if wire is None:
        return None
    if wire.type != "json_schema":
        return OutputFormat(kind=wire.type)
    spec = wire.json_schema
    if spec is None or spec.schema is None:
        raise InvalidField(
            "The field 'response_format.json_schema.schema' is missing: send a JSON Schema.",
            param="response_format.json_schema.schema",
        )
    return OutputFormat(
        kind="json_schema",
        name=spec.name,
        description=spec.description,
        schema=_schema(spec.schema),
        strict=spec.strict,
    )


def _schema(schema: str | _wire.Object) -> Raw:
    if isinstance(schema, dict):
        return Raw(msgspec.json.encode(schema))
    try:
        msgspec.json.decode(schema, type=_wire.Object)
    except msgspec.DecodeError:
        param = "response_format.json_schema.schema"
        raise InvalidField(f"Invalid value for {param!r}: send a JSON Schema object.", param=param) from None
    return Raw(schema.encode())


def _reasoning(wire: _wire.Request) -> Reasoning | None:
    """Precedence: `thinking` over `reasoning` over Google's `thinking_config`; an effort goes along with a mode."""
    effort = wire.reasoning_effort
    if wire.reasoning and wire.reasoning.effort:
        effort = wire.reasoning.effort
    if wire.thinking and wire.thinking.type:
        show = None if wire.thinking.display is None else wire.thinking.display != "omitted"
        if wire.thinking.type == "disabled":
            return Reasoning(mode="disabled", show=show)
        return Reasoning(effort=effort, budget=wire.thinking.budget_tokens, mode=wire.thinking.type, show=show)
    if wire.reasoning:
        return _openrouter(wire.reasoning, effort)
    if google := _google_thinking(wire):
        level = _LEVELS.get((google.thinking_level or "").lower())
        return Reasoning(effort=level or effort, budget=google.thinking_budget, show=google.include_thoughts)
    return Reasoning(effort=effort) if effort else None


def _openrouter(wire: _wire.ReasoningConfig, effort: Effort | None) -> Reasoning:
    show = None if wire.exclude is None else not wire.exclude
    if wire.enabled is False:
        return Reasoning(mode="disabled", show=show)
    return Reasoning(effort=effort, budget=wire.max_tokens, mode="enabled" if wire.enabled else None, show=show)


def _google_thinking(wire: _wire.Request) -> _wire.GoogleThinking | None:
    return wire.extra_body.google.thinking_config if wire.extra_body and wire.extra_body.google else None
