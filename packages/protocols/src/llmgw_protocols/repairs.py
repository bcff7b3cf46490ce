"""Refusals that can be cured: a request that a provider refused for a parameter, and how it may take it after all.

Providers differ from model to model in what they take, and new models come without notice. Where a refusal names what
was wrong, and the rest of the request means the same without it, the request is repaired and sent once more. What was
left out is named as lost. The table below is all that is known of such refusals; a refusal that is not in it is the
client's to read.

A repair works on the canonical request where it changes what is asked for, and on the body where it only changes how it
is written. The latter kind may also be applied to a client's own bytes, since it can't change their meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

import msgspec

from llmgw_domain.chat import ChatRequest, RedactedThinking, Thinking, ToolCall, ToolChoice, Turn
from llmgw_domain.errors import BadRequest, GatewayError, Unprocessable, UpstreamNotFound
from llmgw_protocols import toplevel
from llmgw_protocols.dialect import Rendered
from llmgw_protocols.gemini.render_turns import UNSIGNED
from llmgw_protocols.losses import Losses


class Act(Enum):
    """What a repair does."""

    RENAME_LIMIT = "rename the output limit"
    NO_STREAM_OPTIONS = "ask for no usage in the stream"
    RESPONSES = "ask in Responses"
    NO_THINKING = "leave out the reasoning of earlier turns"
    UNSIGN = "put placeholders for signatures"
    FREE_CHOICE = "leave the choice of tools to the model"
    DROP = "leave out a field"


class Repair(msgspec.Struct, frozen=True):
    """One repair. `field` is the canonical one that is dropped, or the new name of the limit.

    A lasting one is about the model whatever is asked of it: the next request may have it from the start.
    """

    act: Act
    field: str = ""
    lasting: bool = True

    @property
    def keeps_meaning(self) -> bool:
        """Whether it may be applied to a client's own bytes."""
        return self.act in (Act.RENAME_LIMIT, Act.NO_STREAM_OPTIONS)


class _Rule(msgspec.Struct, frozen=True):
    dialects: tuple[str, ...]
    words: re.Pattern[str]
    repair: Repair


_NO = r"unsupported|n['o]t support|not supported|unrecognized|unknown|not permitted|not allowed|unexpected|deprecated"
_REFUSED = re.compile(_NO, re.IGNORECASE)


def _rule(dialects: str, words: str, act: Act, field: str = "", *, lasting: bool = True) -> _Rule:
    return _Rule(tuple(dialects.split()), re.compile(words, re.IGNORECASE | re.DOTALL), Repair(act, field, lasting))


def _refusing(name: str) -> str:
    """A pattern for words that refuse a name, in either order."""
    return rf"({_NO}).*\b{name}\b|\b{name}\b.*({_NO})"


_RULES = (
    # OpenAI's newer models, then servers that know its older name only.
    _rule("chat", r"\bmax_tokens\b.*\bmax_completion_tokens\b", Act.RENAME_LIMIT, "max_completion_tokens"),
    _rule("chat", _refusing("max_completion_tokens"), Act.RENAME_LIMIT, "max_tokens"),
    _rule("chat", _refusing("stream_options"), Act.NO_STREAM_OPTIONS),
    # "Function tools with reasoning_effort are not supported for MODEL in /v1/chat/completions. Please use ..."
    _rule("chat", r"function tools with reasoning_effort|\bv1/responses\b", Act.RESPONSES),
    # "Invalid `signature` in `thinking` block", "Expected `thinking` or ...", "... blocks ... cannot be modified".
    _rule(
        "messages converse",
        r"signature.*thinking|expected `?thinking|thinking`? blocks?.*(cannot|must|may not)|redacted_thinking",
        Act.NO_THINKING,
        lasting=False,
    ),
    # "The encrypted content ... could not be verified. Reason: ... organization_id did not match ..."
    _rule("responses", r"encrypted.content", Act.NO_THINKING, lasting=False),
    # "Function call is missing a thought_signature", "Corrupted thought signature", "Thought signature is not valid".
    _rule("gemini", r"thought[ _]?signature", Act.UNSIGN, lasting=False),
    _rule("messages converse", r"thinking.*when.*tool_?choice", Act.FREE_CHOICE, lasting=False),
    _rule("chat responses messages gemini converse", _refusing("tool_?choice"), Act.FREE_CHOICE),
    # Two that are refused only together with another.
    _rule("messages converse", r"temperature.*and.*top_p.*(both|one of)", Act.DROP, "top_p", lasting=False),
    _rule("messages converse", r"temperature.*when thinking", Act.DROP, "temperature", lasting=False),
    _rule("messages converse", r"top_p.*when thinking", Act.DROP, "top_p", lasting=False),
    _rule("messages converse", r"top_k.*when thinking", Act.DROP, "top_k", lasting=False),
)

_WIRE_NAMES: dict[str, tuple[str, ...]] = {
    "temperature": ("temperature",),
    "top_p": ("top_p", "topP"),
    "top_k": ("top_k", "topK"),
    "stop": ("stop", "stop_sequences", "stopSequences"),
    "seed": ("seed",),
    "frequency_penalty": ("frequency_penalty", "frequencyPenalty"),
    "presence_penalty": ("presence_penalty", "presencePenalty"),
    "logprobs": ("logprobs", "top_logprobs", "responseLogprobs"),
    "parallel_tool_calls": ("parallel_tool_calls", "disable_parallel_tool_use"),
    "reasoning": ("reasoning_effort", "reasoning", "thinking", "effort", "thinkingConfig", "thinking_config"),
    "service_tier": ("service_tier", "serviceTier"),
}
"""Fields that a request may lose and still be the same question, by their names in any dialect."""

