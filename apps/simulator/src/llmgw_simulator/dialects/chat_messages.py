"""OpenAI Chat Completions, the messages: roles, content parts, and the rule that calls and results go together."""

from __future__ import annotations

import re
from typing import Any, NoReturn

from llmgw_simulator.ask import Media, ToolResult, Turn
from llmgw_simulator.dialects._checks import data_url, inline, is_object, is_objects
from llmgw_simulator.wire import Refusal

_MESSAGE_FIELDS = {
    "system": {"role", "content", "name"},
    "developer": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "assistant": {"role", "content", "name", "refusal", "audio", "tool_calls", "function_call", "annotations"},
    "tool": {"role", "content", "tool_call_id"},
    "function": {"role", "content", "name"},
}
_COMPATIBLE_MESSAGE_FIELDS = {"reasoning_content", "reasoning", "reasoning_details"}
_SHOWS_REASONING = re.compile(r"deepseek|qwen|gpt-oss|kimi|glm", re.IGNORECASE)


def shows_reasoning(model: str) -> bool:
    """Whether the model is one of a compatible server that sends its reasoning as `reasoning_content`."""
    return _SHOWS_REASONING.search(model) is not None


def invalid(message: str, param: str | None = None, code: str | None = None) -> NoReturn:
    """Refuse the request with 400."""
    raise Refusal(400, message, param=param, code=code)


def called(value: Any) -> str:
    """What the provider calls a JSON value's type."""
    names = {
        str: "a string",
        bool: "a boolean",
        int: "an integer",
        float: "a decimal",
        list: "an array",
        dict: "an object",
    }
    return names.get(type(value), "null")


