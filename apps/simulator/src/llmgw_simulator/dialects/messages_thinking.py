"""Claude's thinking as it comes back in a history: whose it is, whether it was changed, where it may not be missing.

A signature covers the text and is good on every platform that serves Claude. Most models take each other's; the newest
take only their own. https://platform.claude.com/docs/en/build-with-claude/extended-thinking
"""

from __future__ import annotations

import re
from typing import Any

from llmgw_simulator.dialects._checks import is_object
from llmgw_simulator.opaque import is_signature
from llmgw_simulator.wire import Refusal

MAGIC = (
    "ANTHROPIC_MAGIC_STRING_TRIGGER_REDACTED_THINKING_46C9A13E193C177646C7398A98432ECCCE4C1253D5E2D82641AC0E52CC2876CB"
)
"""Anthropic's own test text: a request with it gets its thinking back encrypted."""

_BOUND = re.compile(r"claude-(opus-5-5|fable-5-1|mythos-5-1)")
_THINKING = ("thinking", "redacted_thinking")
_WHY = (
    "When `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost "
    "set of `tool_use` and `tool_result` blocks). We recommend you include thinking blocks from previous turns. To "
    "avoid this requirement, disable `thinking`. Please consult our documentation at "
    "https://docs.claude.com/en/docs/build-with-claude/extended-thinking"
)


def realm(model: str) -> str:
    """Whose signatures a model makes and takes: Claude's, or of the newest models only its own."""
    bound = _BOUND.search(model)
    return bound.group(0) if bound else "claude"


def sealed_realm(model: str) -> str:
    """The same for thinking that comes encrypted."""
    return f"{realm(model)}/redacted"


def check_thinking(body: dict[str, Any]) -> None:
    """Check all thinking of a request whose blocks have the right fields. Raises `Refusal`."""
    for index, message in enumerate(body["messages"]):
        content = message.get("content")
        for order, block in enumerate(content if isinstance(content, list) else ()):
            _check_block(block, body["model"], f"messages.{index}.content.{order}")
    thinking = body.get("thinking")
    if is_object(thinking) and thinking.get("type") == "enabled":
        _check_loop(body["messages"])


def _check_block(block: dict[str, Any], model: str, at: str) -> None:
    kind = block.get("type")
    if kind == "thinking" and not is_signature(str(block["signature"]), str(block["thinking"]), realm=realm(model)):
        raise Refusal(400, f"{at}: Invalid `signature` in `thinking` block")
    if kind == "redacted_thinking" and not is_signature(str(block.get("data")), "", realm=sealed_realm(model)):
        raise Refusal(400, f"{at}: Invalid `data` in `redacted_thinking` block")


def _check_loop(messages: list[dict[str, Any]]) -> None:
    """With thinking by budget, the calls that are being answered must still have the thinking that led to them."""
    answered = messages[-1].get("content")
    if not (isinstance(answered, list) and any(block.get("type") == "tool_result" for block in answered)):
        return
    index = max((at for at, message in enumerate(messages) if message["role"] == "assistant"), default=None)
    content = messages[index].get("content") if index is not None else None
    if not isinstance(content, list) or not content:
        return
    kind = content[0].get("type")
    if kind not in _THINKING:
        at = f"messages.{index}.content.0.type"
        raise Refusal(400, f"{at}: Expected `thinking` or `redacted_thinking`, but found `{kind}`. {_WHY}")
