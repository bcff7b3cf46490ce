"""Which of OpenAI's models a request must reach over Responses although its client speaks Chat Completions."""

from __future__ import annotations

import re
from functools import lru_cache

from llmgw_domain import Provider
from llmgw_domain.chat import Effort
from llmgw_protocols.chat import models

# These have no Chat Completions at all.
_RESPONSES_ONLY = re.compile(r"-pro\b|codex|deep-research|computer-use")
_FIRST_REFUSING = (5, 4)


@lru_cache(maxsize=4096)
def needs_responses(model: str, has_function_tools: bool, effort: Effort | None) -> bool:
    """Whether OpenAI (or Azure) serves such a request over `/responses` alone. `effort` is None where it was not said.

    From gpt-5.4 on `/chat/completions` refuses function tools to a model that reasons, be it by the request's effort
    or by the model's own default.
    """
    if _RESPONSES_ONLY.search(model):
        return True
    version = models.gpt_version(model)
    if not has_function_tools or version is None or version < _FIRST_REFUSING:
        return False
    return models.reasons(effort, Provider.OPENAI, model)