_MENTIONS = {
    field: re.compile(r"(?:^|['\"`:.\s])(?:" + "|".join(names) + r")(?:['\"`:,.\s]|$)")
    for field, names in _WIRE_NAMES.items()
}
_LOST_AS = {"reasoning": "reasoning_effort"}


def repair_for(dialect: str, error: GatewayError) -> Repair | None:
    """The repair that a refusal asks for, of a request in a dialect; None for any other refusal."""
    words = error.upstream_message or ""
    if not words or not isinstance(error, BadRequest | UpstreamNotFound):
        return None
    found = next((r.repair for r in _RULES if dialect in r.dialects and r.words.search(words)), None)
    if isinstance(error, UpstreamNotFound):
        return found if found is not None and found.act is Act.RESPONSES else None
    if type(error) not in (BadRequest, Unprocessable):
        return None
    return found or _drop(words, error.param)


def in_responses(repairs: Iterable[Repair]) -> bool:
    """Whether the request is to be asked in Responses instead of Chat Completions."""
    return any(repair.act is Act.RESPONSES for repair in repairs)


def _drop(words: str, param: str | None) -> Repair | None:
    if not _REFUSED.search(words):
        return None
    for field, names in _WIRE_NAMES.items():
        if param in names or (param is None and _MENTIONS[field].search(words)):
            return Repair(Act.DROP, field)
    return None


# --- on the canonical request -----------------------------------------------------------------------------------------


def on_request(repairs: Iterable[Repair], request: ChatRequest) -> tuple[ChatRequest, tuple[str, ...]]:
    """The repaired request, and what it lost by the client's names."""
    losses = Losses(request.dialect or request.family)
    for repair in repairs:
        repaired = _repaired(repair, request)
        if repaired != request and repair.act is not Act.UNSIGN:
            losses.add(_lost(repair))
        request = repaired
    return request, losses.names()


def _lost(repair: Repair) -> str:
    if repair.act is Act.DROP:
        return _LOST_AS.get(repair.field, repair.field)
    return "tool_choice" if repair.act is Act.FREE_CHOICE else "messages.thinking"


def _repaired(repair: Repair, request: ChatRequest) -> ChatRequest:
    match repair.act:
        case Act.DROP:
            return msgspec.structs.replace(request, **_without(repair.field))
        case Act.FREE_CHOICE if request.tool_choice is not None and _forces(request.tool_choice):
            return msgspec.structs.replace(request, tool_choice=ToolChoice("auto"))
        case Act.NO_THINKING:
            return msgspec.structs.replace(request, turns=tuple(_unthinking(turn) for turn in request.turns))
        case Act.UNSIGN:
            return msgspec.structs.replace(request, turns=tuple(_unsigned(turn) for turn in request.turns))
    return request


def _without(field: str) -> dict[str, Any]:
    if field == "logprobs":
        return {"logprobs": None, "top_logprobs": None}
    return {field: () if field == "stop" else None}


def _forces(choice: ToolChoice) -> bool:
    return choice.mode in ("required", "named") or (choice.mode == "allowed" and choice.required)


def _unthinking(turn: Turn) -> Turn:
    kept = tuple(block for block in turn.content if not isinstance(block, Thinking | RedactedThinking))
    return turn if len(kept) == len(turn.content) else msgspec.structs.replace(turn, content=kept)


def _unsigned(turn: Turn) -> Turn:
    """A turn without its maker's signatures; the first call gets what Google documents for calls without one."""
    if turn.role != "assistant":
        return turn
    content = list(_unthinking(turn).content)
    first = True
    for number, block in enumerate(content):
        if isinstance(block, ToolCall):
            content[number] = msgspec.structs.replace(block, signature=UNSIGNED if first else None)
            first = False
    return msgspec.structs.replace(turn, content=tuple(content))


# --- on the body ------------------------------------------------------------------------------------------------------


def on_body(repairs: Iterable[Repair], rendered: Rendered, own: Mapping[str, msgspec.Raw] | None = None) -> Rendered:
    """The request with its body repaired; every value in it stays the bytes that it was.

    `own` are the client's fields, where the body is the client's: what it sent itself is left to it.
    """
    wanted = [repair for repair in repairs if repair.keeps_meaning]
    if not wanted:
        return rendered
    fields = {name: bytes(raw) for name, raw in toplevel.split(rendered.body).items()}
    before = dict(fields)
    for repair in wanted:
        if repair.act is Act.RENAME_LIMIT:
            fields = _renamed(fields, repair.field)
        elif own is not None and "stream_options" in own:
            fields["stream_options"] = bytes(own["stream_options"])
        else:
            fields.pop("stream_options", None)
    return rendered if fields == before else msgspec.structs.replace(rendered, body=toplevel.join(fields))


def _renamed(fields: dict[str, bytes], name: str) -> dict[str, bytes]:
    other = "max_tokens" if name == "max_completion_tokens" else "max_completion_tokens"
    if other not in fields or name in fields:
        return fields
    return {name if field == other else field: value for field, value in fields.items()}
