"""The dialects by name and by target: the one place that lists them."""

from __future__ import annotations

import re

from llmgw_domain import Provider
from llmgw_domain.models import Api
from llmgw_protocols.chat import CHAT
from llmgw_protocols.dialect import Dialect, ProviderDialect, TargetFacts
from llmgw_protocols.gemini import GEMINI
from llmgw_protocols.messages import MESSAGES

_BY_NAME: dict[str, Dialect] = {d.name: d for d in (CHAT, MESSAGES, GEMINI)}
"""What clients speak. Those of OpenAI's family are asked for in as well, at providers that speak it."""
_BY_PROVIDER: dict[Provider, ProviderDialect] = {
    Provider.ANTHROPIC: MESSAGES,
    Provider.GOOGLE: GEMINI,
    Provider.VERTEX: GEMINI,
}
"""Of providers that speak one dialect, as far as the model does not say otherwise."""

_OPENAI_S_OWN = (Provider.OPENAI, Provider.AZURE)
# platform.openai.com/docs/models: these are served by the Responses API alone.
_RESPONSES_ONLY = re.compile(r"codex|^(o1|o3|gpt-5(\.\d+)?)-pro\b|-deep-research\b|^computer-use")


def dialect_named(name: str) -> Dialect:
    """The dialect that clients speak under this name. Raises KeyError."""
    return _BY_NAME[name]


def dialects() -> tuple[Dialect, ...]:
    """Every dialect that clients may speak."""
    return tuple(_BY_NAME.values())


def dialect_for(facts: TargetFacts, api: Api = "auto", client: str = "") -> ProviderDialect:
    """The dialect to ask a target in.

    `api` is what the target is configured to be asked through, `client` the name of the client's dialect: a provider
    that speaks several is asked in the client's own.
    """
    if facts.provider.speaks_openai:
        return _BY_NAME.get(_openai_s(facts, api, client), CHAT)
    if facts.provider is Provider.VERTEX and "claude" in facts.model:
        return MESSAGES
    return _BY_PROVIDER[facts.provider]


def _openai_s(facts: TargetFacts, api: Api, client: str) -> str:
    """Which of OpenAI's own dialects: the configured one, the client's own, the only one of the model, or chat."""
    if api != "auto":
        return api
    if client in ("responses", "completions"):
        return client
    needed = facts.provider in _OPENAI_S_OWN and client != CHAT.name and _RESPONSES_ONLY.search(facts.model)
    return "responses" if needed else "chat"
