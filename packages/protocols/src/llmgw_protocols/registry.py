"""The dialects by name and by provider: the one place that lists them."""

from __future__ import annotations

from llmgw_domain import Provider
from llmgw_protocols.chat import CHAT
from llmgw_protocols.dialect import Dialect
from llmgw_protocols.gemini import GEMINI
from llmgw_protocols.messages import MESSAGES

_BY_NAME: dict[str, Dialect] = {d.name: d for d in (CHAT, MESSAGES, GEMINI)}
_BY_PROVIDER: dict[Provider, Dialect] = {
    Provider.OPENAI: CHAT,
    Provider.OPENAI_COMPATIBLE: CHAT,
    Provider.ANTHROPIC: MESSAGES,
    Provider.GOOGLE: GEMINI,
}


def dialect_named(name: str) -> Dialect:
    """The dialect called `chat`, `messages` or `gemini`. Raises KeyError."""
    return _BY_NAME[name]


def dialect_of(provider: Provider) -> Dialect:
    """The dialect that a provider's accounts speak."""
    return _BY_PROVIDER[provider]
