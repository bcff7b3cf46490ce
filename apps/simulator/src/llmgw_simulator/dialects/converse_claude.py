"""Converse requests to Claude as Anthropic Messages, since Bedrock makes one of them and passes its complaints on.

Only what Messages checks is translated: the answer is made from the Converse request itself.
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from llmgw_simulator.dialects._checks import is_object, is_texts
from llmgw_simulator.dialects.messages_request import parse_messages
from llmgw_simulator.wire import Parsed, Refusal

_VERSION = "2023-06-01"
_LIMIT = 64_000
"""What Bedrock sends as `max_tokens` where the caller says nothing: the most that the model makes."""


def parse_claude(body: dict[str, Any], model: str) -> Parsed:
    """The request as Anthropic's own. Raises `Refusal` with its complaint behind Bedrock's words."""
    extra = body.get("additionalModelRequestFields") or {}
    if not is_object(extra):
        extra = {}
    betas = extra.get("anthropic_beta")
    named = {name: value for name, value in extra.items() if name not in ("anthropic_beta", "reasoning_config")}
    if "reasoning_config" in extra:
        named["thinking"] = extra["reasoning_config"]
    try:
        return parse_messages(_messages_body(body, model) | named, _VERSION, ",".join(betas) if is_texts(betas) else "")
    except Refusal as refusal:
        message = f"The model returned the following errors: {refusal.message}"
        raise Refusal(400, message, kind="ValidationException") from None


def _messages_body(body: dict[str, Any], model: str) -> dict[str, Any]:
    inference = body.get("inferenceConfig") or {}
    made = {
        "model": model,
        "max_tokens": inference.get("maxTokens") or _LIMIT,
        "temperature": inference.get("temperature"),
        "top_p": inference.get("topP"),
        "stop_sequences": inference.get("stopSequences"),
        "system": [{"type": "text", "text": block["text"]} for block in body.get("system") or [] if "text" in block],
        "messages": [_message(message) for message in body.get("messages") or []],
        **_tools(body.get("toolConfig")),
        "output_config": _output(body.get("outputConfig") or {}),
    }
    return {name: value for name, value in made.items() if value not in (None, [], {})}


def _output(config: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"effort": config["effort"]} if config.get("effort") else {}
    if config.get("textFormat"):
        text = config["textFormat"]["structure"]["jsonSchema"]["schema"]
        made["format"] = {"type": "json_schema", "schema": msgspec.json.decode(text)}
    return made


def _tools(config: dict[str, Any] | None) -> dict[str, Any]:
    if config is None:
        return {}
    tools = []
    for tool in config["tools"]:
        if spec := tool.get("toolSpec"):
            made = {"name": spec["name"], "input_schema": spec["inputSchema"]["json"]}
            tools.append(made | {name: spec[name] for name in ("description", "strict") if spec.get(name) is not None})
    kind, chosen = next(iter((config.get("toolChoice") or {}).items()), (None, {}))
    return {"tools": tools} | ({"tool_choice": {"type": kind, **chosen}} if kind else {})


def _message(message: dict[str, Any]) -> dict[str, Any]:
    blocks = [_block(block) for block in message["content"]]
    return {"role": message["role"], "content": [block for block in blocks if block is not None]}


def _block(block: dict[str, Any]) -> dict[str, Any] | None:
    """One block in Anthropic's form; None for those that it never sees."""
    kind, value = next((name, value) for name, value in block.items() if value is not None)
    match kind:
        case "text":
            return {"type": "text", "text": value} if value.strip() else None
        case "image":
            return {"type": "image", "source": _base64(f"image/{value['format']}", value["source"])}
        case "document":
            return _document(value)
        case "toolUse":
            return {"type": "tool_use", "id": value["toolUseId"], "name": value["name"], "input": value["input"]}
        case "toolResult":
            return _result(value)
        case "reasoningContent":
            return _reasoning(value)
        case "citationsContent":
            return {"type": "text", "text": "".join(part.get("text", "") for part in value.get("content") or [])}
        case "searchResult":
            return {"type": "search_result", **value}
        case "guardContent" if "text" in value:
            return {"type": "text", "text": value["text"]["text"]}
    return None


def _base64(media_type: str, source: dict[str, Any]) -> dict[str, Any]:
    return {"type": "base64", "media_type": media_type, "data": source.get("bytes")}


def _document(value: dict[str, Any]) -> dict[str, Any]:
    """PDFs go on as they are; of everything else Bedrock sends the text."""
    source = value["source"]
    if value.get("format") == "pdf" and source.get("bytes") is not None:
        return {"type": "document", "title": value["name"], "source": _base64("application/pdf", source)}
    if source.get("bytes") is not None:
        text = base64.b64decode(source["bytes"]).decode("utf-8", "replace")
    else:
        text = source.get("text") or "".join(part.get("text", "") for part in source.get("content") or [])
    plain = {"type": "text", "media_type": "text/plain", "data": text}
    return {"type": "document", "title": value["name"], "source": plain}


def _result(value: dict[str, Any]) -> dict[str, Any]:
    content = []
    for item in value["content"]:
        if "json" in item:
            content.append({"type": "text", "text": msgspec.json.encode(item["json"]).decode()})
        elif (block := _block(item)) is not None:
            content.append(block)
    made = {"type": "tool_result", "tool_use_id": value["toolUseId"], "content": content}
    return made | ({"is_error": True} if value.get("status") == "error" else {})


def _reasoning(value: dict[str, Any]) -> dict[str, Any]:
    if value.get("redactedContent") is not None:
        return {"type": "redacted_thinking", "data": value["redactedContent"]}
    told = value["reasoningText"]
    signature = {"signature": told["signature"]} if told.get("signature") is not None else {}
    return {"type": "thinking", "thinking": told["text"], **signature}
