"""A whole answer's blocks as the events that they were folded from, so that a body is made the way a stream is."""

from __future__ import annotations

from llmgw_domain.chat import Block, Image, Inline, Opaque, RedactedThinking, Refusal, Text, Thinking, ToolCall
from llmgw_domain.stream import (
    MediaMade,
    OpaqueMade,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    ToolDelta,
    ToolOpened,
)


def events_of(block: Block, calls: int) -> list[StreamEvent]:
    """The events of a whole block; `calls` is the number of calls before it."""
    match block:
        case Text(text=text):
            return [TextDelta(text)]
        case Refusal(text=text):
            return [RefusalDelta(text)]
        case Thinking(text=text, signature=signature, origin=origin):
            family = origin.family if origin else ""
            return [ThinkingDelta(text), *([ThinkingSigned(signature, family=family)] if signature else [])]
        case RedactedThinking(data=data, origin=origin):
            return [ThinkingRedacted(data, family=origin.family if origin else "")]
        case ToolCall(id=id_, name=name, arguments=arguments, signature=signature, custom=custom):
            return [ToolOpened(calls, id_, name, signature, custom=custom), ToolDelta(calls, arguments)]
        case Image(source=Inline(media_type=kind, data=data)):
            return [MediaMade(kind, data)]
        case Opaque(family=family, kind=kind, json=json):
            return [OpaqueMade(family, kind, json)]
    return []
