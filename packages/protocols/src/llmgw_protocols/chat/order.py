"""The messages of a conversation in the order that a compatible server's chat template takes.

OpenAI takes any order; templates were mostly written for one leading system message and for turns that alternate.
"""

from __future__ import annotations

from typing import Any

from llmgw_domain.servers import Server
from llmgw_protocols.losses import Losses

Message = dict[str, Any]

_GO_ON = "Continue."


def arranged(messages: list[Message], server: Server, losses: Losses) -> list[Message]:
    """The messages as the server takes them: its rules on system messages, on taking turns, and on the last one."""
    messages = _merged_system(messages)
    if server.system == "first":
        messages = [_as_user(m) if i and m["role"] == "system" else m for i, m in enumerate(messages)]
    if server.alternates:
        messages = _alternating(messages)
    return _with_ending(messages, server, losses)


def _merged_system(messages: list[Message]) -> list[Message]:
    """Several compatible servers' templates take one system message, the first, as plain text."""
    leading = next((i for i, m in enumerate(messages) if not _is_system(m)), len(messages))
    for message in messages:
        if _is_system(message):
            message["content"] = _plain(message["content"])
    if leading < 2:
        return messages
    text = "\n\n".join(m["content"] for m in messages[:leading] if m["content"])
    return [{"role": messages[0]["role"], "content": text}, *messages[leading:]]


def _is_system(message: Message) -> bool:
    return message["role"] in ("system", "developer")


def _as_user(message: Message) -> Message:
    """A later system message in the user's place, marked as what it is."""
    return {"role": "user", "content": f"<system>{message['content']}</system>"}


def _alternating(messages: list[Message]) -> list[Message]:
    out: list[Message] = []
    for message in messages:
        last = out[-1] if out else {}
        if last.get("role") == message["role"] and _can_join(last) and _can_join(message):
            out[-1] = {**last, "content": _together(last["content"], message["content"])}
        else:
            out.append(message)
    return out


def _can_join(message: Message) -> bool:
    return message["role"] in ("user", "assistant") and "tool_calls" not in message


def _together(one: Any, other: Any) -> Any:
    if isinstance(one, str | None) and isinstance(other, str | None):
        return "\n\n".join(text for text in (one, other) if text)
    return [*_parts(one), *_parts(other)]


def _parts(content: Any) -> list[Any]:
    if isinstance(content, list):
        return content
    return [{"type": "text", "text": content}] if content else []


def _with_ending(messages: list[Message], server: Server, losses: Losses) -> list[Message]:
    """An answer at the end that the model should go on with; servers that can't are asked to in words."""
    last = messages[-1] if messages else None
    if last is None or last["role"] != "assistant" or "tool_calls" in last or server.prefill == "plain":
        return messages
    if server.prefill == "prefix":
        return [*messages[:-1], {**last, "prefix": True}]
    losses.add("messages")
    return [*messages, {"role": "user", "content": _GO_ON}]


def _plain(content: Any) -> Any:
    if isinstance(content, list) and all(p["type"] == "text" for p in content):
        return "\n\n".join(p["text"] for p in content)
    return content
