"""Which requests must go over Responses."""

import pytest

from llmgw_domain.chat import Effort
from llmgw_protocols.responses.models import needs_responses


@pytest.mark.parametrize(
    ("model", "tools", "effort", "expected"),
    [
        ("gpt-4.1", True, None, False),
        ("gpt-5.2", True, "high", False),
        ("gpt-5.4", True, "low", True),
        ("gpt-5.4", True, "none", False),
        ("gpt-5.4", False, "high", False),
        ("gpt-5.4", True, None, False),
        ("gpt-5.6-sol", True, None, True),
        ("gpt-5.6-sol", True, "none", False),
        ("gpt-5.6-sol", False, None, False),
        ("gpt-6-astra", True, None, True),
        ("gpt-5-chat-latest", True, None, False),
        ("my-deployment", True, "high", False),
    ],
)
def test_tools_with_active_reasoning(model: str, tools: bool, effort: Effort | None, expected: bool) -> None:
    """From gpt-5.4 on, function tools and active reasoning do not go together in Chat Completions."""
    assert needs_responses(model, tools, effort) is expected


@pytest.mark.parametrize(
    "model",
    ["o1-pro", "gpt-5.2-pro", "gpt-5-pro-2025-10-06", "gpt-5.1-codex-max", "codex-mini-latest", "o3-deep-research"],
)
def test_models_without_chat(model: str) -> None:
    """Some models have Responses alone, whatever is asked of them."""
    assert needs_responses(model, False, None) is True
