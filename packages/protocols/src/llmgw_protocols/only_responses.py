"""What only OpenAI Responses can say, taken out of a request that goes to a provider of another dialect.

A Responses client sends tools that run at OpenAI, items that only OpenAI can read, and fields that no other API has.
Agents send some of them always (Codex: its web search), so they are reported as lost, not refused. Renderers begin with
`without`; requests of other clients pass unchanged.
"""

from __future__ import annotations

import msgspec

from llmgw_domain.chat import ChatRequest, HostedTool, Opaque, Tool, Turn
from llmgw_protocols.losses import Losses

DIALECT = "responses"

_SEARCHES = frozenset(("web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11"))
_ALSO_CHATS = frozenset(("metadata", "moderation", "prompt_cache_options", "prompt_cache_retention", "verbosity"))
"""Fields that Chat Completions has too, so that the other dialects know what to do with them."""


class _Search(msgspec.Struct):
    external_web_access: bool | None = None


_search = msgspec.json.Decoder(_Search)


def without(request: ChatRequest, losses: Losses, *, searches: bool = False) -> ChatRequest:
    """The request without what only Responses can say. `searches`: the target has a web search of its own."""
    if request.dialect != DIALECT:
        return request
    return msgspec.structs.replace(
        request,
        turns=_turns(request.turns, losses),
        tools=tuple(t for t in request.tools if _stays(t, searches, losses)),
        extras={name: raw for name, raw in request.extras.items() if _is_known(name, losses)},
    )


def _stays(tool: Tool | HostedTool, searches: bool, losses: Losses) -> bool:
    if isinstance(tool, Tool) or (searches and _is_search(tool)):
        return True
    losses.add(f"tools.{tool.kind}")
    return False


def _is_search(tool: HostedTool) -> bool:
    """A search of the live web; a client may also ask for OpenAI's index alone."""
    if tool.kind not in _SEARCHES:
        return False
    try:
        return _search.decode(tool.json).external_web_access is not False
    except msgspec.ValidationError:
        return False


def _is_known(name: str, losses: Losses) -> bool:
    if name in _ALSO_CHATS:
        return True
    losses.add(name)
    return False


def _turns(turns: tuple[Turn, ...], losses: Losses) -> tuple[Turn, ...]:
    return tuple(kept for turn in turns if (kept := _turn(turn, losses)) is not None)


def _turn(turn: Turn, losses: Losses) -> Turn | None:
    foreign = [block for block in turn.content if isinstance(block, Opaque)]
    if not foreign:
        return turn
    for block in foreign:
        losses.add(f"messages.{block.kind}")
    kept = tuple(block for block in turn.content if not isinstance(block, Opaque))
    return msgspec.structs.replace(turn, content=kept) if kept else None
