"""Counting the tokens of a request: three client dialects ask for it, and each provider that can is asked.

The request is written for the target as a chat would be, and cut down to what its counting endpoint takes. Where a
provider can't count, the answer is an estimate, which the response says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Raw

from llmgw_domain import Provider
from llmgw_domain.chat import ChatRequest
from llmgw_domain.errors import InvalidField, UpstreamMalformed
from llmgw_protocols import toplevel
from llmgw_protocols.dialect import Dialect, Envelope, ProviderDialect, Rendered, TargetFacts, WireRequest
from llmgw_protocols.enquiry import Estimate, Question, Told
from llmgw_protocols.estimate import request_tokens
from llmgw_protocols.gemini import GEMINI
from llmgw_protocols.gemini.fields import Fields
from llmgw_protocols.messages import MESSAGES
from llmgw_protocols.platforms import place
from llmgw_protocols.registry import dialect_for
from llmgw_protocols.responses import RESPONSES

_MESSAGES_FIELDS = frozenset(
    {
        "model",
        "messages",
        "system",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "cache_control",
        "context_management",
        "mcp_servers",
        "anthropic_version",
        "anthropic_beta",
    }
)
_RESPONSES_FIELDS = frozenset(
    {
        "model",
        "input",
        "instructions",
        "tools",
        "tool_choice",
        "text",
        "reasoning",
        "parallel_tool_calls",
        "truncation",
        "previous_response_id",
        "conversation",
    }
)
_CONVERSE_FIELDS = frozenset(("messages", "system", "toolConfig", "additionalModelRequestFields"))
_GEMINI_FIELDS = frozenset(("contents", "systemInstruction", "tools", "toolConfig", "generationConfig"))


class _Counted(msgspec.Struct):
    """The number in every provider's words for it."""

    input_tokens: int | None = None
    totalTokens: int | None = None
    inputTokens: int | None = None


class Counting:
    """One client dialect's way of asking. `told` writes the number as its clients read it."""

    name = "count_tokens"

    def __init__(
        self, client: Dialect, envelope: Callable[[WireRequest], Envelope], told: Callable[[int], Any]
    ) -> None:
        self._client = client
        self._envelope = envelope
        self._told = told

    def envelope(self, wire: WireRequest) -> Envelope:
        return self._envelope(wire)

    def ask(self, envelope: Envelope, facts: TargetFacts) -> Question | Estimate:
        estimate = self._estimate(envelope)
        # OpenAI counts for Responses alone; of compatible servers some do, so only that dialect's clients ask them.
        compatible = facts.provider is Provider.OPENAI_COMPATIBLE
        dialect = dialect_for(facts, "auto" if compatible else "responses", self._client.name)
        rendered = self._rendered(envelope, facts, dialect)
        if rendered is None:
            return estimate

        def read(bodies: Sequence[bytes]) -> Told:
            return Told(body=msgspec.json.encode(self._told(count_of(bodies[0]))))

        return Question(dialect=dialect, requests=(rendered,), read=read, otherwise=estimate)

    def _rendered(self, envelope: Envelope, facts: TargetFacts, dialect: ProviderDialect) -> Rendered | None:
        """The request for the target's own counting; None where it has none."""
        write = _WRITERS.get(dialect.name)
        if write is None:
            return None
        if dialect.name == self._client.name:
            return write(self._client.passthrough(envelope, facts), facts)
        return write(dialect.render(self._client.parse(envelope), facts), facts)

    def _estimate(self, envelope: Envelope) -> Estimate:
        def work() -> Told:
            request: ChatRequest = self._client.parse(envelope)
            return Told(body=msgspec.json.encode(self._told(request_tokens(request))), estimated=True)

        return Estimate(work)

    def __repr__(self) -> str:
        return f"<Counting {self._client.name}>"


