"""Tool names as the targets take them.

A name that is illegal for a target gets an alias: the same in every request of a conversation, since it is made of the
name alone, legal everywhere, and no other tool's name. It stands in the whole request (tools, choice, calls and results
of earlier turns); the model answers with it, so what it stands for is told to the reader of the answer. The request is
rewritten in its canonical form, before a renderer sees it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping

import msgspec

from llmgw_domain import Provider
from llmgw_domain.chat import Block, ChatRequest, HostedTool, Tool, ToolCall, ToolResult, Turn

OPENAI = re.compile(r"[A-Za-z0-9_-]{1,64}")
CONVERSE = OPENAI
ANTHROPIC = re.compile(r"[A-Za-z0-9_-]{1,128}")
GOOGLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")

_ODD = re.compile(r"[^A-Za-z0-9_-]")
_HEAD, _DIGEST = 51, 12
"""Characters of the name itself and of its digest: with the line between them, the shortest limit of all."""


def openais(provider: Provider) -> re.Pattern[str] | None:
    """The rule of a provider that speaks OpenAI's dialects. Nothing is known of compatible servers in general."""
    return None if provider is Provider.OPENAI_COMPATIBLE else OPENAI


def aliased(request: ChatRequest, legal: re.Pattern[str] | None) -> tuple[ChatRequest, dict[str, str]]:
    """The request with legal names only, and the client's name by each alias. `legal` is None where any name is."""
    said = dict.fromkeys(_names(request))
    odd = [name for name in said if legal is not None and not legal.fullmatch(name)]
    if not odd:
        return request, {}
    taken = set(said)
    given = {name: _alias(name, taken) for name in odd}
    choice = request.tool_choice
    renamed = msgspec.structs.replace(
        request,
        turns=tuple(_turn(turn, given) for turn in request.turns),
        tools=tuple(_tool(tool, given) for tool in request.tools),
        tool_choice=choice
        and msgspec.structs.replace(choice, names=tuple(given.get(name, name) for name in choice.names)),
    )
    return renamed, {alias: name for name, alias in given.items()}


def _names(request: ChatRequest) -> Iterator[str]:
    yield from (tool.name for tool in request.tools if isinstance(tool, Tool))
    yield from request.tool_choice.names if request.tool_choice else ()
    for turn in request.turns:
        for block in turn.content:
            if isinstance(block, ToolCall | ToolResult) and block.name is not None:
                yield block.name


def _alias(name: str, taken: set[str]) -> str:
    """A readable name that nothing else has; from now on it is taken."""
    head = _ODD.sub("_", name)
    if head[:1] != "_" and not head[:1].isalpha():
        head = "_" + head
    alias, salt = "", ""
    while not alias or alias in taken:
        digest = hashlib.sha256((name + salt).encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
        alias, salt = f"{head[:_HEAD]}_{digest}", salt + "\n"
    taken.add(alias)
    return alias


def _tool(tool: Tool | HostedTool, given: Mapping[str, str]) -> Tool | HostedTool:
    if isinstance(tool, Tool) and tool.name in given:
        return msgspec.structs.replace(tool, name=given[tool.name])
    return tool


def _turn(turn: Turn, given: Mapping[str, str]) -> Turn:
    if not any(isinstance(block, ToolCall | ToolResult) for block in turn.content):
        return turn
    return msgspec.structs.replace(turn, content=tuple(_block(block, given) for block in turn.content))


def _block(block: Block, given: Mapping[str, str]) -> Block:
    if not isinstance(block, ToolCall | ToolResult):
        return block
    name = block.name
    return block if name is None or name not in given else msgspec.structs.replace(block, name=given[name])
