"""How much models other than Claude are to think."""

from typing import Any

import pytest

from llmgw_domain.chat import ChatRequest, Reasoning
from llmgw_protocols.converse.models import traits_of
from llmgw_protocols.converse.reasoning import fields
from llmgw_protocols.losses import Losses

NOVA, OSS, KIMI = "us.amazon.nova-2-lite-v1:0", "openai.gpt-oss-120b-1:0", "moonshot.kimi-k2-thinking"


def _fields(model: str, wish: Reasoning | None, **request: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    losses = Losses("openai")
    asked = ChatRequest(model="m", turns=(), reasoning=wish, **request)
    return fields(asked, traits_of(model), losses), losses.names()


def _nova(level: str) -> dict[str, Any]:
    return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": level}}


@pytest.mark.parametrize(
    ("model", "wish", "expected", "lost"),
    [
        (NOVA, None, {}, ()),
        (NOVA, Reasoning(show=True), {}, ()),
        (NOVA, Reasoning(effort="minimal"), _nova("low"), ()),
        (NOVA, Reasoning(effort="max"), _nova("high"), ()),
        (NOVA, Reasoning(budget=5000), _nova("medium"), ()),
        (NOVA, Reasoning(mode="enabled"), _nova("medium"), ()),
        (NOVA, Reasoning(effort="none"), {"reasoningConfig": {"type": "disabled"}}, ()),
        (OSS, Reasoning(effort="high"), {"reasoning_effort": "high"}, ()),
        (OSS, Reasoning(mode="disabled"), {"reasoning_effort": "low"}, ("reasoning_effort",)),
        (KIMI, Reasoning(effort="high"), {}, ("reasoning_effort",)),
        (KIMI, Reasoning(budget=0), {}, ()),
    ],
)
def test_fields(model: str, wish: Reasoning | None, expected: dict[str, Any], lost: tuple[str, ...]) -> None:
    """Each family has a field of its own; a wish that has none is lost."""
    assert (expected, lost) == _fields(model, wish)


def test_the_highest_effort_leaves_a_limit_alone() -> None:
    """At its highest effort Nova refuses an output limit, which counts for more than the effort."""
    assert (_nova("medium"), ("reasoning_effort",)) == _fields(NOVA, Reasoning(effort="high"), max_tokens=100)
