"""A client's Messages request as a canonical one.

What only Anthropic knows goes to `extras`, raw and by the client's name; parts of `output_config` that have no
canonical place are there as `output_config.NAME`. A document's wish to be cited is noted as `citations`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import msgspec

from llmgw_domain.chat import (
    Block,
    ChatRequest,
    Effort,
    HostedTool,
    OutputFormat,
    Reasoning,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
    Turn,
)
from llmgw_domain.errors import InvalidField
from llmgw_protocols.dialect import Envelope
from llmgw_protocols.messages import _wire
from llmgw_protocols.messages import blocks as _blocks
from llmgw_protocols.messages.reading import is_null, read

_TAKEN = frozenset(
    (
        "model",
        "messages",
        "system",
        "max_tokens",
        "stream",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "output_format",
        "metadata",
        "service_tier",
    )
)
_EFFORTS = frozenset(get_args(Effort))
_CITED = b'"citations"'


def parse(envelope: Envelope) -> ChatRequest:
    """The canonical request. Raises `InvalidField` with the dotted path of what is wrong."""
    get = _Fields(envelope.fields)
    choice, parallel = _tool_choice(get("tool_choice", _wire.ToolChoice))
    config: dict[str, msgspec.Raw] = get("output_config", dict[str, msgspec.Raw]) or {}
    metadata: _wire.Metadata | None = get("metadata", _wire.Metadata)
    return ChatRequest(
        model=envelope.model,
        turns=_turns(get),
        stream=envelope.stream,
        include_usage=True,
        max_tokens=get("max_tokens", int),
        temperature=get("temperature", float),
        top_p=get("top_p", float),
        top_k=get("top_k", int),
        stop=tuple(get("stop_sequences", list[str]) or ()),
        tools=_tools(get("tools", list[msgspec.Raw]) or []),
        tool_choice=choice,
        parallel_tool_calls=parallel,
        format=_format(config, get("output_format", msgspec.Raw)),
        reasoning=_reasoning(get("thinking", _wire.Thinking), config),
        user=metadata.user_id if metadata else None,
        service_tier=get("service_tier", str),
        family=_blocks.FAMILY,
        extras=_extras(envelope.fields, config),
    )


class _Fields:
    """Top-level fields by name and type; absent and null are both None."""

    def __init__(self, fields: dict[str, msgspec.Raw]) -> None:
        self._fields = fields

    def __call__(self, name: str, kind: Any) -> Any:
        raw = self._fields.get(name)
        return None if raw is None or is_null(raw) else read(raw, kind, name)


def _turns(get: Callable[[str, Any], Any]) -> tuple[Turn, ...]:
    turns: list[Turn] = []
    system = get("system", str | list[msgspec.Raw])
    if system and (blocks := _blocks.content(system, "system")):
        turns.append(Turn("system", blocks))
    for at, raw in enumerate(get("messages", list[msgspec.Raw]) or []):
        message: _wire.Message = read(raw, _wire.Message, f"messages.{at}")
        blocks = _blocks.content(message.content, f"messages.{at}.content")
        if message.role == "system":
            _check_texts(blocks, f"messages.{at}.content")
        turns.append(Turn(message.role, _without_results(blocks, at) if message.role != "user" else blocks))
    return tuple(turns)


def _check_texts(blocks: tuple[Block, ...], path: str) -> None:
    if not all(isinstance(block, Text) for block in blocks):
        raise InvalidField(f"{path}: system messages hold text only.", param=path)


def _without_results(blocks: tuple[Block, ...], at: int) -> tuple[Block, ...]:
    for number, block in enumerate(blocks):
        if isinstance(block, ToolResult):
            path = f"messages.{at}.content.{number}"
            raise InvalidField(f"{path}: tool_result blocks belong in user messages.", param=path)
    return blocks


def _tools(raws: list[msgspec.Raw]) -> tuple[Tool | HostedTool, ...]:
    return tuple(_tool(raw, f"tools.{at}") for at, raw in enumerate(raws))


def _tool(raw: msgspec.Raw, path: str) -> Tool | HostedTool:
    kind: str | None = read(raw, _wire.ToolHead, path).type
    if kind not in (None, "custom"):
        return HostedTool(family=_blocks.FAMILY, kind=kind, json=raw.copy())
    tool: _wire.ClientTool = read(raw, _wire.ClientTool, path)
    return Tool(
        name=tool.name,
        description=tool.description,
        schema=tool.input_schema.copy(),
        strict=tool.strict,
        cache=_blocks.mark(tool.cache_control),
    )


def _tool_choice(choice: _wire.ToolChoice | None) -> tuple[ToolChoice | None, bool | None]:
    if choice is None:
        return None, None
    parallel = False if choice.disable_parallel_tool_use else None
    match choice.type:
        case "any":
            return ToolChoice("required"), parallel
        case "tool":
            if not choice.name:
                raise InvalidField("tool_choice.name: field required with type 'tool'.", param="tool_choice.name")
            return ToolChoice("named", (choice.name,)), parallel
    return ToolChoice(choice.type), parallel


def _reasoning(thinking: _wire.Thinking | None, config: dict[str, msgspec.Raw]) -> Reasoning | None:
    effort = _effort(config)
    if thinking is None:
        return Reasoning(effort=effort) if effort else None
    if thinking.type == "disabled":
        return Reasoning(effort=effort or "none", mode="disabled")
    show = {"omitted": False, "summarized": True}.get(thinking.display or "")
    # An effort says more than a budget to models of other families, so it wins.
    budget = None if effort else thinking.budget_tokens
    mode: Any = "enabled" if thinking.type == "enabled" else "adaptive"
    return Reasoning(effort=effort, budget=budget, mode=mode, show=show)


def _effort(config: dict[str, msgspec.Raw]) -> Effort | None:
    raw = config.get("effort")
    effort = None if raw is None else read(raw, str | None, "output_config.effort")
    if effort is not None and effort not in _EFFORTS:
        known = ", ".join(get_args(Effort))
        raise InvalidField(f"output_config.effort: must be one of {known}.", param="output_config.effort")
    return effort


def _format(config: dict[str, msgspec.Raw], old: msgspec.Raw | None) -> OutputFormat | None:
    raw, path = (config["format"], "output_config.format") if "format" in config else (old, "output_format")
    wanted: _wire.Format | None = None if raw is None else read(raw, _wire.Format | None, path)
    if wanted is None:
        return None
    if wanted.type != "json_schema" or not wanted.schema:
        raise InvalidField(f"{path}: must be an object with type 'json_schema' and a schema.", param=path)
    return OutputFormat(kind="json_schema", name="output", schema=wanted.schema.copy(), strict=True)


def _extras(fields: dict[str, msgspec.Raw], config: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    extras = {name: raw for name, raw in fields.items() if name not in _TAKEN and not is_null(raw)}
    extras |= {f"output_config.{n}": raw.copy() for n, raw in config.items() if n not in ("effort", "format")}
    if _wants_citations(fields["messages"]):
        extras["citations"] = msgspec.Raw(b"true")
    return extras


def _wants_citations(messages: msgspec.Raw) -> bool:
    # Rare, so the bytes are searched before anything is decoded twice.
    if _CITED not in bytes(messages):
        return False
    for message in read(messages, list[_wire.Message], "messages"):
        blocks = message.content if isinstance(message.content, list) else []
        for raw in blocks:
            if read(raw, _wire.Typed, "messages").type != "document":
                continue
            wish = read(raw, _wire.MediaBlock, "messages").citations
            if wish and wish.enabled:
                return True
    return False
