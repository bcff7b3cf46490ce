import pytest

from llmgw_simulator.dialects.bedrock_models import base_id, family, is_model_id, is_profile, takes_inline_system

ARN = "arn:aws:bedrock:us-east-1:012345678901:inference-profile/us.anthropic.claude-3-7-sonnet-20250219-v1:0"


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (ARN, "claude"),
        ("eu.amazon.nova-2-lite-v1:0", "nova"),
        ("amazon.titan-text-lite-v1", "titan"),
        ("us.meta.llama3-3-70b-instruct-v1:0", "llama"),
        ("us.mistral.pixtral-large-2502-v1:0", "mistral"),
        ("openai.gpt-oss-120b-1:0", "gpt-oss"),
        ("zai.glm-5", "other"),
    ],
)
def test_the_family_follows_from_the_id(model, expected):
    """Behind ARNs and profiles too."""
    assert expected == family(model).name
    assert is_model_id(model)


def test_ids_that_no_model_can_have():
    """And the one that is said to be missing."""
    assert [False] * 4 == [is_model_id(model) for model in ("missing-model", "sim/claude", "a b", "")]


def test_profiles_lead_to_models():
    """By their id or their ARN."""
    assert "anthropic.claude-3-7-sonnet-20250219-v1:0" == base_id(ARN)
    assert [True, True, False] == [is_profile(m) for m in (ARN, "global.amazon.nova-x", "amazon.nova-x")]


def test_only_the_newest_take_system_messages_in_between():
    """The others have the system field."""
    models = ("us.anthropic.claude-opus-4-8", "anthropic.claude-sonnet-4-5-v1:0")
    assert [True, False] == [takes_inline_system(model) for model in models]
