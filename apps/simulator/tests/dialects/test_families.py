import pytest

from llmgw_simulator.dialects._families import (
    active,
    check_chat_tools,
    check_effort,
    check_sampling,
    default_effort,
    never_reasons,
    version,
)
from llmgw_simulator.wire import Refusal

TOOLS = {"tools": [{}]}


def refused(check, *arguments, **more):
    try:
        check(*arguments, **more)
    except Refusal as refusal:
        return refusal.message, refusal.param, refusal.code
    return None


@pytest.mark.parametrize(
    ("model", "number", "effort", "never"),
    [
        ("o3-mini", (0, 0), "medium", False),
        ("gpt-5-nano", (5, 0), "medium", False),
        ("gpt-5.2", (5, 2), "none", False),
        ("gpt-5.5-pro", (5, 5), "medium", False),
        ("gpt-6.1-sol", (6, 1), "medium", False),
        ("gpt-5-chat-latest", (0, 0), None, True),
        ("gpt-4o", (4, 0), None, True),
        ("gpt-35-turbo", (0, 0), None, True),
        ("sim/gpt", (0, 0), None, False),
    ],
)
def test_families(model, number, effort, never):
    """Which reason by themselves, when asked, or never."""
    assert (number, effort, never) == (version(model), default_effort(model), never_reasons(model))
    assert (effort == "medium") == active(model, None)


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        ("gpt-5.3", "high", None),
        ("gpt-5.4", None, None),
        ("gpt-5.4", "none", None),
        ("gpt-5.4-mini", "low", "Please use /v1/responses instead."),
        ("gpt-5.5", None, None),
        ("gpt-5.5", "low", "Please use /v1/responses instead."),
        ("gpt-5.6-sol", "none", None),
        ("gpt-5.6-sol", None, "To use function tools, use /v1/responses or set reasoning_effort to 'none'."),
        ("gpt-6-astra", None, "To use function tools, use /v1/responses or set reasoning_effort to 'none'."),
        ("sim/gpt", "high", None),
    ],
)
def test_chat_has_no_tools_with_reasoning_any_more(model, effort, expected):
    """From gpt-5.4 on when an effort is asked for, from gpt-5.6 on also with the model's own."""
    body = {**TOOLS, **({"reasoning_effort": effort} if effort else {})}
    message = f"Function tools with reasoning_effort are not supported for {model} in /v1/chat/completions. {expected}"
    assert ((message, "reasoning_effort", None) if expected else None) == refused(check_chat_tools, body, model)
    assert None is refused(check_chat_tools, body | {"tools": []}, model)


@pytest.mark.parametrize(
    ("body", "model", "effort", "expected"),
    [
        ({"temperature": 0.2}, "gpt-5", None, "unsupported_value"),
        ({"temperature": 0.2}, "o3", None, "unsupported_parameter"),
        ({"top_p": 0.5}, "gpt-5", None, "unsupported_parameter"),
        ({"logprobs": True}, "gpt-5", None, "unsupported_parameter"),
        ({"stop": ["x"]}, "o3", None, "unsupported_parameter"),
        ({"temperature": 1, "top_p": 1, "presence_penalty": 0, "logprobs": False}, "gpt-5", None, None),
        ({"temperature": 0.2}, "gpt-5.2", None, None),
        ({"temperature": 0.2}, "gpt-5.2", "low", "unsupported_value"),
        ({"temperature": 0.2}, "gpt-5.5", "none", None),
        ({"temperature": 0.2}, "gpt-4o", None, None),
        ({"temperature": 0.2}, "sim/gpt", "high", None),
    ],
)
def test_models_that_reason_take_no_sampling(body, model, effort, expected):
    """But for the defaults; Responses gives no code."""
    found = refused(check_sampling, body, model, effort)
    assert expected == (found and found[2])
    name = next(iter(body))
    message = f"Unsupported parameter: '{name}' is not supported with this model."
    assert (expected and (message, name, None)) == refused(check_sampling, body, model, effort, responses=True)


def test_minimal_came_to_an_end():
    """With gpt-5.6."""
    assert None is refused(check_effort, "minimal", "gpt-5", "reasoning_effort")
    assert "unsupported_value" == refused(check_effort, "minimal", "gpt-5.6", "reasoning_effort")[2]
