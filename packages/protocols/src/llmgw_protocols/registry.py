"""The dialects by name and by target: the one place that lists them."""

from __future__ import annotations

import re

from llmgw_domain import Provider
from llmgw_domain.models import Api
from llmgw_protocols.chat import CHAT
from llmgw_protocols.completions import COMPLETIONS
from llmgw_protocols.dialect import Dialect, ProviderDialect, TargetFacts
from llmgw_protocols.gemini import GEMINI
from llmgw_protocols.messages import MESSAGES

_BY_NAME: dict[str, Dialect] = {d.name: d for d in (CHAT, COMPLETIONS, MESSAGES, GEMINI)}
_BY_PROVIDER: dict[Provider, ProviderDialect] = {
    Provider.OPENAI: CHAT,
    Provider.OPENAI_COMPATIBLE: CHAT,
    Provider.AZURE: CHAT,
    Provider.ANTHROPIC: MESSAGES,
    Provider.GOOGLE: GEMINI,
    Provider.VERTEX: GEMINI,
}

_LEGACY = re.compile(r"instruct|babbage|davinci")


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
    if client == COMPLETIONS.name and facts.provider.speaks_openai and _has_completions(facts):
        return COMPLETIONS
    if facts.provider is Provider.VERTEX and "claude" in facts.model:
        return MESSAGES
    return _BY_PROVIDER[facts.provider]


def _has_completions(facts: TargetFacts) -> bool:
    """OpenAI has them for a few old models; compatible servers mostly for all that they serve."""
    return facts.provider is Provider.OPENAI_COMPATIBLE or bool(_LEGACY.search(facts.model))
