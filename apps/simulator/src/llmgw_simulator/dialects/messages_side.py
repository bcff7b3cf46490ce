"""Anthropic beside messages: `POST /v1/messages/count_tokens`."""

from __future__ import annotations

from typing import Any

from llmgw_simulator.ask import Ask
from llmgw_simulator.dialects.messages_request import invalid, parse_messages
from llmgw_simulator.engine import prompt_tokens

_FIELDS = frozenset(
    {
        "messages", "model", "cache_control", "output_config", "speed", "system", "thinking", "tool_choice", "tools",
        "user_profile_id", "workspace_id",
    }
)  # fmt: skip
_BETA_FIELDS = frozenset({"billing_policy", "compaction", "context_management", "mcp_servers", "output_format"})
_UNLIMITED = 1_000_000
"""Stands for the field that is missing here, which budgets are compared with."""


def count_messages(body: dict[str, Any], version: str, betas: str) -> dict[str, Any]:
    """The answer for a body that has everything of a message's but what is about its answer. Raises `Refusal`."""
    known = _FIELDS | _BETA_FIELDS if betas else _FIELDS
    for name in body:
        if name not in known:
            invalid(name, "Extra inputs are not permitted")
    for name in ("model", "messages"):
        if name not in body:
            invalid(name, "Field required")
    ask: Ask = parse_messages({**body, "max_tokens": _UNLIMITED}, version, betas).ask
    return {"input_tokens": prompt_tokens(ask)}
