"""The parts of an assistant message that streams and bodies share."""

import pytest

from llmgw_domain.chat import Image, Inline, RedactedThinking, Refusal, Text, Thinking, ToolCall
from llmgw_domain.stream import Choice, Cited, Finished, FinishReason
from llmgw_protocols.chat import message


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-sonnet-4-5", "anthropic-claude-v1"),
        ("google/gemini-3-pro", "google-gemini-v1"),
        ("gpt-5", "openai-responses-v1"),
        ("llama", "unknown"),
        ("", "unknown"),
    ],
)
def test_format_of(model: str, expected: str) -> None:
    """The model's name tells whose reasoning it is."""
    assert expected == message.format_of(model)


def test_a_choice_with_everything() -> None:
    """Texts are joined, reasoning is said in its three forms, calls and media keep their order."""
    blocks = [
        Thinking("t", "s"),
        Text("a"),
        RedactedThinking("d"),
        Text("b"),
        Refusal("no"),
        ToolCall("i", "f", "{}", "g"),
        Image(Inline("image/png", "AA==")),
    ]
    cited = Cited("u")
    made = message.choice(
        Choice(index=1, blocks=blocks, citations=[cited], finish=Finished(FinishReason.STOP, 1)), "unknown"
    )
    assert made == {
        "index": 1,
        "finish_reason": "stop",
        "logprobs": None,
        "message": {
            "role": "assistant",
            "content": "ab",
            "refusal": "no",
            "annotations": [
                {
                    "type": "url_citation",
                    "url_citation": {"url": "u", "title": "", "start_index": 0, "end_index": 0},
                }
            ],
            "tool_calls": [
                {
                    "id": "i",
                    "type": "function",
                    "function": {"name": "f", "arguments": "{}"},
                    "extra_content": {"google": {"thought_signature": "g"}},
                    "provider_specific_fields": {"thought_signature": "g"},
                }
            ],
            "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}],
            "reasoning_content": "t",
            "thinking_blocks": [
                {"type": "thinking", "thinking": "t", "signature": "s"},
                {"type": "redacted_thinking", "data": "d"},
            ],
            "reasoning_details": [
                {"type": "reasoning.text", "text": "t", "signature": "s", "format": "unknown", "index": 0},
                {"type": "reasoning.encrypted", "data": "d", "format": "unknown", "index": 1},
            ],
        },
    }
