"""Turns as Converse's messages."""

import base64
from typing import Any

import msgspec
import pytest

from llmgw_domain.chat import (
    Block,
    CacheMark,
    Image,
    Inline,
    Opaque,
    Origin,
    RedactedThinking,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from llmgw_protocols.converse.content import ContentWriter
from llmgw_protocols.converse.marks import Marks
from llmgw_protocols.converse.models import traits_of
from llmgw_protocols.losses import Losses
from llmgw_protocols.messages.turns import WireTurn

CLAUDE, LLAMA = "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us.meta.llama3-3-70b-instruct-v1:0"
POINT = {"cachePoint": {"type": "default"}}
MARK = CacheMark()


def _content(*blocks: Block, model: str = CLAUDE, losses: Losses | None = None) -> Any:
    traits = traits_of(model)
    writer = ContentWriter(traits, Marks(traits), losses or Losses("openai"))
    message = writer.message(WireTurn("user", list(blocks)))
    assert "user" == message["role"]
    return msgspec.json.decode(msgspec.json.encode(message["content"]))


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (Text("a"), {"text": "a"}),
        (Refusal("no"), {"text": "no"}),
        (Thinking("t", "sig"), {"reasoningContent": {"reasoningText": {"text": "t", "signature": "sig"}}}),
        (
            RedactedThinking("EabC", Origin("anthropic")),
            {"reasoningContent": {"redactedContent": base64.b64encode(b"EabC").decode()}},
        ),
        (RedactedThinking("QQ==", Origin("bedrock")), {"reasoningContent": {"redactedContent": "QQ=="}}),
        (ToolCall("c", "f", '{"n":1.0}'), {"toolUse": {"toolUseId": "c", "name": "f", "input": {"n": 1.0}}}),
        (ToolCall("c", "f", ""), {"toolUse": {"toolUseId": "c", "name": "f", "input": {}}}),
        (Opaque("bedrock", "toolUse", msgspec.Raw(b'{"toolUse":{}}')), {"toolUse": {}}),
        (
            ToolResult("c", (Text("a"), Text("b"))),
            {"toolResult": {"toolUseId": "c", "content": [{"text": "a"}, {"text": "b"}]}},
        ),
        (ToolResult("c", ()), {"toolResult": {"toolUseId": "c", "content": [{"text": "(empty)"}]}}),
        (ToolResult("c", (Text(" "),)), {"toolResult": {"toolUseId": "c", "content": [{"text": "(empty)"}]}}),
        (
            ToolResult("c", (Image(Inline("image/png", "QQ==")),), error=True),
            {
                "toolResult": {
                    "toolUseId": "c",
                    "content": [{"image": {"format": "png", "source": {"bytes": "QQ=="}}}],
                    "status": "error",
                }
            },
        ),
    ],
)
def test_a_block(block: Block, expected: Any) -> None:
    """Each block has its form; no text is blank and no result empty."""
    assert [expected] == _content(block)


def test_an_error_where_results_have_no_status() -> None:
    """A model without a status of results reads in words that a call failed."""
    (block,) = _content(ToolResult("c", (Text("no such file"),), error=True), model=LLAMA)
    assert {"toolUseId": "c", "content": [{"text": "Error:"}, {"text": "no such file"}]} == block["toolResult"]


def test_arguments_that_are_no_json() -> None:
    """They are sent as they are, and reported."""
    losses = Losses("openai")
    (block,) = _content(ToolCall("c", "f", "{no"), losses=losses)
    assert {"__raw_arguments": "{no"} == block["toolUse"]["input"]
    assert ("messages.tool_calls.function.arguments",) == losses.names()


def test_points_follow_what_is_marked() -> None:
    """A mark becomes a point behind its block; one inside of a result stands behind the result."""
    content = _content(
        Text("a", MARK), Text("b"), ToolResult("c", (Text("d", MARK),)), ToolCall("e", "f", "", cache=MARK)
    )
    assert ["text", "cachePoint", "text", "toolResult", "cachePoint", "toolUse", "cachePoint"] == [
        next(iter(b)) for b in content
    ]


def test_system_text() -> None:
    """System texts keep their order and their points."""
    traits = traits_of(CLAUDE)
    writer = ContentWriter(traits, Marks(traits), Losses("openai"))
    assert [{"text": "a"}, POINT, {"text": "b"}] == writer.system([Text("a", MARK), Text("b")])
