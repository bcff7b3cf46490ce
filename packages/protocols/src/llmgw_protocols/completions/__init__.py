"""OpenAI's legacy Completions: `POST /v1/completions`, a prompt in and its continuation out.

Servers that still have it get the request as it came. For every other provider the prompt becomes one message of a
chat, and the answer's text its continuation; what a chat can't do (echo, suffix, log probabilities, token ids) is
refused by name. The format is Chat Completions' in all but a few names, so most of it is read by that dialect's code.
"""

from __future__ import annotations

from collections.abc import Mapping

from llmgw_domain.chat import ChatRequest
from llmgw_domain.errors import GatewayError, UnsupportedField
from llmgw_protocols.chat import errors as _errors
from llmgw_protocols.chat.decode import ChatDecoder
from llmgw_protocols.completions import request as _request
from llmgw_protocols.completions.encode import CompletionsEncoder
from llmgw_protocols.dialect import EncodeContext, Envelope, Rendered, StreamForm, TargetFacts, WireRequest

__all__ = ["COMPLETIONS"]


class _Completions:
    """Legacy Completions; see `llmgw_protocols.dialect.Dialect`. Only its own clients are asked for in it."""

    name = "completions"
    family = "openai"

    def envelope(self, wire: WireRequest) -> Envelope:
        return _request.envelope(wire)

    def parse(self, envelope: Envelope) -> ChatRequest:
        return _request.parse(envelope)

    def passthrough(self, envelope: Envelope, facts: TargetFacts) -> Rendered:
        return _request.passthrough(envelope, facts)

    def render(self, request: ChatRequest, facts: TargetFacts) -> Rendered:
        raise UnsupportedField.named("messages", "Completions take a prompt, not a conversation.")

    def decoder(self, *, form: StreamForm = "sse", hide_usage: bool = False, model: str = "") -> ChatDecoder:
        return ChatDecoder(hide_usage=hide_usage)

    def encoder(self, context: EncodeContext) -> CompletionsEncoder:
        return CompletionsEncoder(context)

    def content_type(self, *, stream: bool, form: StreamForm = "sse") -> str:
        return "text/event-stream; charset=utf-8" if stream else "application/json"

    def fault(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        return _errors.fault(status, headers, body)

    def owns_error(self, body: bytes) -> bool:
        return _errors.owns(body)

    def error_body(self, error: GatewayError, request_id: str) -> bytes:
        return _errors.error_body(error)

    def status_of(self, error: GatewayError) -> int:
        return error.status

    def __repr__(self) -> str:
        return "<dialect completions>"


COMPLETIONS = _Completions()
