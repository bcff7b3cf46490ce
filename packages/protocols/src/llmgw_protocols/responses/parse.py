"""A client's Responses request, read into the canonical one.

What exists on OpenAI's side and has no canonical place goes to `extras`: under Chat's name where Chat has the field
too, else by its own, with members of `reasoning` and `tools` behind a dot. Fields that speak to this gateway itself
(`store`, `stream_options`) are no concern of another provider and left out. What needs state that only OpenAI keeps is
refused; a previous response has to be put in by `state.expand` before.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llmgw_domain.chat import ChatRequest, OutputFormat, Reasoning, Turn
from llmgw_domain.errors import InvalidField, UnknownPrevious, UnsupportedField
from llmgw_protocols.dialect import Envelope
from llmgw_protocols.responses import _request as wire
from llmgw_protocols.responses import parse_items, parse_tools
from llmgw_protocols.responses.envelope import has
from llmgw_protocols.responses.parse_tools import Tools
from llmgw_protocols.responses.reading import read

DIALECT = "responses"

_KNOWN = frozenset(wire.Request.__struct_fields__)
_STATE = frozenset(("previous_response_id", "conversation", "prompt", "background"))
_FOR_THE_GATEWAY = frozenset(("store", "stream_options", "background_options"))
_REFUSED = {
    "conversation": "Conversations are kept by OpenAI alone; send the items, or 'previous_response_id'.",
    "prompt": "Stored prompts are known to OpenAI alone; send 'instructions' and 'input'.",
}
_DEFAULTS = {"truncation": b'"disabled"'}
_LOGPROBS = "message.output_text.logprobs"
_HONOURED = (_LOGPROBS, "reasoning.encrypted_content")


def parse(envelope: Envelope) -> ChatRequest:
    """The canonical request. Raises `InvalidField` with the path, `UnsupportedField`, `UnknownPrevious`."""
    _refuse_state(envelope.fields)
    request: wire.Request = read(envelope.wire.body, wire.Request, "")
    tools = Tools()
    tools.add(request.tools or (), "tools")
    turns = _turns(request, tools)
    choice, lost = parse_tools.choice(request.tool_choice, tools.all())
    extras = _extras(envelope.fields, request) | tools.extras
    if lost:
        extras["tool_choice"] = envelope.fields["tool_choice"]
    return ChatRequest(
        model=request.model,
        turns=turns,
        stream=bool(request.stream),
        include_usage=True,
        max_tokens=request.max_output_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        logprobs=_logprobs(request),
        top_logprobs=request.top_logprobs or None,
        tools=tools.all(),
        tool_choice=choice,
        parallel_tool_calls=request.parallel_tool_calls,
        format=_format(request.text),
        reasoning=_reasoning(request.reasoning),
        user=request.safety_identifier or request.user,
        service_tier=request.service_tier,
        cache_key=request.prompt_cache_key,
        family=parse_items.FAMILY,
        dialect=DIALECT,
        extras=extras,
    )


def _refuse_state(fields: dict[str, Raw]) -> None:
    if has(fields, "previous_response_id"):
        raise UnknownPrevious.named(read(fields["previous_response_id"], str, "previous_response_id"))
    for name, why in _REFUSED.items():
        if has(fields, name):
            raise UnsupportedField.named(name, why)
    if bytes(fields.get("background", b"")) == b"true":
        raise UnsupportedField.named("background", "The model's provider answers at once only; leave it out.")


def _turns(request: wire.Request, tools: Tools) -> tuple[Turn, ...]:
    said = parse_items.turns(request.input or (), tools)
    instructions = request.instructions
    if not instructions:
        return said
    if isinstance(instructions, str):
        first = parse_items.turns(instructions, tools)[0]
        return (msgspec.structs.replace(first, role="system"), *said)
    return (*parse_items.turns(instructions, tools, "instructions"), *said)


def _logprobs(request: wire.Request) -> bool | None:
    return True if request.top_logprobs or _LOGPROBS in (request.include or ()) else None


def _format(text: wire.TextConfig | None) -> OutputFormat | None:
    if text is None or text.format is None:
        return None
    wanted = text.format
    if wanted.type == "json_schema" and wanted.schema is None:
        raise InvalidField("The field 'text.format.schema' is missing: send a JSON Schema.", param="text.format.schema")
    schema = None if wanted.schema is None else Raw(msgspec.json.encode(wanted.schema))
    return OutputFormat(
        kind=wanted.type, name=wanted.name, description=wanted.description, schema=schema, strict=wanted.strict
    )


def _reasoning(wanted: wire.ReasoningConfig | None) -> Reasoning | None:
    if wanted is None:
        return None
    summary = wanted.summary if wanted.summary is not msgspec.UNSET else wanted.generate_summary or msgspec.UNSET
    show = None if summary is msgspec.UNSET else summary is not None and summary != "none"
    return Reasoning(effort=wanted.effort, show=show) if wanted.effort or show is not None else None


def _extras(fields: dict[str, Raw], request: wire.Request) -> dict[str, Raw]:
    left_out = _KNOWN | _STATE | _FOR_THE_GATEWAY
    extras = {n: raw for n, raw in fields.items() if n not in left_out and has(fields, n)}
    for name, default in _DEFAULTS.items():
        if name in extras and bytes(extras[name]) == default:
            del extras[name]
    if rest := [name for name in request.include or () if name not in _HONOURED]:
        extras["include"] = Raw(msgspec.json.encode(rest))
    if request.text is not None and bytes(request.text.verbosity) != b"null":
        extras["verbosity"] = request.text.verbosity
    if request.reasoning is not None:
        extras |= _reasoning_extras(request.reasoning)
    return extras


def _reasoning_extras(wanted: wire.ReasoningConfig) -> dict[str, Raw]:
    """Wishes that are more than the default."""
    said = {"mode": (wanted.mode, "standard"), "context": (wanted.context, "auto")}
    return {
        f"reasoning.{name}": Raw(msgspec.json.encode(value))
        for name, (value, default) in said.items()
        if value not in (None, default)
    }
