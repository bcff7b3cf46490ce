"""The OpenAI Responses dialect, for OpenAI and for servers that are compatible with it.

As a client's dialect: `envelope` checks and passes through, `parse` reads items into turns, `encode` writes answers as
typed events or a body, `state` continues conversations that the gateway keeps for its clients. As a provider's:
`render` writes requests, `decode` reads answers, `faults` reads refusals.
"""

from __future__ import annotations

from collections.abc import Mapping

from llmgw_domain.chat import ChatRequest
from llmgw_domain.errors import GatewayError
from llmgw_protocols.dialect import EncodeContext, Envelope, Rendered, StreamForm, TargetFacts, WireRequest
from llmgw_protocols.responses import envelope as _envelope
from llmgw_protocols.responses import errors as _errors
from llmgw_protocols.responses import faults as _faults
from llmgw_protocols.responses import parse as _parse
from llmgw_protocols.responses import render as _render
from llmgw_protocols.responses.decode import ResponsesDecoder
from llmgw_protocols.responses.encode import ResponsesEncoder

__all__ = ["RESPONSES", "ResponsesDialect"]


class ResponsesDialect:
    """Responses on both of its sides; see `llmgw_protocols.dialect.Dialect`."""

    name = "responses"
    family = "openai"

    def envelope(self, wire: WireRequest) -> Envelope:
        return _envelope.envelope(wire)

    def parse(self, envelope: Envelope) -> ChatRequest:
        return _parse.parse(envelope)

    def passthrough(self, envelope: Envelope, facts: TargetFacts) -> Rendered:
        return _envelope.passthrough(envelope, facts)

    def render(self, request: ChatRequest, facts: TargetFacts) -> Rendered:
        return _render.render(request, facts)

    def decoder(self, *, form: StreamForm = "sse", hide_usage: bool = False, model: str = "") -> ResponsesDecoder:
        return ResponsesDecoder()

    def encoder(self, context: EncodeContext) -> ResponsesEncoder:
        return ResponsesEncoder(context)

    def content_type(self, *, stream: bool, form: StreamForm = "sse") -> str:
        return "text/event-stream; charset=utf-8" if stream else "application/json"

    def heartbeat(self, form: StreamForm = "sse") -> bytes:
        return b": keepalive\n\n"

    def fault(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        return _faults.fault(status, headers, body)

    def owns_error(self, body: bytes) -> bool:
        return _faults.owns_error(body)

    def error_body(self, error: GatewayError, request_id: str) -> bytes:
        return _errors.error_body(error, request_id)

    def status_of(self, error: GatewayError) -> int:
        return _errors.status_of(error)

    def __repr__(self) -> str:
        return "<dialect responses>"


RESPONSES = ResponsesDialect()
