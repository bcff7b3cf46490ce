"""The parts of an assistant message that streams and bodies share."""

from llmgw_domain.chat import Image, Inline, Origin, RedactedThinking, Refusal, Text, Thinking, ToolCall
from llmgw_domain.stream import Choice, Cited, Finished, FinishReason
from llmgw_protocols.chat import message


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


def test_only_what_may_be_anthropics_stands_in_thinking_blocks() -> None:
    """Clients take `thinking_blocks` for Anthropic's, so another family's signature stands in the details alone."""
    google = Thinking("t", "s", Origin("google"))
    made = message.choice(Choice(index=0, blocks=[google, Thinking("u")]), "")["message"]
    detail = {"type": "reasoning.text", "text": "t", "signature": "s", "format": "google-gemini-v1", "index": 0}
    assert ("tu", [detail], False) == (made["reasoning_content"], made["reasoning_details"], "thinking_blocks" in made)


def test_a_finish_in_words_of_its_days() -> None:
    """Calls end in another reason for clients that know functions only."""
    called = FinishReason.TOOL_CALLS
    assert ["tool_calls", "function_call"] == [message.finish(called, functions=old) for old in (False, True)]
    assert "length" == message.finish(FinishReason.LENGTH, functions=True)
