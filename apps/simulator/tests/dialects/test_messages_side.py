import anthropic
import pytest

from llmgw_simulator import Simulator
from llmgw_simulator.dialects.messages_request import parse_messages
from llmgw_simulator.dialects.messages_side import count_messages
from llmgw_simulator.engine import prompt_tokens
from llmgw_simulator.wire import Refusal

BODY = {"model": "claude", "messages": [{"role": "user", "content": "Hello"}]}


def test_tokens_are_those_of_the_message():
    """System prompt and tools included; a budget needs no limit to be compared with."""
    tools = [{"name": "f", "input_schema": {"type": "object"}}]
    body = BODY | {"system": "Be terse.", "tools": tools, "thinking": {"type": "enabled", "budget_tokens": 50_000}}
    ask = parse_messages(body | {"max_tokens": 60_000}, "2026-10-21", "").ask
    assert {"input_tokens": prompt_tokens(ask)} == count_messages(body, "2026-10-21", "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_tokens": 5}, "max_tokens: Extra inputs are not permitted"),
        ({"stream": False}, "stream: Extra inputs are not permitted"),
        ({"temperature": 1}, "temperature: Extra inputs are not permitted"),
        ({"context_management": {}}, "context_management: Extra inputs are not permitted"),
        ({"messages": None}, "messages: Field required"),
        ({"model": None}, "model: Field required"),
        ({"model": "missing-model"}, "model: missing-model"),
    ],
)
def test_what_is_about_the_answer_is_not_known(change, message):
    """And what is about the prompt is checked as ever."""
    body = {name: value for name, value in {**BODY, **change}.items() if value is not None}
    with pytest.raises(Refusal, match=message):
        count_messages(body, "2023-06-01", "")


async def test_the_official_sdk_counts():
    """By header or in a beta."""
    async with (
        Simulator().serve() as running,
        anthropic.AsyncAnthropic(api_key="key-1", base_url=running.base_url) as client,
    ):
        counted = await client.messages.count_tokens(**BODY)
        answer = await client.messages.create(max_tokens=100, **BODY)
        assert counted.input_tokens == answer.usage.input_tokens
        assert await client.beta.messages.count_tokens(context_management={"edits": []}, betas=["b"], **BODY)
