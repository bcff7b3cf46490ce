"""Cache points: blocks of their own behind what is to be cached, where other dialects mark the block itself.

Bedrock refuses a fifth point, one at the very start of a message, and one right behind a document whose text it
extracts itself; the latter then stands before the document, which is cached with the next turn's point.
"""

from __future__ import annotations

from typing import Any

from llmgw_domain.chat import CacheMark
from llmgw_protocols.converse.models import Place, Traits
from llmgw_protocols.messages.content import MAX_MARKS

Blocks = list[Any]


class Marks:
    """The points of one request, in the order of the prompt: tools, system, messages."""

    def __init__(self, traits: Traits) -> None:
        self._traits = traits
        self._points: list[tuple[Blocks, dict[str, str]]] = []

    def put(self, place: Place, blocks: Blocks, mark: CacheMark | None) -> None:
        """Puts a point behind the last block; models that cache nothing there get none."""
        if mark is None or place not in self._traits.caches:
            return
        at = len(blocks)
        while at and _is_extracted(blocks[at - 1]):
            at -= 1
        if at == 0 or _is_point(blocks[at - 1]):
            return
        point = {"type": "default"}
        if mark.ttl == "1h" and self._traits.long_cache:
            point["ttl"] = "1h"
        blocks.insert(at, {"cachePoint": point})
        self._points.append((blocks, point))

    def settle(self) -> None:
        """Keeps the latest points, which cache the longest prefixes, and shortens a long one behind a short one."""
        for blocks, point in self._points[:-MAX_MARKS]:
            blocks[:] = [block for block in blocks if not _is_point(block) or block["cachePoint"] is not point]
        short = False
        for _, point in self._points[-MAX_MARKS:]:
            if short:
                point.pop("ttl", None)
            short = short or "ttl" not in point


def _is_extracted(block: Any) -> bool:
    return isinstance(block, dict) and "document" in block and block["document"].get("format") != "pdf"


def _is_point(block: Any) -> bool:
    return isinstance(block, dict) and "cachePoint" in block