def parse_turns(body: dict[str, Any], model: str) -> tuple[Turn, ...]:
    """The messages as turns. Raises `Refusal`."""
    messages = body.get("messages")
    if messages is None:
        invalid("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
    if not is_objects(messages):
        message = f"Invalid type for 'messages': expected an array of objects, but got {called(messages)} instead."
        invalid(message, "messages", "invalid_type")
    if not messages:
        message = (
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead."
        )
        invalid(message, "messages", "empty_array")
    turns = tuple(_turn(message, index, model) for index, message in enumerate(messages))
    _check_results(messages)
    return turns


def _turn(message: dict[str, Any], index: int, model: str) -> Turn:
    role, param = message.get("role"), f"messages[{index}]"
    if role not in _MESSAGE_FIELDS:
        allowed = "'system', 'assistant', 'user', 'function', 'tool', and 'developer'"
        invalid(f"Invalid value: '{role}'. Supported values are: {allowed}.", f"{param}.role", "invalid_value")
    known = _MESSAGE_FIELDS[role] | (_COMPATIBLE_MESSAGE_FIELDS if shows_reasoning(model) else set())
    unknown = [name for name in message if name not in known]
    if unknown:
        message_text = f"Additional properties are not allowed ('{unknown[0]}' was unexpected) - 'messages.{index}'"
        invalid(message_text)
    if message.get("content") is None and not (role == "assistant" and _calls(message)):
        if role != "assistant":
            text = f"Invalid value for 'content': expected a string, got null. - '{param}.content'"
            invalid(text, f"{param}.content", "invalid_type")
        invalid(f"Missing required parameter: '{param}.content'.", f"{param}.content", "missing_required_parameter")
    text, media = _content(message.get("content"), param)
    if role in ("tool", "function"):
        result = ToolResult(str(message.get("tool_call_id") or ""), text, str(message.get("name") or ""))
        return Turn("user", results=(result,))
    return Turn("system" if role == "developer" else role, text, media)


def _calls(message: dict[str, Any]) -> bool:
    return bool(message.get("tool_calls") or message.get("function_call") or message.get("refusal"))


def _content(content: Any, param: str) -> tuple[str, tuple[Media, ...]]:
    if content is None or isinstance(content, str):
        return content or "", ()
    if not is_objects(content):
        wanted = "one of a string or array of objects"
        message = f"Invalid type for '{param}.content': expected {wanted}, but got {called(content)} instead."
        invalid(message, f"{param}.content", "invalid_type")
    texts, media = [], []
    for index, part in enumerate(content):
        made = _part(part, f"{param}.content[{index}]")
        if isinstance(made, str):
            texts.append(made)
        else:
            media.append(made)
    return "\n".join(texts), tuple(media)


def _part(part: dict[str, Any], param: str) -> str | Media:
    kind = part.get("type")
    if kind in ("text", "refusal"):
        if not isinstance(part.get(kind), str):
            invalid(f"Missing required parameter: '{param}.{kind}'.", f"{param}.{kind}", "missing_required_parameter")
        return str(part[kind])
    inner = part.get(str(kind))
    if kind not in ("image_url", "input_audio", "file"):
        allowed = "'text', 'image_url', 'input_audio', 'refusal', 'audio', and 'file'"
        invalid(f"Invalid value: '{kind}'. Supported values are: {allowed}.", f"{param}.type", "invalid_value")
    if not is_object(inner):
        message = f"Invalid type for '{param}.{kind}': expected an object, but got {called(inner)} instead."
        invalid(message, f"{param}.{kind}", "invalid_type")
    return {"image_url": _image, "input_audio": _audio, "file": _file}[kind](inner, param)


def _image(image: dict[str, Any], param: str) -> Media:
    url = image.get("url")
    if not isinstance(url, str):
        invalid(
            f"Missing required parameter: '{param}.image_url.url'.",
            f"{param}.image_url.url",
            "missing_required_parameter",
        )
    if not url.startswith("data:"):
        if not url.startswith(("http://", "https://")):
            invalid(f"Failed to download image from {url[:80]}. Image URL is not valid.", None, "invalid_image_url")
        return Media("image", uri=url)
    found = data_url(url)
    if found is None or found.media_type not in ("image/png", "image/jpeg", "image/gif", "image/webp"):
        message = (
            "You uploaded an unsupported image. Please make sure your image has of one the following formats: "
            "['png', 'jpeg', 'gif', 'webp']."
        )
        invalid(message, None, "invalid_image_format")
    return found


def _audio(audio: dict[str, Any], param: str) -> Media:
    found = inline(f"audio/{audio.get('format')}", audio.get("data"))
    if found is None or audio.get("format") not in ("wav", "mp3"):
        invalid("Invalid audio data.", f"{param}.input_audio", "invalid_value")
    return found


def _file(file: dict[str, Any], param: str) -> Media:
    if isinstance(file.get("file_id"), str):
        return Media("document", uri=file["file_id"])
    given = file.get("file_data")
    found = data_url(given) if isinstance(given, str) else None
    if found is None:
        message = f"Invalid '{param}.file.file_data': expected a base64-encoded data URL with a MIME type."
        invalid(message, f"{param}.file.file_data", "invalid_value")
    return found


def _check_results(messages: list[dict[str, Any]]) -> None:
    """Every call is answered by tool messages directly behind it, and no other tool message exists."""
    open_calls: list[str] = []
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            call = message.get("tool_call_id")
            if call is None:
                param = f"messages[{index}].tool_call_id"
                invalid(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")
            if call not in open_calls:
                text = (
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    "'tool_calls'."
                )
                invalid(text, f"messages.[{index}].role")
            open_calls.remove(call)
            continue
        _check_answered(open_calls)
        open_calls = _call_ids(message, index)
    _check_answered(open_calls)


def _check_answered(open_calls: list[str]) -> None:
    if open_calls:
        message = (
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(open_calls)}"
        )
        invalid(message, "messages")


def _call_ids(message: dict[str, Any], index: int) -> list[str]:
    calls = message.get("tool_calls")
    if calls is None:
        return []
    if not is_objects(calls) or not calls:
        param = f"messages[{index}].tool_calls"
        invalid(f"Invalid '{param}': empty array. Expected an array with minimum length 1.", param, "empty_array")
    for order, call in enumerate(calls):
        _check_call(call, f"messages[{index}].tool_calls[{order}]")
    return [call["id"] for call in calls]


def _check_call(call: dict[str, Any], param: str) -> None:
    inner = call.get(str(call.get("type")))
    if not isinstance(call.get("id"), str) or not call["id"]:
        invalid(f"Missing required parameter: '{param}.id'.", f"{param}.id", "missing_required_parameter")
    if len(call["id"]) > 64:
        message = (
            f"Invalid '{param}.id': string too long. Expected a string with maximum length 64, but got a string with "
            f"length {len(call['id'])} instead."
        )
        invalid(message, f"{param}.id", "string_above_max_length")
    if not is_object(inner) or not isinstance(inner.get("name"), str):
        invalid(f"Missing required parameter: '{param}.type'.", f"{param}.type", "missing_required_parameter")
    if call["type"] == "function" and not isinstance(inner.get("arguments"), str):
        given = called(inner.get("arguments"))
        message = f"Invalid type for '{param}.function.arguments': expected a string, but got {given} instead."
        invalid(message, f"{param}.function.arguments", "invalid_type")
