"""AWS Bedrock's Converse and ConverseStream, on the provider's side alone: no client speaks it to the gateway.

`render` writes requests by the model's traits (`models`), `decode` reads answers, `errors` reads refusals. What Claude
models take is told by the same records and rules as at Anthropic (`llmgw_protocols.messages`). Signatures of Claude's
reasoning are Anthropic's, on whatever platform they were made, so they keep that family; Bedrock's own is for the rest.
"""

from __future__ import annotations

from collections.abc import Mapping

from llmgw_domain.chat import ChatRequest
from llmgw_domain.errors import GatewayError, InvalidJson
from llmgw_protocols.converse import errors as _errors
from llmgw_protocols.converse import render as _render
from llmgw_protocols.converse.decode import ConverseDecoder
from llmgw_protocols.converse.reader import FAMILY
from llmgw_protocols.dialect import Decoder, Rendered, StreamForm, TargetFacts

__all__ = ["CONVERSE"]


class _Converse:
    """Bedrock Converse; see the provider's half of `Dialect`."""

    name = "converse"
    family = FAMILY

    def render(self, request: ChatRequest, facts: TargetFacts) -> Rendered:
        try:
            return _render.render(request, facts)
        except RecursionError:
            raise InvalidJson("The body is nested too deeply.") from None

    def decoder(self, *, form: StreamForm = "sse", hide_usage: bool = False, model: str = "") -> Decoder:
        """A decoder of one answer; `model` is the provider's name, which tells whose the signatures are."""
        return ConverseDecoder(model)

    def fault(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        return _errors.fault(status, headers, body)

    def owns_error(self, body: bytes) -> bool:
        """Never: no client reads Bedrock's errors."""
        return False

    def __repr__(self) -> str:
        return "<Dialect converse>"


CONVERSE = _Converse()
