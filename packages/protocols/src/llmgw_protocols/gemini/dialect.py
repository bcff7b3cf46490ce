"""Gemini's generateContent on both sides of the gateway; see `llmgw_protocols.dialect.Dialect`."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from llmgw_domain.chat import ChatRequest
from llmgw_domain.errors import GatewayError
from llmgw_protocols.dialect import EncodeContext, Envelope, Rendered, StreamForm, TargetFacts, WireRequest
from llmgw_protocols.gemini.decode import GeminiDecoder
from llmgw_protocols.gemini.encode import GeminiEncoder
from llmgw_protocols.gemini.envelope import envelope_of, passthrough_of
from llmgw_protocols.gemini.errors import error_envelope, fault_of, owns_error
from llmgw_protocols.gemini.parse import parse_request
from llmgw_protocols.gemini.render import render_request


class Gemini:
    """The dialect. It holds nothing: one object serves every call."""

    name = "gemini"
    family = "google"

    def envelope(self, wire: WireRequest) -> Envelope:
        return envelope_of(wire)

    def parse(self, envelope: Envelope) -> ChatRequest:
        return parse_request(envelope)

    def passthrough(self, envelope: Envelope, facts: TargetFacts) -> Rendered:
        return passthrough_of(envelope, facts)

    def render(self, request: ChatRequest, facts: TargetFacts) -> Rendered:
        return render_request(request, facts)

    def decoder(self, *, form: StreamForm = "sse", hide_usage: bool = False, model: str = "") -> GeminiDecoder:
        # Usage rides on frames with content, and Gemini's clients always want it: there is nothing to hide.
        return GeminiDecoder(form)

    def encoder(self, context: EncodeContext) -> GeminiEncoder:
        return GeminiEncoder(context)

    def content_type(self, *, stream: bool, form: StreamForm = "sse") -> str:
        if not stream:
            return "application/json; charset=UTF-8"
        return "text/event-stream" if form == "sse" else "application/json"

    def heartbeat(self, form: StreamForm = "sse") -> bytes:
        # Comments break Google's own clients for Python, and its command line.
        return b"\n\n" if form == "sse" else b"\n"

    def fault(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        return fault_of(status, headers, body)

    def owns_error(self, body: bytes) -> bool:
        return owns_error(body)

    def error_body(self, error: GatewayError, request_id: str) -> bytes:
        return msgspec.json.encode(error_envelope(error))

    def status_of(self, error: GatewayError) -> int:
        return error.status

    def __repr__(self) -> str:
        return "<Dialect gemini>"
