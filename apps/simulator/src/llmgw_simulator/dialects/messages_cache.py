"""Anthropic Messages: the blocks of a prompt in the order in which it is cached, and the breakpoints between them.

Tools come first, then the system text, then the messages. A `cache_control` at the top of the request stands for one on
the last block that may have it. Tokens are those that the usage counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from llmgw_simulator.ask import Tool
from llmgw_simulator.breakpoints import FIVE_MINUTES, HOUR, MOST, Block
from llmgw_simulator.dialects._checks import is_object
from llmgw_simulator.tokens import count
from llmgw_simulator.wire import Refusal

MEDIA_TOKENS = 85
MESSAGE_TOKENS = 3
_FIELD = "cache_control"
_UNMARKED = ("thinking", "redacted_thinking")
_LIVES = {"5m": FIVE_MINUTES, "1h": HOUR}


def blocks_of(body: dict[str, Any]) -> tuple[Block, ...]:
    """The blocks of a checked request. Raises `Refusal` for breakpoints that are wrong or too many."""
    parts = [*_tools(body), *_system(body), *_messages(body)]
    lives = [_life(block, where) for block, where, _ in parts]
    if is_object(body.get(_FIELD)):
        last = max((at for at, (block, _, _) in enumerate(parts) if _markable(block)), default=None)
        if last is not None:
            lives[last] = _life(body, "")
    marks = sum(life is not None for life in lives)
    if marks > MOST:
        raise Refusal(400, f"A maximum of {MOST} blocks with cache_control may be provided. Found {marks}.")
    return tuple(Block(_text(block), tokens, life) for (block, _, tokens), life in zip(parts, lives, strict=True))


_Part = tuple[dict[str, Any], str, int]
"""A block, where it stands, and its tokens."""


def _tools(body: dict[str, Any]) -> Iterator[_Part]:
    for index, tool in enumerate(body.get("tools") or ()):
        shape = Tool(str(tool.get("name")), tool.get("input_schema") or {})
        yield tool, f"tools.{index}.", count(msgspec.json.encode(shape).decode())


def _system(body: dict[str, Any]) -> Iterator[_Part]:
    for index, block in enumerate(_listed(body.get("system"))):
        own = MESSAGE_TOKENS if index == 0 else 0
        yield block, f"system.{index}.", own + count(str(block.get("text")))


def _messages(body: dict[str, Any]) -> Iterator[_Part]:
    for index, message in enumerate(body["messages"]):
        for order, block in enumerate(_listed(message["content"])):
            own = MESSAGE_TOKENS if order == 0 else 0
            yield {"role": message["role"], **block}, f"messages.{index}.content.{order}.", own + _tokens(block)


def _listed(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())


def _tokens(block: dict[str, Any]) -> int:
    match block.get("type"):
        case "text":
            return count(block["text"])
        case "image" | "document":
            return MEDIA_TOKENS
        case "tool_result":
            return MESSAGE_TOKENS + sum(_tokens(inner) for inner in _listed(block.get("content")))
        case _:
            return 0


def _markable(block: dict[str, Any]) -> bool:
    return block.get("type") not in _UNMARKED and not block.get("defer_loading")


def _life(block: dict[str, Any], where: str) -> float | None:
    """How long the block asks to be kept. Raises `Refusal`."""
    wish = block.get(_FIELD)
    if wish is None:
        return None
    if not is_object(wish) or wish.get("type") != "ephemeral":
        raise Refusal(400, f"{where}cache_control: Input tag does not match any of the expected tags: 'ephemeral'")
    if not _markable(block):
        raise Refusal(400, f"{where}cache_control: Extra inputs are not permitted")
    life = _LIVES.get(wish.get("ttl") or "5m")
    if life is None:
        raise Refusal(400, f"{where}cache_control.ephemeral.ttl: Input should be '5m' or '1h'")
    return life


def _text(block: dict[str, Any]) -> bytes:
    return msgspec.json.encode({name: value for name, value in block.items() if name != _FIELD})
