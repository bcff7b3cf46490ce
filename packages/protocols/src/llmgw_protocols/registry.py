"""The dialects by name and by target: the one place that lists them."""

from __future__ import annotations

import re
from collections.abc import Callable

from llmgw_domain import Provider
from llmgw_domain.chat import ChatRequest, File, Remote, Tool, ToolResult
from llmgw_domain.errors import GatewayError
from llmgw_domain.models import Api
from llmgw_protocols.chat import CHAT
from llmgw_protocols.chat.models import effort_of
from llmgw_protocols.completions import COMPLETIONS
from llmgw_protocols.converse import CONVERSE
from llmgw_protocols.dialect import Dialect, ProviderDialect, TargetFacts
from llmgw_protocols.gemini import GEMINI
from llmgw_protocols.messages import MESSAGES
from llmgw_protocols.responses import RESPONSES
from llmgw_protocols.responses.models import needs_responses

_BY_NAME: dict[str, Dialect] = {d.name: d for d in (CHAT, RESPONSES, COMPLETIONS, MESSAGES, GEMINI)}
"""What clients speak. Those of OpenAI's family are asked for in as well, at providers that speak it."""
_BY_PROVIDER: dict[Provider, ProviderDialect] = {
    Provider.ANTHROPIC: MESSAGES,
    Provider.GOOGLE: GEMINI,
    Provider.VERTEX: GEMINI,
    Provider.BEDROCK: CONVERSE,
}
"""Of providers that speak one dialect, as far as the model does not say otherwise."""

# The few models of OpenAI's that still have completions; compatible servers mostly have them for all that they serve.
_LEGACY = re.compile(r"instruct|babbage|davinci")


def dialect_named(name: str) -> Dialect:
    """The dialect that clients speak under this name. Raises KeyError."""
    return _BY_NAME[name]


def dialects() -> tuple[Dialect, ...]:
    """Every dialect that clients may speak."""
    return tuple(_BY_NAME.values())


def dialect_for(
    facts: TargetFacts, api: Api = "auto", client: str = "", request: Callable[[], ChatRequest] | None = None
) -> ProviderDialect:
    """The dialect to ask a target in.

    `api` is what the target is configured to be asked through, `client` the name of the client's dialect: a provider
    that speaks several is asked in the client's own. `request` gives the canonical request, for models that serve some
    requests through one API and some through another; one that raises a `GatewayError` is told by its model alone.
    """
    if facts.provider.speaks_openai:
        return _BY_NAME[_openai_s(facts, api, client, request)]
    if facts.provider is Provider.VERTEX and "claude" in facts.model:
        return MESSAGES
    return _BY_PROVIDER[facts.provider]


def _openai_s(facts: TargetFacts, api: Api, client: str, request: Callable[[], ChatRequest] | None) -> str:
    """Which of OpenAI's own dialects: the configured one, the client's own, the only one of the model, or chat."""
    if api != "auto":
        return api
    compatible = facts.provider is Provider.OPENAI_COMPATIBLE
    if client == RESPONSES.name and not (compatible and facts.server.name and not facts.server.has_responses):
        return client
    if client == COMPLETIONS.name and (facts.server.has_completions if compatible else _LEGACY.search(facts.model)):
        return client
    if facts.provider.is_openai and (
        _needs_responses(facts.model, request)
        or (client != CHAT.name and (asked := _read(request)) is not None and _has_remote_file(asked))
    ):
        return RESPONSES.name
    return CHAT.name


def _needs_responses(model: str, request: Callable[[], ChatRequest] | None) -> bool:
    # The name rules most models out, so that nothing is parsed for them.
    if needs_responses(model, has_function_tools=True, effort="high") and (asked := _read(request)) is not None:
        return needs_responses(model, any(isinstance(t, Tool) for t in asked.tools), effort_of(asked.reasoning))
    return needs_responses(model, has_function_tools=False, effort=None)


def _read(request: Callable[[], ChatRequest] | None) -> ChatRequest | None:
    """The canonical request, or None where it can't be read: it may pass through; a translation says why not."""
    try:
        return request() if request is not None else None
    except GatewayError:
        return None


def _has_remote_file(request: ChatRequest) -> bool:
    """Whether a document stands at an address: OpenAI fetches those for Responses alone."""
    blocks = [block for turn in request.turns for block in turn.content]
    inside = [block for result in blocks if isinstance(result, ToolResult) for block in result.content]
    return any(isinstance(block, File) and isinstance(block.source, Remote) for block in (*blocks, *inside))
