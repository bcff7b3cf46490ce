"""Fields without a canonical place."""

from typing import Any

import msgspec
import pytest

from llmgw_domain.chat import ChatRequest
from llmgw_domain.errors import UnsupportedField
from llmgw_protocols.converse.extras import write
from llmgw_protocols.converse.models import traits_of
from llmgw_protocols.losses import Losses

CLAUDE, NOVA = "us.anthropic.claude-opus-4-8", "us.amazon.nova-pro-v1:0"


def _written(family: str, model: str = NOVA, **extras: Any) -> tuple[Any, Any, tuple[str, ...]]:
    losses, body = Losses(family), {}
    additional: dict[str, Any] = {"top_k": 5}
    raw = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in extras.items()}
    request = ChatRequest(model="m", turns=(), family=family, extras=raw)
    write(request, traits_of(model), body, additional, losses)
    return (
        msgspec.json.decode(msgspec.json.encode(body)),
        msgspec.json.decode(msgspec.json.encode(additional)),
        losses.names(),
    )


@pytest.mark.parametrize("family", ["openai", "anthropic", "google"])
def test_bedrocks_own(family: str) -> None:
    """Converse's own fields are passed on, in both spellings."""
    guard = {"guardrailIdentifier": "g", "guardrailVersion": "1"}
    body, additional, lost = _written(family, guardrailConfig=guard, performance_config={"latency": "optimized"})
    assert {"guardrailConfig": guard, "performanceConfig": {"latency": "optimized"}} == body
    assert ({"top_k": 5}, ()) == (additional, lost)


def test_the_models_own() -> None:
    """What the client says to the model itself wins over what was made of its other fields."""
    _, additional, lost = _written("openai", additionalModelRequestFields={"top_k": 9, "anthropic_beta": ["x"]})
    assert ({"top_k": 9, "anthropic_beta": ["x"]}, ()) == (additional, lost)


def test_claudes_own() -> None:
    """Anthropic's fields that reach Claude through Bedrock do so; what is left of them is reported."""
    body, additional, lost = _written("openai", CLAUDE, anthropic_beta=["x"], output_config={"effort": "low", "a": 1})
    assert {"outputConfig": {"effort": "low"}} == body
    assert ({"top_k": 5, "anthropic_beta": ["x"]}, ("output_config",)) == (additional, lost)
    assert ("anthropic_beta", "output_config") == _written("openai", anthropic_beta=["x"], output_config={"a": 1})[2]


@pytest.mark.parametrize(
    ("family", "extras", "lost"),
    [
        (
            "openai",
            {"metadata": {"a": "b"}, "store": True, "prompt_cache_key": "k", "cache_control": {"type": "x"}},
            (),
        ),
        ("openai", {"verbosity": "low", "logit_bias": {"1": 1}, "seed": None}, ("verbosity", "logit_bias")),
        ("openai", {"speed": "fast"}, ("speed",)),
        ("anthropic", {"anthropic_version": "x", "citations": [], "container": "c"}, ("container",)),
        ("google", {"safetySettings": [{}], "labels": {"a": "b"}}, ()),
    ],
)
def test_others(family: str, extras: Any, lost: tuple[str, ...]) -> None:
    """What changes no answer is dropped, what does is reported."""
    assert ({}, {"top_k": 5}, lost) == _written(family, **extras)


@pytest.mark.parametrize(
    ("family", "extras"),
    [
        ("openai", {"modalities": ["text", "audio"]}),
        ("openai", {"audio": {"voice": "alloy"}}),
        ("openai", {"moderation": {"policy": {"input": {"mode": "block"}}}}),
        ("anthropic", {"mcp_servers": [{}]}),
        ("anthropic", {"thread": {}}),
        ("google", {"cachedContent": "cachedContents/1"}),
    ],
)
def test_what_would_be_another_answer_is_refused(family: str, extras: Any) -> None:
    """A field that changes the kind of the answer is not dropped."""
    with pytest.raises(UnsupportedField):
        _written(family, **extras)
