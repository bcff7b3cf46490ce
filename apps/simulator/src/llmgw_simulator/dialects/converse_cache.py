"""Bedrock Converse: the blocks of a prompt in the order in which it is cached, and the cache points behind them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from llmgw_simulator.ask import Tool
from llmgw_simulator.breakpoints import FIVE_MINUTES, HOUR, MOST, Block
from llmgw_simulator.dialects.coral import invalid
from llmgw_simulator.tokens import count

_MEDIA_TOKENS = 85
_MESSAGE_TOKENS = 3
_LIVES = {"5m": FIVE_MINUTES, "1h": HOUR}


def converse_blocks(body: dict[str, Any]) -> tuple[Block, ...]:
    """The blocks of a checked request. Raises `Refusal` for too many cache points."""
    blocks: list[Block] = []
    points = 0
    for block, tokens in _parts(body):
        point = block.get("cachePoint")
        if point is None:
            blocks.append(Block(msgspec.json.encode(block), tokens))
            continue
        points += 1
        if blocks:
            blocks[-1] = msgspec.structs.replace(blocks[-1], life=_LIVES[point.get("ttl") or "5m"])
    if points > MOST:
        invalid(
            f"The number of cache points ({points}) in the request exceeds the maximum of {MOST}. Remove some of them "
            "and try again."
        )
    return tuple(blocks)


def _parts(body: dict[str, Any]) -> Iterator[tuple[dict[str, Any], int]]:
    for tool in (body.get("toolConfig") or {}).get("tools") or ():
        spec = tool.get("toolSpec") or {}
        shape = Tool(str(spec.get("name")), (spec.get("inputSchema") or {}).get("json") or {})
        yield tool, count(msgspec.json.encode(shape).decode()) if spec else 0
    for order, block in enumerate(body.get("system") or ()):
        yield block, (_MESSAGE_TOKENS if order == 0 else 0) + count(str(block.get("text") or ""))
    for message in body.get("messages") or ():
        for order, block in enumerate(message["content"]):
            own = _MESSAGE_TOKENS if order == 0 else 0
            yield ({"role": message["role"], **block}, own + _tokens(block))


def _tokens(block: dict[str, Any]) -> int:
    if block.get("text") is not None:
        return count(block["text"])
    if block.get("toolResult") is not None:
        return _MESSAGE_TOKENS + sum(_tokens(inner) for inner in block["toolResult"]["content"])
    if block.get("json") is not None:
        return count(msgspec.json.encode(block["json"]).decode())
    return _MEDIA_TOKENS if any(block.get(name) for name in ("image", "document", "video")) else 0
