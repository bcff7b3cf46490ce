"""What Claude's models can do, as `GET /v1/models` tells it; a name that is none of theirs can do everything."""

from __future__ import annotations

import re
from typing import Any

_NEW = re.compile(r"claude-(opus|sonnet|haiku|fable|mythos)-(\d+)(?:-(\d{1,2}))?(?!\d)")
_OLD = re.compile(r"claude-(\d)(?:-(\d))?-(opus|sonnet|haiku)")


def line(model: str) -> str | None:
    """The line that the model belongs to, for instance `opus`."""
    found = _NEW.search(model) or _OLD.search(model)
    return next((group for group in found.groups() if group and group.isalpha()), None) if found else None


def version(model: str) -> tuple[int, int]:
    """The version in the name; a name without one is newer than all."""
    if new := _NEW.search(model):
        return int(new.group(2)), int(new.group(3) or 0)
    if old := _OLD.search(model):
        return int(old.group(1)), int(old.group(2) or 0)
    return (99, 0)


def capabilities(model: str) -> dict[str, Any]:
    """The `capabilities` of a model."""
    known, at = line(model) is not None, version(model)
    thinks = at >= (3, 7)
    adaptive = at >= (4, 6)
    manual = thinks and not (known and at >= _first_without_budget(model))
    efforts = at >= ((4, 5) if line(model) == "opus" else (4, 6))
    return {
        "batch": _is(True),
        "citations": _is(True),
        "code_execution": _is(at >= (4, 5)),
        "context_management": _is(
            at >= (4, 0),
            clear_thinking_20251015=_is(thinks),
            clear_tool_uses_20250919=_is(at >= (4, 0)),
            compact_20260112=_is(adaptive),
        ),
        "effort": _is(
            efforts,
            low=_is(efforts),
            medium=_is(efforts),
            high=_is(efforts),
            xhigh=_is(at >= (4, 7)),
            max=_is(adaptive),
        ),
        "image_input": _is(True),
        "pdf_input": _is(True),
        "server_tools": _is(True, web_search=_is(True), code_execution=_is(True)),
        "structured_outputs": _is(at >= (4, 5)),
        "thinking": _is(
            thinks,
            types={
                "adaptive": _is(adaptive),
                "between_tools": _is(at >= (5, 0)),
                "disabled": _is(not (known and at >= _first_always_on(model))),
                "enabled": _is(manual),
            },
        ),
    }


def _first_without_budget(model: str) -> tuple[int, int]:
    return (4, 7) if line(model) == "opus" else (5, 0)


def _first_always_on(model: str) -> tuple[int, int]:
    return {"opus": (5, 5), "fable": (5, 1), "mythos": (5, 1)}.get(line(model) or "", (100, 0))


def _is(supported: bool, **more: Any) -> dict[str, Any]:
    return {"supported": supported, **more}
