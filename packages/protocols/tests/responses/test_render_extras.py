"""Fields without a canonical place."""

from typing import Any

import pytest
from msgspec import Raw

from llmgw_domain import Provider
from llmgw_domain.chat import ChatRequest, Text, Turn
from llmgw_domain.errors import UnsupportedField
from llmgw_protocols.losses import Losses
from llmgw_protocols.responses.render_extras import carry_over

OPENAI, OTHER = Provider.OPENAI, Provider.OPENAI_COMPATIBLE


def carried(
    name: str, value: str, provider: Provider = OPENAI, family: str = "openai"
) -> tuple[dict[str, Any], tuple[str, ...]]:
    lost = Losses(family)
    extras = {name: Raw(value.encode())}
    request = ChatRequest(model="m", turns=(Turn("user", (Text("hi"),)),), family=family, extras=extras)
    made = carry_over(request, provider, lost)
    return {k: v if isinstance(v, str) else bytes(v).decode() for k, v in made.items()}, lost.names()


@pytest.mark.parametrize(
    ("name", "value", "native", "other"),
    [
        ("metadata", '{"a":"b"}', True, False),
        ("prompt_cache_options", '{"mode":"explicit"}', True, False),
        ("prompt_cache_retention", '"24h"', True, False),
        ("moderation", '{"policy":{"input":{"mode":"score"}}}', True, False),
        ("truncation", '"auto"', True, True),
        ("anything", "1", True, True),
        ("modalities", '["text"]', False, False),
    ],
)
def test_what_is_passed_on(name: str, value: str, native: bool, other: bool) -> None:
    """OpenAI's own fields to OpenAI, unknown ones to everybody."""
    assert carried(name, value)[0] == ({name: value} if native else {})
    assert carried(name, value, OTHER)[0] == ({name: value} if other else {})


@pytest.mark.parametrize("name", ["prediction", "logit_bias", "extra_body", "include", "instructions", "text"])
def test_what_is_lost(name: str) -> None:
    """It is named."""
    assert carried(name, '{"a":1}') == ({}, (name,))


@pytest.mark.parametrize("value", ["null", "{}", "[]", '""', "false"])
def test_what_says_nothing(value: str) -> None:
    """It is neither sent nor lost."""
    assert carried("logit_bias", value) == ({}, ())


@pytest.mark.parametrize(
    ("name", "value", "provider"),
    [
        ("audio", '{"voice":"v"}', OPENAI),
        ("modalities", '["text","audio"]', OPENAI),
        ("modalities", '["audio"]', OPENAI),
        ("previous_response_id", '"resp_1"', OPENAI),
        ("input", '"other"', OPENAI),
        ("moderation", '{"policy":{"input":{"mode":"block"}}}', OTHER),
    ],
)
def test_what_is_refused(name: str, value: str, provider: Provider) -> None:
    """An answer without it would be another answer."""
    with pytest.raises(UnsupportedField) as error:
        carried(name, value, provider)
    assert error.value.param == name


def test_what_is_written_elsewhere() -> None:
    """It is left to those who write it."""
    for name in ("store", "verbosity", "web_search_options"):
        assert carried(name, '{"a":1}') == ({}, ())


def test_fields_of_other_families() -> None:
    """They fare as in Chat Completions."""
    assert carried("speed", '"fast"', family="anthropic") == ({"service_tier": "fast"}, ())
    assert carried("context_management", '{"a":1}', family="anthropic") == ({}, ("context_management",))
    with pytest.raises(UnsupportedField):
        carried("mcp_servers", "[1]", family="anthropic")
