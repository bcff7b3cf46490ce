"""What each family of models on Bedrock takes through Converse.

The table is data: the longest name that occurs in a model's id wins, whatever platform prefix (`us.`, `global.`), ARN
or version stands around it. A Claude model has a record of its own (`messages.models`) for all that is Anthropic's. An
id that tells no family, as that of an application inference profile, is taken for one that knows it all: what Bedrock
refuses it names, what was left out for nothing nobody would see.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from llmgw_protocols.messages import models as _claude
from llmgw_protocols.messages.models import Capabilities

Place = Literal["tools", "system", "messages"]
Choice = Literal["any", "tool"]

_EVERYWHERE: frozenset[Place] = frozenset(("tools", "system", "messages"))
_BOTH: frozenset[Choice] = frozenset(("any", "tool"))


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """What a model takes. The defaults are those of an id that tells nothing."""

    claude: Capabilities | None = None
    """The record of a Claude model."""
    named: bool = True
    """Whether the id tells the family."""
    system: bool = True
    """System text in a place of its own."""
    choices: frozenset[Choice] = _BOTH
    """Forced tool choices."""
    caches: frozenset[Place] = _EVERYWHERE
    """Where cache points may stand."""
    long_cache: bool = False
    """Cache points that live for an hour."""
    video: bool = True
    audio: bool = True
    media_in_results: bool = True
    """Images and documents inside of tool results."""
    status: bool = True
    """The status of a tool result."""
    beside_results: Literal["anything", "no documents", "nothing"] = "anything"
    """What may stand in one message with tool results."""
    structured: bool = False
    """Output under a JSON Schema, and strict tools."""
    any_schema: bool = False
    """Schemas of tools may hold references and `$schema`."""
    thinking: Literal["nova", "gpt-oss"] | None = None
    """Which of the additional fields tells how much to think, of models that are not Claude."""
    top_k: Literal["claude", "nova"] | None = None
    system_tools: frozenset[str] = frozenset()
    """The tools that Bedrock runs for the model."""
    one_call: bool = False
    """The additional field that limits an answer to one tool call."""

    @property
    def families(self) -> tuple[str, ...]:
        """Whose opaque values the model takes back."""
        return ("anthropic", "bedrock") if self.claude or not self.named else ("bedrock",)


_NOVA = Traits(
    audio=False,
    caches=frozenset(("system", "messages")),
    top_k="nova",
)
_NOVA_2 = msgspec.structs.replace(
    _NOVA, thinking="nova", system_tools=frozenset(("nova_grounding", "nova_code_interpreter"))
)
_PLAIN = Traits(
    video=False,
    audio=False,
    choices=frozenset(),
    caches=frozenset(),
    media_in_results=False,
    status=False,
    beside_results="nothing",
)
_MISTRAL = msgspec.structs.replace(_PLAIN, choices=frozenset(("any",)))
_OPEN = msgspec.structs.replace(_PLAIN, choices=_BOTH, beside_results="anything")
_STRUCTURED = msgspec.structs.replace(_OPEN, structured=True)
_MUTE = msgspec.structs.replace(_PLAIN, system=False)

_FAMILIES: dict[str, Traits] = {
    "amazon.nova": _NOVA,
    "amazon.nova-premier": msgspec.structs.replace(_NOVA, system_tools=frozenset(("nova_grounding",))),
    "amazon.nova-2": _NOVA_2,
    "amazon.nova-2-omni": msgspec.structs.replace(_NOVA_2, audio=True),
    "amazon.titan": _MUTE,
    "ai21.jamba": _PLAIN,
    "cohere.command": _MUTE,
    "cohere.command-r": _PLAIN,
    "deepseek.": _OPEN,
    "deepseek.r1": _PLAIN,
    "google.gemma": _STRUCTURED,
    "meta.llama": _PLAIN,
    "minimax.": _STRUCTURED,
    "mistral.mistral-7b": _MUTE,
    "mistral.mixtral-8x7b": _MUTE,
    "mistral.": _MISTRAL,
    "mistral.voxtral": msgspec.structs.replace(_MISTRAL, audio=True),
    "moonshot": _STRUCTURED,
    "nvidia.": _STRUCTURED,
    "openai.gpt-oss": msgspec.structs.replace(_STRUCTURED, thinking="gpt-oss"),
    "qwen.": _STRUCTURED,
    "writer.": _PLAIN,
}
_BY_LENGTH = sorted(_FAMILIES, key=len, reverse=True)
_UNNAMED = Traits(named=False, any_schema=True)

# Claude models by what Bedrock itself added with time; Anthropic's own record does not tell these.
_BEFORE_4_5 = ("claude-3-", "sonnet-4-2", "opus-4-2", "opus-4-1", "claude-v", "claude-instant")
_BEFORE_CACHES = (
    "claude-3-sonnet",
    "claude-3-opus",
    "claude-3-haiku",
    "3-5-sonnet-20240620",
    "claude-v",
    "claude-inst",
)
_BEFORE_3 = ("claude-v", "claude-instant")


def traits_of(model: str) -> Traits:
    """What the model of this id takes."""
    name = model.lower()
    if "claude" in name:
        return _claude_traits(name)
    return next((_FAMILIES[family] for family in _BY_LENGTH if family in name), _UNNAMED)


def _claude_traits(name: str) -> Traits:
    record = _claude.capabilities("claude-3-haiku" if _is_any(name, _BEFORE_3) else name)
    current = not _is_any(name, _BEFORE_4_5)
    return Traits(
        claude=record,
        video=False,
        audio=False,
        choices=_BOTH if record.forced_tools else frozenset(),
        caches=frozenset() if _is_any(name, _BEFORE_CACHES) else _EVERYWHERE,
        long_cache=current,
        beside_results="no documents",
        structured=record.structured,
        any_schema=True,
        top_k="claude",
        one_call=current,
    )


def _is_any(name: str, parts: tuple[str, ...]) -> bool:
    return any(part in name for part in parts)
