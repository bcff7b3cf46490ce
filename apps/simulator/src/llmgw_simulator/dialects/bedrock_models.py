"""What the models on Bedrock can do: the differences between families that a caller has to know."""

from __future__ import annotations

import re

import msgspec

_ID = re.compile(r"^(arn:aws[a-z-]*:(bedrock|sagemaker):[a-z0-9-]*:[0-9]*:.+|[a-zA-Z0-9][a-zA-Z0-9:._-]*)$")
_PROFILE = re.compile(r"^(us|eu|apac|global|us-gov|jp|au|ca)\.")
_INLINE_SYSTEM = re.compile(r"claude-(opus-4-8|opus-5|fable-5|mythos-5)")


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """The abilities of a family. `media` are the kinds of content block it takes besides text.

    `reasoning` is `signed` where it is asked for and signed (Claude), `asked` where it is only asked for, `always` or
    `never`. `mixes` is whether tool results may have other blocks beside them, `formats` whether answers can be JSON by
    schema.
    """

    name: str
    tools: bool = True
    choices: frozenset[str] = frozenset({"auto", "any", "tool"})
    system: bool = True
    caches: bool = False
    media: frozenset[str] = frozenset({"image", "document"})
    s3: bool = False
    reasoning: str = "never"
    mixes: bool = True
    formats: bool = False


_CLAUDE = Family(name="claude", caches=True, reasoning="signed", formats=True)
_NOVA = Family(name="nova", caches=True, media=frozenset({"image", "document", "video"}), s3=True, reasoning="asked")
_FAMILIES = {
    "claude": _CLAUDE,
    "nova": _NOVA,
    "titan": Family(name="titan", tools=False, system=False, media=frozenset({"document"})),
    "llama": Family(name="llama", choices=frozenset({"auto"}), mixes=False),
    "mistral": Family(name="mistral", choices=frozenset({"auto", "any"}), mixes=False),
    "pixtral": Family(name="mistral", choices=frozenset({"auto", "any"}), mixes=False),
    "cohere": Family(name="cohere", choices=frozenset({"auto"}), media=frozenset({"document"})),
    "deepseek.r1": Family(name="deepseek", tools=False, media=frozenset({"document"}), reasoning="always"),
    "gpt-oss": Family(name="gpt-oss", media=frozenset(), reasoning="always"),
    "kimi-k2-thinking": Family(name="kimi", media=frozenset(), reasoning="always"),
}
_OTHER = Family(name="other", formats=True)


def is_model_id(model: str) -> bool:
    """Whether it could be a model's id, a profile's id or an ARN, and is not the one that is said to be missing."""
    return model != "missing-model" and _ID.match(model) is not None


def base_id(model: str) -> str:
    """The model behind an ARN or an inference profile of a region."""
    return _PROFILE.sub("", model.rsplit("/", 1)[-1])


def family(model: str) -> Family:
    """The family that the id names; an id that names none of them can do what most can."""
    return next((found for mark, found in _FAMILIES.items() if mark in model.lower()), _OTHER)


def is_profile(model: str) -> bool:
    """Whether the id is that of an inference profile, for which Bedrock does not count tokens."""
    return _PROFILE.match(model) is not None or "inference-profile/" in model


def takes_inline_system(model: str) -> bool:
    """Whether messages may have the role `system`."""
    return _INLINE_SYSTEM.search(model) is not None
