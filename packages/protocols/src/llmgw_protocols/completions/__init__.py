"""OpenAI's legacy Completions: `POST /v1/completions`, a prompt in and its continuation out.

Servers that still have it get the request as it came. For every other provider the prompt becomes one message of a
chat, and the answer's text its continuation; what a chat can't do (echo, suffix, log probabilities, token ids) is
refused by name. The format is Chat Completions' in all but a few names, so most of it is read by that dialect's code.
"""

from __future__ import annotations

from llmgw_domain.chat import ChatRequest
from llmgw_domain.errors import UnsupportedField
from llmgw_protocols.chat import ChatDialect
from llmgw_protocols.completions import request as _request
from llmgw_protocols.completions.encode import CompletionsEncoder
from llmgw_protocols.dialect import EncodeContext, Encoder, Envelope, Rendered, TargetFacts, WireRequest

__all__ = ["COMPLETIONS"]


class CompletionsDialect(ChatDialect):
    """Legacy Completions; see `llmgw_protocols.dialect.Dialect`. Only its own clients are asked for in it.

    Answers and refusals are read as Chat Completions'.
    """

    name = "completions"

    def envelope(self, wire: WireRequest) -> Envelope:
        return _request.envelope(wire)

    def parse(self, envelope: Envelope) -> ChatRequest:
        return _request.parse(envelope)

    def passthrough(self, envelope: Envelope, facts: TargetFacts) -> Rendered:
        return _request.passthrough(envelope, facts)

    def render(self, request: ChatRequest, facts: TargetFacts) -> Rendered:
        raise UnsupportedField.named("messages", "Completions take a prompt, not a conversation.")

    def encoder(self, context: EncodeContext) -> Encoder:
        return CompletionsEncoder(context)

    def __repr__(self) -> str:
        return "<dialect completions>"


COMPLETIONS = CompletionsDialect()
