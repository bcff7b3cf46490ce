import pytest

from llmgw_simulator.dialects.messages_models import check_abilities
from llmgw_simulator.dialects.messages_request import parse_messages
from llmgw_simulator.wire import Refusal

USER = {"role": "user", "content": "Hello"}
PREFILL = {"messages": [USER, {"role": "assistant", "content": "So"}]}
ADAPTIVE, DISABLED = {"thinking": {"type": "adaptive"}}, {"thinking": {"type": "disabled"}}
BUDGET = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
FORCED = {"tool_choice": {"type": "any"}}
SCHEMA = {"output_config": {"format": {"type": "json_schema", "schema": {}}}}


def check(model, **more):
    check_abilities({"model": model, "messages": [USER], **more})


@pytest.mark.parametrize(
    ("able", "unable", "more", "message"),
    [
        ("claude-opus-4-6", "claude-opus-4-7", {"temperature": 1.0}, "`temperature` is deprecated for this model."),
        ("claude-sonnet-4-6", "claude-sonnet-5", {"top_k": 1}, "`top_k` is deprecated for this model."),
        ("claude-opus-4-6", "claude-opus-4-7", BUDGET, '"thinking.type.enabled" is not supported for this model. Use'),
        ("claude-3-7-sonnet-20250219", "claude-3-5-haiku-20241022", BUDGET, '"thinking.type.enabled" is not supported'),
        ("claude-sonnet-4-6", "claude-sonnet-4-5", ADAPTIVE, "adaptive thinking is not supported on this model"),
        ("claude-opus-5", "claude-opus-5-5", DISABLED, '"thinking.type.disabled" is not supported for this model.'),
        ("claude-opus-4-5", "claude-sonnet-4-5", {"output_config": {"effort": "low"}}, "does not support the effort"),
        (
            "claude-opus-4-7",
            "claude-opus-4-6",
            {"output_config": {"effort": "xhigh"}},
            "effort: 'xhigh' is not supported",
        ),
        ("claude-sonnet-4-5", "claude-sonnet-4-20250514", SCHEMA, "structured outputs are not supported"),
        ("claude-sonnet-4-5", "claude-sonnet-4-6", PREFILL, "does not support assistant message prefill."),
        ("claude-opus-5", "claude-fable-5", FORCED, "tool_choice: `any` is not supported by this model."),
    ],
)
def test_models_differ(able, unable, more, message):
    """What one takes the other refuses; a name that is no Claude's refuses nothing."""
    check(able, **more)
    check("sim/claude", **more)
    with pytest.raises(Refusal) as caught:
        check(unable, **more)
    assert message in caught.value.message


def test_requests_are_checked_against_their_model():
    """Also behind the prefix of Bedrock."""
    body = {"model": "us.anthropic.claude-opus-4-7", "max_tokens": 5, "messages": [USER], "temperature": 1}
    with pytest.raises(Refusal, match="deprecated for this model"):
        parse_messages(body, "2023-06-01", "")
