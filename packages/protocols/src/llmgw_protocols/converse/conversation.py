"""What Converse asks of turns beyond what Anthropic does: what may stand beside a tool result and beside a document.

The turns come from `messages.turns`, in alternation and with every call answered. Where a model takes less beside
results than the client put there, that goes into a user turn of its own behind an assistant's full stop.
"""

from __future__ import annotations

import msgspec

from llmgw_domain.chat import Audio, Block, File, Image, Text, ToolResult, Video
from llmgw_protocols.converse.media import kind_of
from llmgw_protocols.converse.models import Traits
from llmgw_protocols.messages.turns import WireTurn
from llmgw_protocols.placeholders import result_media

_FILLER = Text(".")


def fitted(turns: list[WireTurn], traits: Traits) -> list[WireTurn]:
    """The turns as the model takes them."""
    names: dict[str, str] = {}
    out: list[WireTurn] = []
    for turn in turns:
        names |= {call.id: call.name for call in turn.calls}
        blocks = turn.blocks if traits.media_in_results else _taken_out(turn.blocks, names)
        results = [block for block in blocks if isinstance(block, ToolResult)]
        beside: list[Block] = [block for block in blocks if not isinstance(block, ToolResult)]
        if results and any(_clashes(block, traits) for block in beside):
            out += (WireTurn(turn.role, [*results]), WireTurn("assistant", [_FILLER]))
            blocks = beside
        out.append(WireTurn(turn.role, _with_text(blocks)))
    return out


def _clashes(block: Block, traits: Traits) -> bool:
    if traits.beside_results == "nothing":
        return True
    return traits.beside_results == "no documents" and _kind(block) in ("document", "video")


def _kind(block: Block) -> str:
    return kind_of(block) if isinstance(block, Image | File | Video | Audio) else ""


def _taken_out(blocks: list[Block], names: dict[str, str]) -> list[Block]:
    """The blocks with the media of results behind them."""
    kept: list[Block] = []
    media: list[Block] = []
    for block in blocks:
        if isinstance(block, ToolResult) and (shown := [p for p in block.content if not isinstance(p, Text)]):
            media += (Text(result_media(names.get(block.call_id, block.call_id))), *shown)
            block = msgspec.structs.replace(block, content=tuple(p for p in block.content if isinstance(p, Text)))
        kept.append(block)
    at = sum(isinstance(block, ToolResult) for block in kept)
    return [*kept[:at], *media, *kept[at:]]


def _with_text(blocks: list[Block]) -> list[Block]:
    """A message with a document needs a text."""
    if any(_kind(b) == "document" for b in blocks) and not any(isinstance(b, Text) for b in blocks):
        return [_FILLER, *blocks]
    return blocks
