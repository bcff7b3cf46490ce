"""Anthropic Messages, the request: checked as the provider checks it, and turned into an `Ask`.

Two versions of the API are known: `2026-10-21`, which has no sampling fields, and everything before it.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from llmgw_simulator.ask import Ask, Choice, Media, Tool, ToolResult, Turn
from llmgw_simulator.dialects._checks import inline, is_integer, is_object, is_objects, is_texts
from llmgw_simulator.dialects._fields import BETA_FIELDS, MESSAGES_FIELDS
from llmgw_simulator.dialects.messages_cache import blocks_of
from llmgw_simulator.dialects.messages_models import check_abilities
from llmgw_simulator.dialects.messages_thinking import MAGIC, check_thinking
from llmgw_simulator.wire import Parsed, Refusal

SAMPLING_FIELDS = frozenset({"temperature", "top_p", "top_k"})
"""Fields that the API had before its version 2026-10-21."""


_NEWEST = "2026-10-21"
_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,128}$")
_USER_BLOCKS = ("text", "image", "document", "search_result", "tool_result", "container_upload")
_ASSISTANT_BLOCKS = ("text", "thinking", "redacted_thinking", "tool_use", "server_tool_use")


def invalid(where: str, why: str) -> NoReturn:
    """Refuse the request with 400; the message is `where: why`."""
    raise Refusal(400, f"{where}: {why}")


def parse_messages(body: dict[str, Any], version: str, betas: str) -> Parsed:
    """The request. Raises `Refusal`."""
    _check_fields(body, version, betas)
    model = body["model"]
    if model == "missing-model":
        raise Refusal(404, f"model: {model}")
    limit = body["max_tokens"]
    tools = _tools(body.get("tools"))
    thinking, options = _thinking(body)
    turns = (*_system(body.get("system")), *_turns(body["messages"]))
    check_thinking(body)
    check_abilities(body)
    if any(MAGIC in turn.text for turn in turns):
        options |= {"sealed"}
    ask = Ask(
        model=model,
        turns=turns,
        tools=tools,
        choice=_choice(body, tools, thinking),
        schema=_schema(body.get("output_config")),
        thinking=thinking,
        limit=limit,
        stop=_stops(body.get("stop_sequences")),
    )
    return Parsed(ask=ask, stream=bool(body.get("stream")), options=options, blocks=blocks_of(body))


def _check_fields(body: dict[str, Any], version: str, betas: str) -> None:
    known = MESSAGES_FIELDS if version == _NEWEST else MESSAGES_FIELDS | SAMPLING_FIELDS
    known = known | BETA_FIELDS if betas else known
    for name in ("model", "max_tokens", "messages"):
        if name not in body:
            invalid(name, "Field required")
    for name in body:
        if name not in known:
            invalid(name, "Extra inputs are not permitted")
    if not isinstance(body["model"], str):
        invalid("model", "Input should be a valid string")
    if not body["model"]:
        invalid("model", "String should have at least 1 character")
    _check_values(body)


def _check_values(body: dict[str, Any]) -> None:
    if not is_integer(body["max_tokens"]):
        invalid("max_tokens", "Input should be a valid integer")
    if body["max_tokens"] < 0:
        invalid("max_tokens", "Input should be greater than or equal to 0")
    if not isinstance(body.get("stream", False), bool):
        invalid("stream", "Input should be a valid boolean")
    temperature = body.get("temperature")
    if temperature is not None and not (isinstance(temperature, int | float) and 0 <= temperature <= 1):
        invalid("temperature", "range: 0..1")
    metadata = body.get("metadata")
    for name in metadata if is_object(metadata) else ():
        if name != "user_id":
            invalid(f"metadata.{name}", "Extra inputs are not permitted")


def _thinking(body: dict[str, Any]) -> tuple[bool, frozenset[str]]:
    """Whether to think, and the option `omitted` if the text of it is not to be shown."""
    wanted = body.get("thinking")
    if wanted is None:
        return False, frozenset()
    kind = wanted.get("type") if is_object(wanted) else None
    if kind not in ("enabled", "disabled", "adaptive", "between_tools"):
        tags = "'adaptive', 'between_tools', 'disabled', 'enabled'"
        invalid("thinking", f"Input tag '{kind}' found using 'type' does not match any of the expected tags: {tags}")
    if kind == "enabled":
        _check_budget(wanted.get("budget_tokens"), body["max_tokens"])
    omitted = {"omitted"} if wanted.get("display") == "omitted" else set()
    return kind != "disabled", frozenset(omitted)


def _check_budget(budget: Any, limit: int) -> None:
    if not is_integer(budget):
        invalid(
            "thinking.enabled.budget_tokens", "Field required" if budget is None else "Input should be a valid integer"
        )
    if budget < 1024:
        invalid("thinking.enabled.budget_tokens", "Input should be greater than or equal to 1024")
    if budget >= limit:
        raise Refusal(400, "`max_tokens` must be greater than `thinking.budget_tokens`.")


def _schema(config: Any) -> dict[str, Any] | None:
    if config is None:
        return None
    if not is_object(config):
        invalid("output_config", "Input should be a valid dictionary")
    for name in config:
        if name not in ("effort", "format", "task_budget"):
            invalid(f"output_config.{name}", "Extra inputs are not permitted")
    wanted = config.get("format")
    if wanted is None:
        return None
    if not is_object(wanted) or wanted.get("type") != "json_schema" or not is_object(wanted.get("schema")):
        invalid("output_config.format.schema", "Field required")
    schema: dict[str, Any] = wanted["schema"]
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        invalid(
            "output_config.format.schema", "For 'object' type, 'additionalProperties' must be explicitly set to false"
        )
    return schema


def _stops(stops: Any) -> tuple[str, ...]:
    if stops is None:
        return ()
    if not is_texts(stops):
        invalid("stop_sequences", "Input should be a valid list of strings")
    if any(not stop.strip() for stop in stops):
        invalid("stop_sequences", "each stop sequence must contain non-whitespace")
    return tuple(stops)


def _tools(tools: Any) -> tuple[Tool, ...]:
    """The client's own tools; those that run on the provider's side have a type and are not called here."""
    if tools is None:
        return ()
    if not is_objects(tools):
        invalid("tools", "Input should be a valid list")
    found = [
        _tool(tool, f"tools.{index}") for index, tool in enumerate(tools) if tool.get("type", "custom") == "custom"
    ]
    names = [tool.name for tool in found]
    if len(set(names)) != len(names):
        invalid("tools", "Tool names must be unique.")
    return tuple(found)


def _tool(tool: dict[str, Any], where: str) -> Tool:
    known = {
        "name", "description", "input_schema", "strict", "cache_control", "type", "eager_input_streaming",
        "defer_loading", "allowed_callers", "input_examples",
    }  # fmt: skip
    for name in tool:
        if name not in known:
            invalid(f"{where}.custom.{name}", "Extra inputs are not permitted")
    for name in ("name", "input_schema"):
        if name not in tool:
            invalid(f"{where}.custom.{name}", "Field required")
    if not isinstance(tool["name"], str) or not _NAME.match(tool["name"]):
        invalid(f"{where}.custom.name", "String should match pattern '^[a-zA-Z0-9_-]{1,128}$'")
    schema = tool["input_schema"]
    if not is_object(schema) or "type" not in schema:
        invalid(f"{where}.custom.input_schema.type", "Field required")
    if schema["type"] != "object":
        invalid(f"{where}.custom.input_schema.type", "Input should be 'object'")
    return Tool(tool["name"], schema)


def _choice(body: dict[str, Any], tools: tuple[Tool, ...], thinking: bool) -> Choice:
    chosen = body.get("tool_choice")
    if chosen is None:
        return Choice()
    kind = chosen.get("type") if is_object(chosen) else None
    if kind not in ("auto", "any", "tool", "none"):
        tags = "'any', 'auto', 'none', 'tool'"
        invalid("tool_choice", f"Input tag '{kind}' found using 'type' does not match any of the expected tags: {tags}")
    if not body.get("tools"):
        raise Refusal(400, "tool_choice may only be specified while providing tools.")
    if thinking and kind in ("any", "tool"):
        raise Refusal(400, "Thinking may not be enabled when tool_choice forces tool use.")
    parallel = not chosen.get("disable_parallel_tool_use")
    if kind == "tool":
        if chosen.get("name") not in {tool.name for tool in tools}:
            raise Refusal(400, f"Tool '{chosen.get('name')}' not found in provided tools")
        return Choice("any", (chosen["name"],), parallel)
    return Choice(kind, (), parallel)


def _system(system: Any) -> tuple[Turn, ...]:
    if system is None or system == "":
        return ()
    if isinstance(system, str):
        return (Turn("system", system),)
    if not is_objects(system):
        invalid("system", "Input should be a valid string or list of text blocks")
    for index, block in enumerate(system):
        if block.get("type") != "text":
            invalid(f"system.{index}.type", "Input should be 'text'")
        if not block.get("text"):
            raise Refusal(400, "system: text content blocks must be non-empty")
    return tuple(Turn("system", block["text"]) for block in system)


def _turns(messages: Any) -> tuple[Turn, ...]:
    if not is_objects(messages):
        invalid("messages", "Input should be a valid list")
    if not messages:
        invalid("messages", "at least one message is required")
    turns = tuple(_turn(message, f"messages.{index}") for index, message in enumerate(messages))
    if turns[0].role == "assistant":
        raise Refusal(400, 'messages: first message must use the "user" role')
    if turns[-1].role == "assistant" and turns[-1].text != turns[-1].text.rstrip():
        raise Refusal(400, "messages: final assistant content cannot end with trailing whitespace")
    _check_results(messages)
    return turns


def _turn(message: dict[str, Any], where: str) -> Turn:
    for name in message:
        if name not in ("role", "content", "clear_at"):
            invalid(f"{where}.{name}", "Extra inputs are not permitted")
    role = message.get("role")
    if role not in ("user", "assistant", "system"):
        invalid(
            f"{where}.role" if role else where,
            "Input should be 'user' or 'assistant'" if role else "role: Field required",
        )
    content = message.get("content")
    if isinstance(content, str):
        if not content and role == "user":
            raise Refusal(400, f"{where}: user messages must have non-empty content")
        return Turn(role, content)
    if not is_objects(content):
        invalid(f"{where}.content", "Field required" if content is None else "Input should be a valid list")
    if not content and role == "user":
        raise Refusal(400, f"{where}: user messages must have non-empty content")
    return _blocks(role, content, where)


def _blocks(role: Any, content: list[dict[str, Any]], where: str) -> Turn:
    texts: list[str] = []
    media: list[Media] = []
    results: list[ToolResult] = []
    for index, block in enumerate(content):
        at = f"{where}.content.{index}"
        kind = _check_block(block, role, at)
        if kind == "text":
            texts.append(_text(block, at))
        elif kind in ("image", "document"):
            media.append(_media(block, kind, at))
        elif kind == "tool_result":
            text, inner = _result_content(block, at)
            results.append(ToolResult(str(block.get("tool_use_id")), text, error=bool(block.get("is_error"))))
            media.extend(inner)
    return Turn(role, "\n".join(texts), tuple(media), tuple(results))


def _check_block(block: dict[str, Any], role: str, at: str) -> str:
    """The block's type, if the role may send it and its required fields are there."""
    kind = str(block.get("type"))
    allowed = _ASSISTANT_BLOCKS if role == "assistant" else _USER_BLOCKS
    if kind not in allowed and not kind.endswith("_tool_result") and role != "system":
        tags = ", ".join(f"'{name}'" for name in allowed)
        invalid(at, f"Input tag '{kind}' found using 'type' does not match any of the expected tags: {tags}")
    required = {
        "tool_use": ("id", "name", "input"),
        "thinking": ("thinking", "signature"),
        "redacted_thinking": ("data",),
        "tool_result": ("tool_use_id",),
    }
    for name in required.get(kind, ()):
        if name not in block:
            invalid(f"{at}.{kind}.{name}", "Field required")
    if kind == "tool_use" and not is_object(block["input"]):
        invalid(f"{at}.tool_use.input", "Input should be a valid dictionary")
    if kind == "tool_use" and not re.fullmatch(r"[a-zA-Z0-9_-]+", str(block["id"])):
        invalid(f"{at}.tool_use.id", "String should match pattern '^[a-zA-Z0-9_-]+$'")
    return kind


