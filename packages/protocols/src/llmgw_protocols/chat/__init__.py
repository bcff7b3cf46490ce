"""The OpenAI Chat Completions dialect, for OpenAI and for the many servers that call themselves compatible with it.

As a client's dialect it takes the extensions that clients of other gateways send (thinking blocks, cache marks,
images in results). As a provider's it sends what OpenAI documents and reads what compatible servers really answer.
"""

from __future__ import annotations

from collections.abc import Mapping

from llmgw_domain.chat import ChatRequest
from llmgw_domain.errors import GatewayError
from llmgw_protocols.chat import envelope as _envelope
from llmgw_protocols.chat import errors as _errors
from llmgw_protocols.chat import parse as _parse
from llmgw_protocols.chat import render as _render
from llmgw_protocols.chat.decode import ChatDecoder
from llmgw_protocols.chat.encode import ChatEncoder
from llmgw_protocols.dialect import EncodeContext, Encoder, Envelope, Rendered, StreamForm, TargetFacts, WireRequest

__all__ = ["CHAT", "ChatDialect"]


class ChatDialect:
    """Chat Completions on both of its sides; see `llmgw_protocols.dialect.Dialect`."""

    name = "chat"
    family = "openai"

    def envelope(self, wire: WireRequest) -> Envelope:
        return _envelope.envelope(wire)

    def parse(self, envelope: Envelope) -> ChatRequest:
        return _parse.parse(envelope)

    def passthrough(self, envelope: Envelope, facts: TargetFacts) -> Rendered:
        return _envelope.passthrough(envelope, facts)

    def render(self, request: ChatRequest, facts: TargetFacts) -> Rendered:
        return _render.render(request, facts)

    def decoder(self, *, form: StreamForm = "sse", hide_usage: bool = False, model: str = "") -> ChatDecoder:
        return ChatDecoder(hide_usage=hide_usage)

    def encoder(self, context: EncodeContext) -> Encoder:
        return ChatEncoder(context)

    def content_type(self, *, stream: bool, form: StreamForm = "sse") -> str:
        return "text/event-stream; charset=utf-8" if stream else "application/json"

    def heartbeat(self, form: StreamForm = "sse") -> bytes:
        return b": keepalive\n\n"

    def fault(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        return _errors.fault(status, headers, body)

    def owns_error(self, body: bytes) -> bool:
        return _errors.owns(body)

    def error_body(self, error: GatewayError, request_id: str) -> bytes:
        return _errors.error_body(error)

    def status_of(self, error: GatewayError) -> int:
        return error.status

    def __repr__(self) -> str:
        return "<dialect chat>"


CHAT = ChatDialect()
