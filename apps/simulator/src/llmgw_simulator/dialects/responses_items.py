"""OpenAI Responses, the input items: checked as the provider checks them, and turned into turns.

An item is a message, a call, a call's output, reasoning, or something of a hosted tool. Items that belong together are
checked over the whole conversation, the part that the provider keeps (`previous_response_id`) included.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from llmgw_simulator.ask import Media, Role, ToolResult, Turn
from llmgw_simulator.dialects._checks import data_url, is_object
from llmgw_simulator.dialects._responses_fields import ID_PREFIXES, INPUT_PARTS, ITEMS, OUTPUT_PARTS
from llmgw_simulator.dialects._rules import check, check_value, listed, missing, one_of
from llmgw_simulator.dialects.chat_messages import called, invalid
from llmgw_simulator.sealed import examine

_ROLES = ("assistant", "system", "developer", "user")
_NAME = re.compile(r"^[a-zA-Z0-9_-]+$")
_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_CALLS = {"function_call": "function call", "custom_tool_call": "custom tool call"}


class Owner(msgspec.Struct, frozen=True):
    """Who asks, and which model: what encrypted reasoning is bound to."""

    credential: str
    model: str


def as_items(given: Any) -> list[dict[str, Any]]:
    """`input` as a list of items that each have a type. Raises `Refusal`."""
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": given}]}]
    if not isinstance(given, list):
        wanted = "one of a string or array of input items"
        invalid(
            f"Invalid type for 'input': expected {wanted}, but got {called(given)} instead.", "input", "invalid_type"
        )
    return [_typed(item, f"input[{index}]") for index, item in enumerate(given)]


def _typed(item: Any, param: str) -> dict[str, Any]:
    if not is_object(item):
        invalid(
            f"Invalid type for '{param}': expected an object, but got {called(item)} instead.", param, "invalid_type"
        )
    if item.get("type") is not None:
        return item
    implied = "message" if "role" in item or "content" in item else "item_reference" if set(item) == {"id"} else None
    if implied is None:
        missing(f"{param}.type")
    return {"type": implied, **item}


def check_items(items: list[dict[str, Any]], owner: Owner) -> None:
    """Each item by itself. Raises `Refusal`."""
    for index, item in enumerate(items):
        param = f"input[{index}]"
        check_value(item["type"], one_of(*ITEMS), f"{param}.type")
        check(item, ITEMS[item["type"]], f"{param}.")
        _check_ids(item, param)
        if item["type"] == "message":
            _check_message(item, param)
        elif item["type"] in _CALLS and not _NAME.match(item["name"]):
            pattern = "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
            message = f"Invalid '{param}.name': string does not match pattern. {pattern}"
            invalid(message, f"{param}.name", "invalid_value")
        elif item["type"].endswith("_output") and "output" in item:
            _check_output(item["output"], f"{param}.output")
        elif item["type"] == "reasoning":
            _check_reasoning(item, owner)


def check_together(items: list[dict[str, Any]], *, stored: bool = True) -> None:
    """Calls and outputs go together, and reasoning goes before what it led to. Raises `Refusal`.

    The latter is asked of requests whose answer is to be kept: those are known to be refused. Agents that keep nothing
    with the provider send the reasoning of broken answers back, and go on.
    """
    asked: dict[str, str] = {}
    hosted: set[str] = set()
    for item in items:
        kind = item["type"]
        if kind in _CALLS:
            asked[item["call_id"]] = kind
        elif kind.endswith("_call"):
            hosted.add(item.get("call_id") or "")
        elif kind.removesuffix("_output") in _CALLS:
            if asked.pop(item["call_id"], None) or item["call_id"] in hosted:
                continue
            what = _CALLS[kind.removesuffix("_output")]
            invalid(f"No tool call found for {what} output with call_id {item['call_id']}.", "input")
    for call_id, kind in asked.items():
        invalid(f"No tool output found for {_CALLS[kind]} {call_id}.", "input")
    for index, item in enumerate(items):
        following = items[index + 1] if index + 1 < len(items) else None
        if stored and item["type"] == "reasoning" and item.get("id") and not _follows_reasoning(following):
            message = f"Item '{item['id']}' of type 'reasoning' was provided without its required following item."
            invalid(message, "input")


def turns_of(items: list[dict[str, Any]]) -> tuple[Turn, ...]:
    """The items as turns; calls are turns of the assistant, outputs of the user."""
    names = {item["call_id"]: item["name"] for item in items if item["type"] in _CALLS}
    return tuple(turn for item in items if (turn := _turn(item, names)) is not None)


def _check_ids(item: dict[str, Any], param: str) -> None:
    prefix, given = ID_PREFIXES.get(item["type"]), item.get("id")
    if given and prefix and not given.startswith(prefix):
        message = f"Invalid '{param}.id': '{given}'. Expected an ID that begins with '{prefix}'."
        invalid(message, f"{param}.id", "invalid_value")
    for name in ("id", "call_id"):
        if len(item.get(name) or "") > 64:
            message = (
                f"Invalid '{param}.{name}': string too long. Expected a string with maximum length 64, but got a "
                f"string with length {len(item[name])} instead."
            )
            invalid(message, f"{param}.{name}", "string_above_max_length")


def _check_message(item: dict[str, Any], param: str) -> None:
    role, content = item["role"], item["content"]
    check_value(role, one_of(*_ROLES), f"{param}.role")
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        wanted = "one of an array of objects or string"
        message = f"Invalid type for '{param}.content': expected {wanted}, but got {called(content)} instead."
        invalid(message, f"{param}.content", "invalid_type")
    tables = OUTPUT_PARTS if role == "assistant" else INPUT_PARTS
    _check_parts(content, tables, f"{param}.content")


def _check_parts(parts: list[Any], tables: dict[str, Any], param: str) -> None:
    for index, part in enumerate(parts):
        where = f"{param}[{index}]"
        kind = part.get("type") if is_object(part) else None
        if kind not in tables:
            allowed = listed(tuple(tables))
            invalid(f"Invalid value: '{kind}'. Supported values are: {allowed}.", where, "invalid_value")
        check(part, tables[kind], f"{where}.")
        if kind == "input_image":
            _image(part, where)
        elif kind == "input_file":
            _file(part, where)


def _check_output(output: Any, param: str) -> None:
    if isinstance(output, list):
        _check_parts(output, INPUT_PARTS, param)
    elif not isinstance(output, str | dict):
        wanted = "one of a string or array of objects"
        invalid(
            f"Invalid type for '{param}': expected {wanted}, but got {called(output)} instead.", param, "invalid_type"
        )


def _check_reasoning(item: dict[str, Any], owner: Owner) -> None:
    sealed = item.get("encrypted_content")
    if not sealed:
        return
    verdict = examine(sealed, owner.credential, owner.model)
    if verdict == "good":
        return
    which = f"for item {item['id']}" if item.get("id") else f"{sealed[:4]}...{sealed[-4:]}"
    reason = (
        "Encrypted content organization_id did not match the target organization."
        if verdict == "foreign"
        else "Encrypted content could not be decrypted or parsed."
    )
    message = f"The encrypted content {which} could not be verified. Reason: {reason}"
    invalid(message, None, "invalid_encrypted_content")


def _follows_reasoning(item: dict[str, Any] | None) -> bool:
    """What reasoning leads to: a call, more reasoning, or a message that has an id; not a bare assistant text.

    At the end it may stand alone: clients whose stream broke off send what they got of it, and go on from there.
    """
    if item is None:
        return True
    if item["type"] == "message":
        return item.get("role") == "assistant" and bool(item.get("id"))
    return not item["type"].endswith(("_output", "_response", "_tools"))


def _turn(item: dict[str, Any], names: dict[str, str]) -> Turn | None:
    kind = item["type"]
    if kind == "message":
        text, media = _content(item["content"])
        role: Role = "system" if item["role"] == "developer" else item["role"]
        return Turn(role, text, media)
    if kind in _CALLS:
        return Turn("assistant", item.get("arguments") or item.get("input") or "")
    if kind in ("function_call_output", "custom_tool_call_output"):
        text, media = _content(item["output"])
        return Turn("user", media=media, results=(ToolResult(item["call_id"], text, names.get(item["call_id"], "")),))
    return Turn("assistant") if kind.endswith("_call") else None


def _content(content: Any) -> tuple[str, tuple[Media, ...]]:
    if not isinstance(content, list):
        return content if isinstance(content, str) else msgspec.json.encode(content).decode(), ()
    texts, media = [], []
    for part in content:
        if part["type"] in ("input_image", "input_file"):
            media.append((_image if part["type"] == "input_image" else _file)(part, ""))
        else:
            texts.append(part.get("text") or part.get("refusal") or "")
    return "\n".join(texts), tuple(media)


def _image(part: dict[str, Any], param: str) -> Media:
    url = part.get("image_url")
    if url is None:
        if part.get("file_id") is None:
            missing(f"{param}.image_url")
        return Media("image", uri=str(part["file_id"]))
    if url.startswith(("http://", "https://")):
        return Media("image", uri=url)
    found = data_url(url)
    if found is None:
        wrong = "a valid URL, but got a value with an invalid format."
        if url.startswith("data:"):
            wrong = (
                "a base64-encoded data URL with an image MIME type, but got unsupported MIME type or invalid base64."
            )
        invalid(f"Invalid '{param}.image_url'. Expected {wrong}", f"{param}.image_url", "invalid_value")
    if found.media_type not in _IMAGES:
        message = (
            "The image data you provided does not represent a valid image. Please check your input and try again with "
            "one of the supported image formats: ['image/jpeg', 'image/png', 'image/gif', 'image/webp']."
        )
        invalid(message, "input", "invalid_image_format")
    return found


def _file(part: dict[str, Any], param: str) -> Media:
    for name in ("file_id", "file_url"):
        if part.get(name) is not None:
            return Media("document", uri=part[name])
    found = data_url(part.get("file_data") or "")
    if found is None:
        message = f"Invalid '{param}.file_data'. Expected a base64-encoded data URL with a MIME type."
        invalid(message, f"{param}.file_data", "invalid_value")
    return found
