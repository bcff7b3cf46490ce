"""Top-level fields of other dialects."""

from typing import Any

import msgspec
import pytest

from llmgw_domain.chat import ChatRequest
from llmgw_domain.errors import InvalidField, UnsupportedField
from llmgw_protocols.losses import Losses
from llmgw_protocols.messages.extras import write


def _write(family: str, **extras: bytes) -> tuple[dict[str, Any], tuple[str, ...]]:
    body: dict[str, Any] = {}
    losses = Losses(family)
    raw = {name: msgspec.Raw(value) for name, value in extras.items()}
    write(ChatRequest(model="m", turns=(), family=family, extras=raw), body, losses)
    return msgspec.json.decode(msgspec.json.encode(body)), losses.names()


@pytest.mark.parametrize("name", ["thinking", "cache_control", "context_management", "mcp_servers", "speed"])
def test_passed(name: str) -> None:
    """Anthropic's own fields go through from OpenAI-style clients."""
    assert ({name: {"a": 1}}, ()) == _write("openai", **{name: b'{"a":1}'})


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("openai", "metadata"),
        ("openai", "store"),
        ("openai", "prompt_cache_key"),
        ("openai", "stream_options"),
        ("google", "safetySettings"),
        ("google", "safety_settings"),
        ("google", "labels"),
    ],
)
def test_silent(family: str, name: str) -> None:
    """What has no effect on the answer is dropped in silence."""
    assert _write(family, **{name: b'["x"]'}) == ({}, ())


@pytest.mark.parametrize(
    ("family", "name", "value"),
    [
        ("openai", "logit_bias", b'{"5":1}'),
        ("openai", "prediction", b'{"type":"content"}'),
        ("openai", "verbosity", b'"low"'),
        ("openai", "moderation", b'{"policy":{"input":{"mode":"score"}}}'),
        ("openai", "something_new", b"1"),
        ("google", "generationConfig.mediaResolution", b'"LOW"'),
    ],
)
def test_lost(family: str, name: str, value: bytes) -> None:
    """What changes the answer and has no counterpart is named."""
    assert ({}, (name,)) == _write(family, **{name: value})


@pytest.mark.parametrize(("name", "value"), [("logit_bias", b"{}"), ("unknown", b"null"), ("modalities", b'["text"]')])
def test_nothing_lost(name: str, value: bytes) -> None:
    """Empty values and the default say nothing."""
    assert _write("openai", **{name: value}) == ({}, ())


@pytest.mark.parametrize(
    ("family", "name", "value"),
    [
        ("openai", "modalities", b'["text","audio"]'),
        ("openai", "audio", b'{"voice":"x"}'),
        ("openai", "moderation", b'{"policy":{"input":{"mode":"block"}}}'),
        ("google", "generationConfig.responseModalities", b'["IMAGE"]'),
        ("google", "generationConfig.speechConfig", b'{"a":1}'),
        ("google", "cachedContent", b'"x"'),
    ],
)
def test_refused(family: str, name: str, value: bytes) -> None:
    """What would make another kind of answer is refused."""
    with pytest.raises(UnsupportedField) as caught:
        _write(family, **{name: value})
    assert name == caught.value.param


def test_own() -> None:
    """Anthropic's clients get all of their fields back, in their places."""
    extras = {"inference_geo": b'"us"', "output_config.task_budget": b"5", "citations": b"true"}
    assert _write("anthropic", **extras) == ({"inference_geo": "us", "output_config": {"task_budget": 5}}, ())


def test_output_config() -> None:
    """A chat client's own `output_config` wins by its members and leaves the others."""
    body: dict[str, Any] = {"output_config": {"format": 1, "effort": "low"}}
    extras = {"output_config": msgspec.Raw(b'{"effort":"high","task_budget":5}')}
    write(ChatRequest(model="m", turns=(), family="openai", extras=extras), body, Losses("openai"))
    merged = msgspec.json.decode(msgspec.json.encode(body))["output_config"]
    assert merged == {"format": 1, "effort": "high", "task_budget": 5}


def test_output_config_of_wrong_type() -> None:
    """An `output_config` that is no object is refused by name."""
    with pytest.raises(InvalidField, match="output_config"):
        _write("openai", output_config=b"5")
