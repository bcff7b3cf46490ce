"""What a compatible server's flags change of a request's top level: in one that was rendered, and in one passed on.

A rendered request loses what the server refuses. One that passes through stays the client's own, but for what is said
the same in the server's words, and for what OpenAI's SDK sends to everybody: a client can't know which server it talks
to. Everything else is the server's to refuse.
"""

from __future__ import annotations

from typing import Any

import msgspec

from llmgw_domain.servers import Server
from llmgw_protocols import toplevel
from llmgw_protocols.losses import Losses

_LIMITS = ("max_tokens", "max_completion_tokens")
_SILENT = frozenset(("user",))
"""What changes nothing in the answer."""

_NEEDED = {
    "n": "The model's provider gives one answer at a time; ask once for each.",
    "tools": "The model's provider takes no tools; leave them out.",
}

_messages = msgspec.json.Decoder(list[msgspec.Raw]).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def suited(body: dict[str, Any], server: Server, losses: Losses) -> dict[str, Any]:
    """A rendered body for this server. Raises `UnsupportedField` for what it refuses and the answer depends on."""
    for name in server.refuses:
        value = body.pop(name, None)
        if value is None or (name == "n" and value == 1) or name in _SILENT:
            continue
        if why := _NEEDED.get(name):
            raise losses.unsupported(name, why)
        losses.add(name)
    if body.get("tool_choice") == "required":
        body["tool_choice"] = server.required_choice
    return {server.renames.get(name, name): value for name, value in body.items()}


def passed(fields: dict[str, bytes], server: Server) -> dict[str, bytes]:
    """The raw fields of a client's own body for this server, in their order."""
    out: dict[str, bytes] = {}
    for name, raw in fields.items():
        if name == "stream_options" and not server.stream_options:
            continue
        if name in _LIMITS and name != server.output_limit:
            name = server.output_limit
            if name in fields:
                continue
        out[server.renames.get(name, name)] = raw
    if out.get("tool_choice") == b'"required"':
        out["tool_choice"] = msgspec.json.encode(server.required_choice)
    if not server.developer_role and b'"developer"' in out.get("messages", b""):
        out["messages"] = _without_developer(out["messages"])
    return out


def _without_developer(messages: bytes) -> bytes:
    """The messages, with the role `system` for `developer`; all others stay as they are."""
    told: list[bytes] = []
    for message in _messages(messages):
        members = _members(message)
        if bytes(members.get("role", b"")) != b'"developer"':
            told.append(bytes(message))
            continue
        told.append(toplevel.join({**{n: bytes(raw) for n, raw in members.items()}, "role": b'"system"'}))
    return b"[" + b",".join(told) + b"]"
