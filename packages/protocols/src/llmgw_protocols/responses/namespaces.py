"""Tools in namespaces under flat names, and back.

Responses groups tools in namespaces, and calls name both. Other dialects know one name of at most 64 letters, digits,
`_` and `-`. The flat name is made of both names alone, so that a call of an earlier turn finds it too; the way back
is a table of what the request offers.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping

import msgspec
from msgspec import Raw

_ODD = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST = 64


class _Tool(msgspec.Struct):
    type: str | None = None
    name: str | None = None
    tools: list[_Tool] | None = None


_tools = msgspec.json.Decoder(list[_Tool] | None)
_items = msgspec.json.Decoder(list[Raw])
_item = msgspec.json.Decoder(_Tool)


def flat(namespace: str | None, name: str) -> str:
    """The name of a namespace's tool in dialects without namespaces; a tool of none keeps its own."""
    if not namespace:
        return name
    joined = _ODD.sub("_", namespace + ("" if namespace.endswith("_") else "__") + name)
    if len(joined) <= _LONGEST:
        return joined
    mark = hashlib.sha256(f"{namespace}\n{name}".encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return joined[: _LONGEST - 9] + "_" + mark


def places(fields: Mapping[str, Raw]) -> dict[str, tuple[str, str]]:
    """Namespace and name of each tool that a request offers in one anywhere, by its flat name.

    What can't be read offers nothing: this never raises.
    """
    return {flat(group, name): (group, name) for group, name in _grouped(fields)}


def _grouped(fields: Mapping[str, Raw]) -> Iterator[tuple[str, str]]:
    for tool in _all(fields):
        if tool.type == "namespace" and tool.name:
            yield from ((tool.name, member.name or "") for member in tool.tools or ())


def _all(fields: Mapping[str, Raw]) -> Iterator[_Tool]:
    try:
        yield from _tools.decode(fields.get("tools", b"null")) or ()
    except (msgspec.DecodeError, RecursionError):
        pass
    raw = bytes(fields.get("input", b""))
    # Tools may be offered on the way, too; rare, so the bytes are searched before anything is decoded.
    if raw.startswith(b"[") and (b'"additional_tools"' in raw or b'"tool_search_output"' in raw):
        for item in _items.decode(raw):
            yield from _of_item(item)


def _of_item(item: Raw) -> list[_Tool]:
    try:
        read = _item.decode(item)
    except (msgspec.DecodeError, RecursionError):
        return []
    return list(read.tools or ()) if read.type in ("additional_tools", "tool_search_output") else []
