"""A canonical request written for the Responses API, of OpenAI or of a compatible server.

Each request is whole: nothing of it is to be found in a provider's store, and nothing is left there unless the client
asked for it. What can't be said and changes the answer is in `Rendered.lossy`, or refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from llmgw_domain import Provider
from llmgw_domain.chat import ChatRequest, Effort, OutputFormat, Reasoning, Text, Turn
from llmgw_domain.errors import InvalidField
from llmgw_protocols import customs, names
from llmgw_protocols.chat import models
from llmgw_protocols.chat import render as chat_render
from llmgw_protocols.dialect import Rendered, TargetFacts
from llmgw_protocols.losses import Losses
from llmgw_protocols.responses import render_extras, render_tools
from llmgw_protocols.responses.render_items import History, Item

PATH = "/responses"
MIN_OUTPUT = 16
"""The least output tokens that OpenAI lets a request ask for."""

_UNSAID = ("frequency_penalty", "presence_penalty", "seed", "top_k")
_INSTRUCTING = ("system", "developer")
_ENCRYPTED = "reasoning.encrypted_content"
_LOGPROBS = "message.output_text.logprobs"


def render(request: ChatRequest, facts: TargetFacts) -> Rendered:
    """The request's body. Raises `UnsupportedField`, and `InvalidField` where nothing is left to send."""
    lost = Losses(request.family)
    _refuse(request, lost)
    request, emulated = customs.for_provider(request, facts.provider, lost)
    request, aliases = names.aliased(request, names.openais(facts.provider))
    body: dict[str, Any] = {"model": facts.model, **_conversation(request, facts, lost)}
    body |= render_extras.carry_over(request, facts.provider, lost)
    render_tools.write(request, facts.provider, body, lost)
    _output(request, facts, body, lost)
    effort = _reasoning(request, facts, body, lost)
    _sampling(request, models.reasons(effort, facts.provider, facts.model), body, lost)
    chat_render.account(request, facts, body)
    # The default there is to store.
    body["store"] = bytes(request.extras.get("store", b"")).strip() == b"true" and request.family == "openai"
    return Rendered(path=PATH, body=msgspec.json.encode(body), lossy=lost.names(), aliases=aliases, customs=emulated)


def _refuse(request: ChatRequest, lost: Losses) -> None:
    if request.n is not None and request.n > 1:
        raise lost.unsupported("n", "The model's provider gives one answer a request.")
    if any(request.stop):
        raise lost.unsupported("stop", "The model's provider has no stop sequences.")


# --- the conversation -------------------------------------------------------------------------------------------------


def _conversation(request: ChatRequest, facts: TargetFacts, lost: Losses) -> dict[str, Any]:
    written: dict[str, Any] = {}
    turns: Sequence[Turn] = request.turns
    instructions = _instructions(request)
    if instructions is not None:
        written["instructions"] = instructions
        turns = turns[1:]
    items: list[Item] = History(facts, request.family, lost).write(turns)
    if not items:
        name = lost.name("messages")
        raise InvalidField(f"Invalid value for {name!r}: it says nothing; send a message with content.", param=name)
    written["input"] = items
    return written


def _instructions(request: ChatRequest) -> str | None:
    """The system text that stands apart: one plain text before everything else.

    A cached one stays an item, which can carry the mark. So does one that asks for JSON, because OpenAI looks for that
    word in the items alone before it grants `json_object`.
    """
    leading = [turn for turn in request.turns[:2] if turn.role in _INSTRUCTING]
    if len(leading) != 1 or request.turns[0] is not leading[0] or len(request.turns) < 2:
        return None
    if request.format is not None and request.format.kind == "json_object":
        return None
    match leading[0].content:
        case (Text(text=text, cache=None),) if text and not leading[0].name:
            return text
    return None


# --- the output -------------------------------------------------------------------------------------------------------


def _output(request: ChatRequest, facts: TargetFacts, body: dict[str, Any], lost: Losses) -> None:
    if request.stream:
        body["stream"] = True
    if request.max_tokens is not None:
        body["max_output_tokens"] = max(request.max_tokens, MIN_OUTPUT)
        if request.max_tokens < MIN_OUTPUT:
            lost.add("max_tokens")
    text: dict[str, Any] = {}
    if request.format is not None:
        text["format"] = _format(request.format)
    verbosity = request.extras.get("verbosity") if request.family == "openai" else None
    if verbosity is not None and facts.provider is not Provider.OPENAI_COMPATIBLE:
        text["verbosity"] = verbosity
    elif verbosity is not None:
        lost.add("verbosity")
    if text:
        body["text"] = text


def _format(wanted: OutputFormat) -> dict[str, Any]:
    written: dict[str, Any] = {"type": wanted.kind}
    if wanted.kind != "json_schema":
        return written
    written |= {"name": wanted.name or "output", "strict": bool(wanted.strict)}
    if wanted.description:
        written["description"] = wanted.description
    if wanted.schema is not None:
        written["schema"] = wanted.schema
    return written


# --- reasoning and sampling -------------------------------------------------------------------------------------------


def _reasoning(request: ChatRequest, facts: TargetFacts, body: dict[str, Any], lost: Losses) -> Effort | None:
    """Writes the wish for reasoning; gives the effort that the model will spend, None where that is its default."""
    effort, differs = models.fitting(models.effort_of(request.reasoning), facts.provider, facts.model)
    if differs:
        lost.add("reasoning_effort")
    written: dict[str, Any] = {} if effort is None else {"effort": effort}
    if effort not in (None, "none") or models.reasons(effort, facts.provider, facts.model):
        # Models that do not reason refuse both the summary and the encrypted content.
        if _shows(request.reasoning, request.family):
            written["summary"] = "auto"
        _include(body, _ENCRYPTED)
    if written:
        body["reasoning"] = written
    return effort


def _shows(wish: Reasoning | None, family: str) -> bool:
    """Whether the client shows reasoning: it said so, or it turned thinking on where that shows it.

    A summary that nobody asked for is not worth it: OpenAI grants them to verified organisations only.
    """
    if wish is None or wish.show is not None:
        return bool(wish and wish.show)
    return wish.mode in ("enabled", "adaptive") and family != "google"


def _sampling(request: ChatRequest, reasons: bool, body: dict[str, Any], lost: Losses) -> None:
    for name in ("temperature", "top_p"):
        value = getattr(request, name)
        if value is not None and reasons:
            lost.add(name)
        elif value is not None:
            body[name] = value
    for name in _UNSAID:
        # A penalty of zero is what there is without it; a seed of zero is a seed.
        value = getattr(request, name)
        if value is not None and (value or name in ("seed", "top_k")):
            lost.add(name)
    if not request.logprobs:
        return
    if reasons:
        lost.add("logprobs")
        return
    _include(body, _LOGPROBS)
    if request.top_logprobs is not None:
        body["top_logprobs"] = request.top_logprobs


def _include(body: dict[str, Any], what: str) -> None:
    body.setdefault("include", []).append(what)
