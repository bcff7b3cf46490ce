"""Fields of other dialects: carried over, dropped, reported or refused."""

from typing import Any

import pytest
from msgspec import Raw

from llmgw_domain import Provider
from llmgw_domain.chat import ChatRequest
from llmgw_domain.errors import UnsupportedField
from llmgw_domain.servers import Server
from llmgw_protocols.chat.extras import carry_over
from llmgw_protocols.losses import Losses

OPENAI, OTHER = Provider.OPENAI, Provider.OPENAI_COMPATIBLE


def carried(family: str, provider: Provider, **extras: bytes) -> tuple[dict[str, Any], tuple[str, ...]]:
    raw = {name: Raw(value) for name, value in extras.items()}
    losses = Losses(family)
    body = carry_over(ChatRequest(model="m", turns=(), family=family, extras=raw), provider, losses)
    return {k: bytes(v) if isinstance(v, Raw) else v for k, v in body.items()}, losses.names()


@pytest.mark.parametrize(
    ("family", "provider", "name", "value", "expected"),
    [
        ("openai", OPENAI, "logit_bias", b'{"1":2}', ({"logit_bias": b'{"1":2}'}, ())),
        ("openai", OTHER, "guided_json", b'{"a":1}', ({"guided_json": b'{"a":1}'}, ())),
        ("openai", OTHER, "store", b"true", ({}, ())),
        ("openai", OTHER, "verbosity", b'"low"', ({}, ("verbosity",))),
        ("openai", OPENAI, "verbosity", b'"low"', ({"verbosity": b'"low"'}, ())),
        ("anthropic", OPENAI, "context_management", b'{"edits":[1]}', ({}, ("context_management",))),
        ("anthropic", OPENAI, "container", b'"c"', ({}, ("container",))),
        ("anthropic", OPENAI, "container", b"null", ({}, ())),
        ("anthropic", OPENAI, "cache_control", b'{"type":"ephemeral"}', ({}, ())),
        ("anthropic", OPENAI, "speed", b'"fast"', ({"service_tier": "fast"}, ())),
        ("anthropic", OTHER, "speed", b'"fast"', ({}, ("speed",))),
        ("anthropic", OPENAI, "no\nsuch", b"1", ({}, ("no?such",))),
        ("google", OPENAI, "safetySettings", b"[1]", ({}, ())),
        ("google", OPENAI, "safety_settings", b"[1]", ({}, ())),
        ("google", OPENAI, "labels", b'{"a":"b"}', ({}, ())),
        ("google", OPENAI, "generationConfig.responseModalities", b'["TEXT"]', ({}, ())),
        ("google", OPENAI, "generationConfig.imageConfig", b'{"a":1}', ({}, ("generationConfig.imageConfig",))),
    ],
)
def test_fields(family: str, provider: Provider, name: str, value: bytes, expected: Any) -> None:
    """What matters and can't be said is reported under the client's name; what changes nothing is dropped."""
    assert expected == carried(family, provider, **{name: value})


@pytest.mark.parametrize(
    ("family", "name", "value"),
    [
        ("anthropic", "mcp_servers", b"[{}]"),
        ("anthropic", "thread", b'"t"'),
        ("anthropic", "compaction", b'{"a":1}'),
        ("google", "cachedContent", b'"c"'),
        ("google", "generationConfig.responseModalities", b'["IMAGE"]'),
    ],
)
def test_refusals(family: str, name: str, value: bytes) -> None:
    """What would make another answer is refused by name."""
    with pytest.raises(UnsupportedField) as caught:
        carried(family, OPENAI, **{name: value})
    assert name == caught.value.param


def test_what_a_server_takes() -> None:
    """A server's own list lets OpenAI's fields through; one that refuses unknown fields gets nothing else."""
    names = {"metadata": b'{"a":"b"}', "verbosity": b'"low"', "logit_bias": b'{"1":2}', "guided_json": b'{"a":1}'}
    request = ChatRequest(model="m", turns=(), extras={name: Raw(value) for name, value in names.items()})
    told = []
    for server in (
        Server(takes=("metadata", "verbosity")),
        Server(takes=("logit_bias",), unknown_fields=False),
        Server(unknown_fields=False),
    ):
        losses = Losses("openai")
        told.append((set(carry_over(request, OTHER, losses, server)), losses.names()))
    assert [
        ({"metadata", "verbosity", "logit_bias", "guided_json"}, ()),
        ({"logit_bias"}, ("verbosity", "guided_json")),
        (set(), ("verbosity", "logit_bias", "guided_json")),
    ] == told
