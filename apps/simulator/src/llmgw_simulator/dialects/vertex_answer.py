"""What differs in Gemini's answers on Vertex AI: how traffic is billed is told, and counts only at the end."""

from __future__ import annotations

from typing import Any

_CREATED = "2026-09-21T00:00:00.000000Z"
"""A clock would make the same request give two answers."""


def on_vertex(made: dict[str, Any], choices: int) -> dict[str, Any]:
    """A response of AI Studio as Vertex would send it; one candidate alone has no index there."""
    candidates = [dict(candidate) for candidate in made["candidates"]]
    for candidate in candidates if choices == 1 else ():
        candidate.pop("index")
    ended = any("finishReason" in candidate for candidate in candidates)
    usage = _usage(made["usageMetadata"]) if ended else {"trafficType": "ON_DEMAND"}
    return made | {"candidates": candidates, "usageMetadata": usage, "createTime": _CREATED}


def _usage(usage: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in usage.items() if name != "cachedContentTokenCount" or value}
    if "candidatesTokenCount" in kept:
        kept["candidatesTokensDetails"] = [{"modality": "TEXT", "tokenCount": kept["candidatesTokenCount"]}]
    return kept | {"trafficType": "ON_DEMAND"}
