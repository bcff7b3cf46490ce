"""What OpenAI's models can do with reasoning, told by their names; nothing else tells it (`/v1/models` does not).

Azure serves the same models, under their names or under its deployments'. Compatible servers serve any model under any
name, so nothing is assumed there.
"""

from __future__ import annotations

import re
from typing import Final

from llmgw_domain import Provider
from llmgw_domain.chat import Effort, Reasoning

_GPT = re.compile(r"(?:^|/)gpt-(\d+)(?:\.(\d+))?(?![\d])")
_O_SERIES = re.compile(r"(?:^|/)o\d")
_OLDER = re.compile(r"(?:^|/)(?:gpt-[34]|chatgpt)")
_NO_NONE = re.compile(r"gpt-6-astra|gpt-6\.1-sol")
_ECHOES = re.compile(r"deepseek|kimi", re.IGNORECASE)
_CHATTY: Final = "-chat"

_BUDGETS: tuple[tuple[int, Effort], ...] = ((1024, "low"), (8192, "medium"), (24576, "high"))


def effort_of(reasoning: Reasoning | None) -> Effort | None:
    """The effort that a wish for reasoning comes to; None where it leaves that to the model."""
    if reasoning is None:
        return None
    if reasoning.mode == "disabled":
        return "none"
    if reasoning.effort or reasoning.budget is None:
        return reasoning.effort
    if reasoning.budget == 0:
        return "none"
    if reasoning.budget < 0:  # Gemini's "as much as the model likes"
        return None
    return next((effort for limit, effort in _BUDGETS if reasoning.budget <= limit), "xhigh")


def fitting(effort: Effort | None, provider: Provider, model: str) -> tuple[Effort | None, bool]:
    """The nearest effort that a model takes, and whether the difference is a loss."""
    if effort is None or not provider.is_openai:
        return effort, False
    if _OLDER.search(model):
        return None, effort != "none"
    version = gpt_version(model)
    if effort == "none" and (_O_SERIES.search(model) or _NO_NONE.search(model)):
        return "low", True
    if version == (5, 0) and effort == "none":
        return "minimal", True
    if effort == "minimal" and (_O_SERIES.search(model) or (version is not None and version >= (5, 6))):
        return "low", False
    if effort in ("xhigh", "max") and (_O_SERIES.search(model) or version == (5, 0)):
        return "high", False
    return effort, False


def reasons(effort: Effort | None, provider: Provider, model: str) -> bool:
    """Whether the model reasons at this effort, and so refuses sampling parameters."""
    if not provider.is_openai:
        return False
    if _O_SERIES.search(model):
        return True
    version = gpt_version(model)
    if version is None or version < (5, 0) or _CHATTY in model:
        return False
    if version == (5, 0):
        return True
    return effort not in (None, "none") if version < (5, 5) else effort != "none"


def refuses_tools_with_effort(provider: Provider, model: str) -> bool:
    """Whether `/chat/completions` takes no function tools together with an active effort (from gpt-5.4 on)."""
    version = gpt_version(model)
    return provider.is_openai and version is not None and version >= (5, 4) and not _NO_NONE.search(model)


def limit_name(provider: Provider, model: str) -> str | None:
    """The name of the output limit where OpenAI's own models decide on it; None at other servers.

    Models that can reason refuse `max_tokens`. Others at Azure may be asked through an API version that knows no other.
    """
    if provider is Provider.OPENAI:
        return "max_completion_tokens"
    if provider is not Provider.AZURE:
        return None
    version = gpt_version(model)
    can_reason = _O_SERIES.search(model) is not None or (version is not None and version >= (5, 0))
    return "max_completion_tokens" if can_reason else "max_tokens"


def takes_breakpoints(provider: Provider, model: str) -> bool:
    """Whether `prompt_cache_breakpoint` may stand on parts (from gpt-5.6 on)."""
    version = gpt_version(model)
    return provider.is_openai and version is not None and version >= (5, 6)


def wants_reasoning_back(provider: Provider, model: str) -> bool:
    """Whether turns with calls must carry their `reasoning_content`, also when it is empty (DeepSeek, Kimi)."""
    return not provider.is_openai and _ECHOES.search(model) is not None


def gpt_version(model: str) -> tuple[int, int] | None:
    """The version in a GPT model's name, `(5, 0)` of `gpt-5-mini`; None in other names."""
    match = _GPT.search(model)
    return (int(match[1]), int(match[2] or 0)) if match else None