def _text(block: dict[str, Any], at: str) -> str:
    text = block.get("text")
    if not isinstance(text, str):
        invalid(f"{at}.text.text", "Field required" if text is None else "Input should be a valid string")
    if not text:
        raise Refusal(400, "messages: text content blocks must be non-empty")
    if not text.strip():
        raise Refusal(400, "messages: text content blocks must contain non-whitespace text")
    return text


def _media(block: dict[str, Any], kind: str, at: str) -> Media:
    source = block.get("source")
    if not is_object(source):
        invalid(f"{at}.{kind}.source", "Field required")
    form = source.get("type")
    if form in ("url", "file"):
        uri = source.get("url" if form == "url" else "file_id")
        if not isinstance(uri, str):
            invalid(f"{at}.{kind}.source.{form}", "Field required")
        return Media("image" if kind == "image" else "document", uri=uri)
    if kind == "document" and form in ("text", "content"):
        return Media("document", "text/plain", len(str(source.get("data", "")).encode()))
    media_type = str(source.get("media_type"))
    if media_type not in (_IMAGES if kind == "image" else ("application/pdf",)):
        allowed = "'image/jpeg', 'image/png', 'image/gif' or 'image/webp'" if kind == "image" else "'application/pdf'"
        invalid(f"{at}.{kind}.source.base64.media_type", f"Input should be {allowed}")
    found = inline(media_type, source.get("data"))
    if found is None:
        invalid(f"{at}.{kind}.source.base64", "invalid base64 data")
    return found


