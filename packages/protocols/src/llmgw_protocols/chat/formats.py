"""OpenRouter's names for whose reasoning an entry of `reasoning_details` is, and the families they stand for."""

from __future__ import annotations

_FORMATS = {
    "anthropic": "anthropic-claude-v1",
    "google": "google-gemini-v1",
    "openai": "openai-responses-v1",
    "xai": "xai-responses-v1",
}
_FAMILIES = {name: family for family, name in _FORMATS.items()}
_MAKERS = (("claude", "anthropic"), ("gemini", "google"), ("gpt", "openai"), ("grok", "xai"))


def family_of(name: str | None) -> str:
    """The family of a format; empty where it is unknown or was not said."""
    return _FAMILIES.get(name or "", "")


def format_of(family: str, model: str) -> str:
    """The format of a family's reasoning; of an unknown family what the model's name tells."""
    family = family or next((maker for part, maker in _MAKERS if part in model), "")
    return _FORMATS.get(family, "unknown")
