"""Bedrock Converse, the messages of a request: which blocks may stand where, and what a model takes."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, NoReturn

import msgspec

from llmgw_simulator.ask import Media, ToolResult, Turn
from llmgw_simulator.dialects._checks import inline, is_object
from llmgw_simulator.dialects.bedrock_models import Family, takes_inline_system
from llmgw_simulator.dialects.coral import invalid
from llmgw_simulator.wire import Refusal

_DOCUMENT_NAME = re.compile(r"[a-zA-Z0-9_()\[\]-]+( [a-zA-Z0-9_()\[\]-]+)*")
_MOST_DOCUMENTS = 5
_MIME = {"image": "image", "video": "video", "audio": "audio"}
_NAME_RULE = (
    "The document file name can only contain alphanumeric characters, whitespace characters, hyphens, parentheses, and "
    "square brackets. The name can't contain more than one consecutive whitespace character."
)
_FIRST = "A conversation must start with a user message. Try again with a conversation that starts with a user message."
_MEDIA = ("image", "document", "video", "audio")


def unsupported(field: str) -> NoReturn:
    """Refuse a field that the model has not."""
    invalid(f"This model doesn't support the {field} field. Remove {field} and try again.")


def check_cache(kind: Family) -> None:
    """Refuse a cache point for a model that has no cache."""
    if not kind.caches:
        message = (
            "You invoked an unsupported model or your request did not allow prompt caching. See the documentation for "
            "more information."
        )
        raise Refusal(403, message, kind="AccessDeniedException")


def only_member(union: dict[str, Any]) -> tuple[str, Any]:
    """The member of a union that is set."""
    return next((name, value) for name, value in union.items() if value is not None)


def refuse_blank(shape: str, where: str) -> NoReturn:
    """Refuse a text that says nothing."""
    invalid(f"The text field in the {shape} object at {where} is blank. Add text to the text field, and try again.")


def converse_turns(body: dict[str, Any], kind: Family, model: str) -> tuple[Turn, ...]:
    """The turns of a body whose shape was checked. Raises `Refusal`."""
    messages: list[dict[str, Any]] = body.get("messages") or []
    if not messages:
        invalid(_FIRST)
    turns = tuple(_turn(message, index, kind) for index, message in enumerate(messages))
    if not kind.mixes and any(len({"toolResult" in block for block in m["content"]}) > 1 for m in messages):
        invalid("Conversation blocks and tool result blocks cannot be provided in the same turn.")
    _check_roles([turn.role for turn in turns], model)
    _check_documents(messages)
    _check_tool_blocks(messages, has_tools=body.get("toolConfig") is not None)
    return turns


def _check_roles(roles: list[str], model: str) -> None:
    if "system" in roles and not takes_inline_system(model):
        invalid("This model doesn't support the system role in messages. Use the system field and try again.")
    spoken = [role for role in roles if role != "system"]
    if spoken[:1] != ["user"]:
        invalid(_FIRST)
    if any(first == second for first, second in pairwise(spoken)):
        invalid(
            "A conversation must alternate between user and assistant roles. Make sure the conversation alternates "
            "between user and assistant roles and try again."
        )


def _turn(message: dict[str, Any], index: int, kind: Family) -> Turn:
    where = f"messages.{index}"
    if not message["content"]:
        invalid(
            f"The content field in the Message object at {where} is empty. Add a ContentBlock object to the content "
            "field and try again."
        )
    texts: list[str] = []
    media: list[Media] = []
    results: list[ToolResult] = []
    for order, block in enumerate(message["content"]):
        name, value = only_member(block)
        at = f"{where}.content.{order}"
        _check_place(name, message["role"], at, kind)
        if name == "text":
            # Beside a document Bedrock has been seen to take a text of nothing but a newline.
            if not value.strip() and not (value and any(other.get("document") for other in message["content"])):
                refuse_blank("ContentBlock", at)
            texts.append(value)
        elif name in _MEDIA:
            media.append(_media(name, value, at, kind))
        elif name == "toolResult":
            results.append(_result(value, at, media, kind))
        elif name == "guardContent" and value.get("text"):
            texts.append(value["text"]["text"])
        elif name == "citationsContent":
            texts.append("".join(part.get("text", "") for part in value.get("content") or []))
        elif name == "cachePoint":
            check_cache(kind)
    return Turn(message["role"], "\n".join(texts), tuple(media), tuple(results))


def _check_place(name: str, role: str, at: str, kind: Family) -> None:
    """Which blocks a role may have, and a model at all."""
    if name in ("toolUse", "reasoningContent", "citationsContent") and role == "user":
        invalid(f"The {name} content block at {at} is not allowed in user messages. Remove it and try again.")
    if name in ("toolResult", "document", "video", "audio") and role == "assistant":
        invalid(f"The {name} content block at {at} is not allowed in assistant messages. Remove it and try again.")
    if name in ("toolUse", "toolResult") and not kind.tools:
        invalid("This model doesn't support tool use.")
    if name == "reasoningContent" and kind.name == "deepseek":
        invalid("User messages cannot contain reasoning content. Please remove the reasoning content and try again.")
    if name in _MEDIA and name not in kind.media and kind.name != "other":
        invalid(
            f"This model doesn't support the {name} content block that you provided. Update the content block and try "
            "again."
        )


def _media(name: str, value: dict[str, Any], at: str, kind: Family) -> Media:
    source = value["source"]
    if name == "document":
        _check_document(value, at)
    if source.get("s3Location") is not None:
        if not kind.s3:
            invalid("This model doesn't support the s3Uri field. Remove s3Uri and try again.")
        return Media(name, uri=source["s3Location"]["uri"])  # type: ignore[arg-type]
    media_type = f"{_MIME.get(name, 'application')}/{value.get('format') or 'txt'}"
    if source.get("bytes") is None:
        text = source.get("text") or "".join(part.get("text", "") for part in source.get("content") or [])
        return Media("document", "text/plain", len(text.encode()))
    found = inline(media_type, source["bytes"])
    assert found is not None, "the shape was checked"
    return found


def _check_document(value: dict[str, Any], at: str) -> None:
    source = value["source"]
    if not _DOCUMENT_NAME.fullmatch(value["name"]):
        invalid(_NAME_RULE)
    plain = source.get("text") is not None or source.get("content") is not None
    if plain and not (value.get("citations") or {}).get("enabled"):
        invalid(f"DocumentSource object at {at}.document.source must set one of the following keys: bytes, s3Location.")


def _check_documents(messages: list[dict[str, Any]]) -> None:
    names: list[str] = []
    for message in messages:
        here = [block["document"]["name"] for block in message["content"] if block.get("document")]
        if here and not any(block.get("text") for block in message["content"]):
            invalid("A text block must be included when using documents.")
        names += here
    if len(names) > _MOST_DOCUMENTS:
        invalid(f"You can't include more than {_MOST_DOCUMENTS} documents in a request.")
    if len(set(names)) != len(names):
        invalid("Messages can't contain duplicate document names.")


def _result(value: dict[str, Any], at: str, media: list[Media], kind: Family) -> ToolResult:
    texts = []
    for order, item in enumerate(value["content"]):
        name, inner = only_member(item)
        where = f"{at}.toolResult.content.{order}"
        if name == "text":
            texts.append(inner)
        elif name == "json":
            if not is_object(inner):
                invalid(
                    f"The format of the value at {where}.json is invalid. Provide a json object for the field and try "
                    "again."
                )
            texts.append(msgspec.json.encode(inner).decode())
        elif name == "searchResult":
            texts += [part["text"] for part in inner["content"]]
        else:
            media.append(_media(name, inner, where, kind))
    return ToolResult(value["toolUseId"], "\n".join(texts), error=value.get("status") == "error")


def _check_tool_blocks(messages: list[dict[str, Any]], *, has_tools: bool) -> None:
    """Calls are answered in the next message, all of them and nothing else."""
    waiting: list[str] = []
    for index, message in enumerate(messages):
        if message["role"] == "system":
            continue
        calls = _ids(message, "toolUse")
        results = _ids(message, "toolResult")
        if (calls or results) and not has_tools:
            invalid("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
        _check_answers(waiting, results, f"messages.{index}.content")
        waiting = calls
    if waiting:
        _check_answers(waiting, [], f"messages.{len(messages)}.content")


def _check_answers(waiting: list[str], results: list[str], where: str) -> None:
    if len(results) > len(waiting):
        invalid(f"The number of toolResult blocks at {where} exceeds the number of toolUse blocks of previous turn.")
    missing = [call for call in waiting if call not in results]
    if missing:
        invalid(f"Expected toolResult blocks at {where} for the following Ids: {', '.join(missing)}")


def _ids(message: dict[str, Any], name: str) -> list[str]:
    """The ids of a message's calls or results, but for what ran on Bedrock's side."""
    blocks = [block[name] for block in message["content"] if block.get(name) is not None]
    return [block["toolUseId"] for block in blocks if block.get("type") is None]