def _result_content(block: dict[str, Any], at: str) -> tuple[str, list[Media]]:
    content = block.get("content")
    if content is None or isinstance(content, str):
        return content or "", []
    if not is_objects(content):
        invalid(f"{at}.tool_result.content", "Input should be a valid list")
    told = [block for block in content if block.get("type") != "tool_reference"]
    turn = _blocks("user", told, f"{at}.tool_result")
    return turn.text, list(turn.media)


def _check_results(messages: list[dict[str, Any]]) -> None:
    """Every `tool_use` is answered at the head of the next message, and nothing else is."""
    waiting: list[str] = []
    merged = _merged(messages)
    for index, (role, blocks) in enumerate(merged):
        _check_stray(blocks, waiting, index)
        _check_answered(blocks, waiting, index)
        calls = [block["id"] for block in blocks if block.get("type") == "tool_use"]
        if len(set(calls)) != len(calls):
            invalid(f"messages.{index}", "`tool_use` ids must be unique")
        waiting = calls if role == "assistant" else []
    _check_answered([], waiting, len(merged))


def _check_stray(blocks: list[dict[str, Any]], waiting: list[str], index: int) -> None:
    for order, block in enumerate(blocks):
        if block.get("type") == "tool_result" and block["tool_use_id"] not in waiting:
            why = (
                f"unexpected `tool_use_id` found in `tool_result` blocks: {block['tool_use_id']}. Each `tool_result` "
                "block must have a corresponding `tool_use` block in the previous message."
            )
            invalid(f"messages.{index}.content.{order}", why)


def _check_answered(blocks: list[dict[str, Any]], waiting: list[str], index: int) -> None:
    """The results come before anything else."""
    head = [block.get("tool_use_id") for block in blocks[: len(waiting)] if block.get("type") == "tool_result"]
    missing = [call for call in waiting if call not in head]
    if missing:
        why = (
            f"`tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(missing)}. Each "
            "`tool_use` block must have a corresponding `tool_result` block in the next message."
        )
        invalid(f"messages.{index - 1}", why)


def _merged(messages: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Messages of one role in a row are one, as the provider sees them; inline system messages belong to neither."""
    merged: list[tuple[str, list[dict[str, Any]]]] = []
    for message in messages:
        if message["role"] == "system":
            continue
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
        if merged and merged[-1][0] == message["role"]:
            merged[-1][1].extend(blocks)
        else:
            merged.append((message["role"], blocks))
    return merged
