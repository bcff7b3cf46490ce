"""What models on Bedrock take, by their ids."""

import pytest

from llmgw_protocols.converse.models import Traits, traits_of
from llmgw_protocols.messages.models import capabilities

SONNET = "claude-sonnet-4-5-20250929"


@pytest.mark.parametrize(
    "id",
    [
        f"anthropic.{SONNET}-v1:0",
        f"us.anthropic.{SONNET}-v1:0",
        f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/global.anthropic.{SONNET}-v1:0",
        f"arn:aws:bedrock:us-east-1::foundation-model/anthropic.{SONNET}-v1:0",
    ],
)
def test_a_claude_model_by_any_id(id: str) -> None:
    """A Claude model has Anthropic's record of it, whatever prefix or ARN stands around its name."""
    traits = traits_of(id)
    assert capabilities(SONNET) == traits.claude
    assert ("anthropic", "bedrock") == traits.families
    assert (True, True, False) == (traits.long_cache, traits.structured, traits.video)


@pytest.mark.parametrize(
    ("id", "caches", "current"),
    [
        ("anthropic.claude-3-haiku-20240307-v1:0", False, False),
        ("anthropic.claude-3-5-sonnet-20240620-v1:0", False, False),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", True, False),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", True, False),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", True, False),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", True, False),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", True, True),
        ("us.anthropic.claude-opus-4-8", True, True),
    ],
)
def test_what_bedrock_added_with_time(id: str, caches: bool, current: bool) -> None:
    """Cache points came with Claude 3.5, their hour and single calls with 4.5."""
    traits = traits_of(id)
    assert (caches, current, current) == (bool(traits.caches), traits.long_cache, traits.one_call)


def test_the_oldest_claudes_still_sample() -> None:
    """Claude 2 is no unknown newer model."""
    record = traits_of("anthropic.claude-v2:1").claude
    assert record is not None
    assert record.sampling


def test_a_claude_that_refuses_to_be_forced() -> None:
    """Models that refuse forced calls at Anthropic refuse them here."""
    assert frozenset() == traits_of("us.anthropic.claude-opus-5-5").choices


@pytest.mark.parametrize(
    ("id", "expected"),
    [
        ("us.amazon.nova-pro-v1:0", {"thinking": None, "top_k": "nova", "caches": {"system", "messages"}}),
        (
            "us.amazon.nova-2-lite-v1:0",
            {"thinking": "nova", "system_tools": {"nova_grounding", "nova_code_interpreter"}},
        ),
        ("amazon.titan-text-express-v1", {"system": False, "choices": frozenset()}),
        ("us.meta.llama3-3-70b-instruct-v1:0", {"choices": frozenset(), "beside_results": "nothing", "status": False}),
        ("us.mistral.pixtral-large-2502-v1:0", {"choices": {"any"}, "system": True}),
        ("mistral.mistral-7b-instruct-v0:2", {"system": False}),
        ("openai.gpt-oss-120b-1:0", {"thinking": "gpt-oss", "structured": True}),
        ("moonshot.kimi-k2-thinking", {"structured": True, "choices": {"any", "tool"}}),
    ],
)
def test_other_families(id: str, expected: dict[str, object]) -> None:
    """The longest name that occurs in the id decides, and their opaque values are Bedrock's alone."""
    traits = traits_of(id)
    assert expected == {name: getattr(traits, name) for name in expected}
    assert ("bedrock",) == traits.families


def test_an_id_that_tells_nothing() -> None:
    """An application inference profile is taken to know it all, since Bedrock names what it refuses."""
    traits = traits_of("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdef123456")
    assert Traits(named=False, any_schema=True) == traits
    assert ("anthropic", "bedrock") == traits.families