def count_of(body: bytes) -> int:
    """The number in an answer. Raises `UpstreamMalformed` where there is none."""
    try:
        counted = msgspec.json.decode(body, type=_Counted)
    except (msgspec.DecodeError, RecursionError):
        counted = _Counted()
    for found in (counted.input_tokens, counted.totalTokens, counted.inputTokens):
        if found is not None:
            return found
    raise UpstreamMalformed(detail="no count in the answer to a counting request")


# --- as providers take it ---------------------------------------------------------------------------------------------


def _messages(rendered: Rendered, facts: TargetFacts) -> Rendered:
    body = _cut(rendered.body, _MESSAGES_FIELDS)
    counting = msgspec.structs.replace(rendered, path="/v1/messages/count_tokens", body=body)
    return place(counting, "messages", facts, stream=False)


def _gemini(rendered: Rendered, facts: TargetFacts) -> Rendered:
    """AI Studio takes the whole request one level lower, Vertex its parts as they are."""
    body = _cut(rendered.body, _GEMINI_FIELDS)
    if facts.provider is Provider.GOOGLE:
        model = f"models/{facts.model.removeprefix('models/')}"
        inner = {"model": msgspec.json.encode(model)} | {k: bytes(v) for k, v in toplevel.split(body).items()}
        body = toplevel.join({"generateContentRequest": toplevel.join(inner)})
    path = rendered.path.rpartition(":")[0] + ":countTokens"
    return place(msgspec.structs.replace(rendered, path=path, query="", body=body), "gemini", facts, stream=False)


def _responses(rendered: Rendered, facts: TargetFacts) -> Rendered:
    body = _cut(rendered.body, _RESPONSES_FIELDS)
    counting = msgspec.structs.replace(rendered, path="/responses/input_tokens", body=body)
    return place(counting, "responses", facts, stream=False)


def _converse(rendered: Rendered, facts: TargetFacts) -> Rendered:
    inner = toplevel.join({"converse": _cut(rendered.body, _CONVERSE_FIELDS)})
    path = f"/model/{quote(facts.model, safe='')}/count-tokens"
    return msgspec.structs.replace(rendered, path=path, body=toplevel.join({"input": inner}))


_WRITERS = {"messages": _messages, "gemini": _gemini, "responses": _responses, "converse": _converse}


def _cut(body: bytes, names: frozenset[str]) -> bytes:
    return toplevel.join({name: bytes(raw) for name, raw in toplevel.split(body).items() if name in names})


# --- as clients ask ---------------------------------------------------------------------------------------------------


def _messages_envelope(wire: WireRequest) -> Envelope:
    """A Messages request that need not say how long its answer may be."""
    fields = toplevel.split(wire.body)
    if "max_tokens" not in fields:
        body = toplevel.join({**{name: bytes(raw) for name, raw in fields.items()}, "max_tokens": b"32000"})
        wire = msgspec.structs.replace(wire, body=body)
    return MESSAGES.envelope(wire)


def _gemini_envelope(wire: WireRequest) -> Envelope:
    """`contents` alone, with what belongs to them beside them (Vertex), or all of it one level lower (AI Studio)."""
    top = Fields(toplevel.split(wire.body))
    inner = top.object("generateContentRequest")
    if inner is not None:
        if "contents" in top:
            raise InvalidField("Send either contents or generateContentRequest, not both.", param="contents")
        whole = top.raw("generateContentRequest")
        wire = msgspec.structs.replace(wire, body=_without_model(bytes(whole or Raw(b"{}"))))
    return GEMINI.envelope(wire)


def _without_model(body: bytes) -> bytes:
    return toplevel.join({name: bytes(raw) for name, raw in toplevel.split(body).items() if name != "model"})


MESSAGES_COUNT = Counting(MESSAGES, _messages_envelope, lambda count: {"input_tokens": count})
RESPONSES_COUNT = Counting(
    RESPONSES, RESPONSES.envelope, lambda count: {"object": "response.input_tokens", "input_tokens": count}
)
GEMINI_COUNT = Counting(GEMINI, _gemini_envelope, lambda count: {"totalTokens": count})
