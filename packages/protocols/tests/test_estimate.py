import msgspec
import pytest

from llmgw_domain.chat import (
    Audio,
    ChatRequest,
    File,
    HostedTool,
    Image,
    Inline,
    Opaque,
    OutputFormat,
    RedactedThinking,
    Remote,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from llmgw_protocols.estimate import IMAGE, PER_TURN, request_tokens, text_tokens

EMPTY = request_tokens(ChatRequest(model="m", turns=()))


def of(*blocks) -> int:
    """What blocks add to an empty turn."""
    return request_tokens(ChatRequest(model="m", turns=(Turn("user", blocks),))) - EMPTY - PER_TURN


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("", 0, 0),
        ("The quick brown fox jumps over the lazy dog.", 9, 11),
        ("def f(x):\n    return x[0] + 12345\n", 12, 20),
        ("internationalization", 2, 4),
        ("今日は良い天気です", 7, 12),
        ("1234567890", 3, 5),
    ],
)
def test_a_text_has_about_as_many_tokens_as_tokenisers_say(text, low, high):
    """Words, digits, signs and other alphabets each in their own measure."""
    assert low <= text_tokens(text) <= high


def test_every_kind_of_block_counts():
    """Nothing in a request is free."""
    long = "x" * 40_000
    assert IMAGE == of(Image(Remote("https://x/y.png")))
    assert of(File(Inline("text/plain", long))) > of(File(Inline("application/pdf", long))) > 0
    assert of(Audio(Inline("audio/wav", long))) > 0
    assert of(File(Remote("https://x/y.pdf"))) > 1000
    assert of(RedactedThinking("x" * 400)) == 100
    assert of(ToolCall("c", "f", '{"a": 1}')) > of(Text("f"))
    assert of(ToolResult("c", (Text("word"),))) > of(Text("word"))
    assert of(Opaque("openai", "k", msgspec.Raw(b'{"a": 1}'))) > 0


def test_tools_and_format_count():
    """Schemas are a part of the prompt."""
    schema = msgspec.Raw(b'{"type":"object","properties":{"city":{"type":"string"}}}')
    tool = Tool(name="weather", description="Tells the weather", schema=schema)
    hosted = HostedTool(family="openai", kind="web_search", json=msgspec.Raw(b'{"type":"web_search"}'))
    wanted = OutputFormat(kind="json_schema", schema=schema)
    for request in (
        ChatRequest(model="m", turns=(), tools=(tool,)),
        ChatRequest(model="m", turns=(), tools=(hosted,)),
        ChatRequest(model="m", turns=(), format=wanted),
    ):
        assert request_tokens(request) > EMPTY
