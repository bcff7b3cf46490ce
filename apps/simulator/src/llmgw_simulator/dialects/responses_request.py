"""OpenAI Responses, the request: checked as the provider checks it, and turned into an `Ask`.

What the answer repeats of the request, or the provider keeps, is in the `Draft` that goes with the `Ask`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from llmgw_simulator.ask import Ask, Turn
from llmgw_simulator.dialects._families import active, check_effort, check_sampling, default_effort, never_reasons
from llmgw_simulator.dialects._responses_fields import (
    COUNT_REQUEST,
    FORMATS,
    INCLUDES,
    REASONING,
    REQUEST,
    STREAM_OPTIONS,
    TEXT_OPTIONS,
)
from llmgw_simulator.dialects._rules import check, check_value, missing, one_of
from llmgw_simulator.dialects.chat_messages import called, invalid
from llmgw_simulator.dialects.chat_request import check_strict
from llmgw_simulator.dialects.responses_items import Owner, as_items, check_items, check_together, turns_of
from llmgw_simulator.dialects.responses_tools import Callable, callables, choice_of, tools_of
from llmgw_simulator.kept import Kept

_MODEL_OF_PROMPTS = "gpt-4.1"
"""A stored prompt names its model; the simulator has no prompts, so they all name this one."""


class Draft(msgspec.Struct, frozen=True):
    """What an answer needs beside the engine's: the request, whose it is, and what came before it.

    `items` are the request's own input items, `history` those of `previous_response_id`; `effort` is what the model
    uses, after its defaults.
    """

    body: dict[str, Any]
    owner: Owner
    items: list[dict[str, Any]]
    history: list[dict[str, Any]]
    offered: dict[str, Callable]
    effort: str | None
    refuses: bool = False

    @property
    def background(self) -> bool:
        """Whether the answer is to be fetched."""
        return self.body.get("background") is True

    @property
    def stored(self) -> bool:
        """Whether the answer is kept; one in the background is, for a while, in any case."""
        return self.body.get("store") is not False or self.background

    def includes(self, what: str) -> bool:
        """Whether `include` asks for it."""
        return what in (self.body.get("include") or [])


def parse_responses(body: dict[str, Any], credential: str, kept: Kept) -> tuple[Ask, Draft]:
    """The request. Raises `Refusal`."""
    check(body, REQUEST)
    if body.get("model") is None and body.get("prompt") is None:
        missing("model")
    model: str = body.get("model") or _MODEL_OF_PROMPTS
    if model == "missing-model":
        message = f"The requested model '{model}' does not exist."
        invalid(message, "model", "model_not_found")
    _check_options(body)
    effort = _effort(body, model)
    check_sampling(body, model, effort, responses=True)
    draft = _draft(body, Owner(credential, model), kept, effort)
    ask = Ask(
        model=model,
        turns=_turns(body, draft),
        tools=tools_of(draft.offered),
        choice=choice_of(body, draft.offered),
        thinking=active(model, effort),
        limit=body.get("max_output_tokens"),
        **_format(body, draft.history + draft.items),
    )
    return ask, msgspec.structs.replace(draft, refuses=ask.refuses)


def parse_count(body: dict[str, Any], credential: str, kept: Kept) -> Ask:
    """The request of `/responses/input_tokens`. Raises `Refusal`."""
    check(body, COUNT_REQUEST)
    model = body.get("model") or ""
    draft = _draft(body, Owner(credential, model), kept, None, needs_input=False)
    return Ask(model=model, turns=_turns(body, draft), tools=tools_of(draft.offered))


def _draft(body: dict[str, Any], owner: Owner, kept: Kept, effort: str | None, *, needs_input: bool = True) -> Draft:
    history = _history(body, owner, kept)
    if body.get("input") is None and needs_input and not (history or body.get("prompt")):
        message = "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation_id' must be provided."
        invalid(message, "input", "missing_required_parameter")
    items = as_items(body.get("input") if body.get("input") is not None else [])
    check_items(items, owner)
    items = [_resolved(item, owner, kept) for item in items]
    if needs_input:
        check_together(history + items, stored=body.get("store") is not False)
    more = [tool for item in items if item["type"] in _MORE_TOOLS for tool in item.get("tools") or []]
    offered = callables((body.get("tools") or []) + more)
    return Draft(body, owner, items, history, offered, effort)


_MORE_TOOLS = ("additional_tools", "tool_search_output")


def _history(body: dict[str, Any], owner: Owner, kept: Kept) -> list[dict[str, Any]]:
    previous = body.get("previous_response_id")
    if body.get("conversation") is not None:
        if previous is not None:
            pair = "'previous_response_id' and 'conversation'"
            message = f"Mutually exclusive parameters: {pair}. Ensure you are only providing one."
            invalid(message, "previous_response_id", "mutually_exclusive_parameters")
        given = body["conversation"]
        kept.refuse_conversation(given.get("id") if isinstance(given, dict) else given)
    return [] if previous is None else kept.history(owner.credential, previous)


def _resolved(item: dict[str, Any], owner: Owner, kept: Kept) -> dict[str, Any]:
    """References and reasoning without content are looked up; what is not kept is refused."""
    lacks = item["type"] == "reasoning" and item.get("id") and not item.get("encrypted_content")
    if item["type"] != "item_reference" and not lacks:
        return item
    return kept.item(owner.credential, item["id"])


def _turns(body: Mapping[str, Any], draft: Draft) -> tuple[Turn, ...]:
    instructions = body.get("instructions")
    first = (Turn("system", instructions),) if instructions else ()
    return first + turns_of(draft.history + draft.items)


def _check_options(body: dict[str, Any]) -> None:
    for index, name in enumerate(body.get("include") or []):
        check_value(name, one_of(*INCLUDES), f"include[{index}]")
    options = body.get("stream_options")
    if options is not None:
        if not body.get("stream"):
            message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
            invalid(message, "stream_options")
        check(options, STREAM_OPTIONS, "stream_options.")
    if body.get("reasoning") is not None:
        check(body["reasoning"], REASONING, "reasoning.")
    if body.get("text") is not None:
        check(body["text"], TEXT_OPTIONS, "text.")
    for name, value in (body.get("metadata") or {}).items():
        if not isinstance(value, str):
            message = f"Invalid type for 'metadata.{name}': expected a string, but got {called(value)} instead."
            invalid(message, f"metadata.{name}", "invalid_type")


def _effort(body: dict[str, Any], model: str) -> str | None:
    asked: str | None = (body.get("reasoning") or {}).get("effort")
    if asked is not None and never_reasons(model):
        message = "Unsupported parameter: 'reasoning.effort' is not supported with this model."
        invalid(message, "reasoning.effort", "unsupported_parameter")
    check_effort(asked, model, "reasoning.effort")
    return asked or default_effort(model)


def _format(body: dict[str, Any], items: list[dict[str, Any]]) -> dict[str, Any]:
    """The `schema` or `json_mode` of the `Ask`."""
    wanted = (body.get("text") or {}).get("format")
    if wanted is None:
        return {}
    kind = wanted.get("type")
    if kind is None:
        missing("text.format.type")
    check_value(kind, one_of(*FORMATS), "text.format.type")
    check(wanted, FORMATS[kind], "text.format.")
    if kind == "json_object":
        if not any("json" in turn.text.lower() for turn in turns_of(items)):
            message = (
                "Response input messages must contain the word 'json' in some form to use 'text.format' of type "
                "'json_object'."
            )
            invalid(message, "input")
        return {"json_mode": True}
    if kind == "json_schema":
        if wanted.get("strict"):
            check_strict(wanted["schema"], f"response_format '{wanted['name']}'", "response_format", ())
        return {"schema": wanted["schema"]}
    return {}
