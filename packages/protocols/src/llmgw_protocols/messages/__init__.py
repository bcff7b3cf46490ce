"""Anthropic Messages: the dialect of `POST /v1/messages`, on both of its sides.

Client side: `envelope` checks and passes through, `parse` reads, `encode` writes answers. Provider side: `render`
writes requests by the model's capabilities (`models`), `decode` reads answers, `errors` reads refusals.
"""

from __future__ import annotations

from collections.abc import Mapping

from llmgw_domain.chat import ChatRequest
from llmgw_domain.errors import GatewayError, InvalidJson
from llmgw_protocols.dialect import (
    Decoder,
    EncodeContext,
    Encoder,
    Envelope,
    Rendered,
    StreamForm,
    TargetFacts,
    WireRequest,
)
from llmgw_protocols.messages import envelope as _envelope
from llmgw_protocols.messages import errors as _errors
from llmgw_protocols.messages import parse as _parse
from llmgw_protocols.messages import render as _render
from llmgw_protocols.messages.decode import MessagesDecoder
from llmgw_protocols.messages.encode import MessagesEncoder

__all__ = ["MESSAGES"]

# The JSON reader's depth counts from the caller's own, so what was read once may be too deep a few calls further in.
_TOO_DEEP = "The body is nested too deeply."


class _Messages:
    """Anthropic Messages; see `Dialect`."""

    name = "messages"
    family = "anthropic"

    def envelope(self, wire: WireRequest) -> Envelope:
        return _envelope.envelope(wire)

    def parse(self, envelope: Envelope) -> ChatRequest:
        try:
            return _parse.parse(envelope)
        except RecursionError:
            raise InvalidJson(_TOO_DEEP) from None

    def passthrough(self, envelope: Envelope, facts: TargetFacts) -> Rendered:
        return _envelope.passthrough(envelope, facts)

    def render(self, request: ChatRequest, facts: TargetFacts) -> Rendered:
        try:
            return _render.render(request, facts)
        except RecursionError:
            raise InvalidJson(_TOO_DEEP) from None

    def decoder(self, *, form: StreamForm = "sse", hide_usage: bool = False, model: str = "") -> Decoder:
        return MessagesDecoder()

    def encoder(self, context: EncodeContext) -> Encoder:
        return MessagesEncoder(context)

    def content_type(self, *, stream: bool, form: StreamForm = "sse") -> str:
        return "text/event-stream; charset=utf-8" if stream else "application/json"

    def heartbeat(self, form: StreamForm = "sse") -> bytes:
        return b'event: ping\ndata: {"type": "ping"}\n\n'

    def fault(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        return _errors.fault(status, headers, body)

    def owns_error(self, body: bytes) -> bool:
        return _errors.owns(body)

    def error_body(self, error: GatewayError, request_id: str) -> bytes:
        return _errors.error_body(error, request_id)

    def status_of(self, error: GatewayError) -> int:
        return _errors.status_of(error)

    def __repr__(self) -> str:
        return "<Dialect messages>"


MESSAGES = _Messages()
