"""A whole answer's blocks as events."""

import pytest
from msgspec import Raw

from llmgw_domain.chat import (
    Block,
    Image,
    Inline,
    Opaque,
    Origin,
    RedactedThinking,
    Refusal,
    Remote,
    Text,
    Thinking,
    ToolCall,
)
from llmgw_domain.stream import Answer
from llmgw_protocols.responses.replay import events_of


@pytest.mark.parametrize(
    "block",
    [
        Text("a"),
        Refusal("No"),
        Thinking("Hm."),
        Thinking("Hm.", "s", Origin("anthropic")),
        RedactedThinking("d", Origin("openai")),
        RedactedThinking("d"),
        ToolCall("c", "f", "{}", "sig"),
        ToolCall("c", "f", "x", custom=True),
        Image(Inline("image/png", "aW1n")),
        Opaque("openai", "web_search_call", Raw(b"{}")),
    ],
)
def test_the_events_fold_to_the_block(block: Block) -> None:
    """A body tells what the stream would have told."""
    assert [block] == Answer.fold(events_of(block, 0)).choices[0].blocks


def test_what_no_model_makes_has_no_events() -> None:
    """An image at an address is a client's."""
    assert [] == events_of(Image(Remote("https://a")), 0)
