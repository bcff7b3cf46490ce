"""`POST /v1/moderations`: a text is flagged for the categories whose first word it holds ("violence", "hate")."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from llmgw_simulator.dialects._checks import is_objects, is_texts
from llmgw_simulator.dialects._rules import ANY, TEXT, check, json_body, missing
from llmgw_simulator.dialects.chat_messages import invalid
from llmgw_simulator.opaque import token
from llmgw_simulator.openai.page import as_json
from llmgw_simulator.wire import Incoming, Product

_CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "sexual",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm/intent",
    "self-harm/instructions",
    "self-harm",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
_OF_IMAGES = frozenset(name for name in _CATEGORIES if name.startswith(("sexual", "self-harm", "violence")))


def moderate(incoming: Incoming) -> Product:
    """A verdict for each text, or one for all parts of a mixed input. Raises `Refusal`."""
    body = json_body(incoming.body)
    check(body, {"input": ANY, "model": TEXT})
    if body.get("input") is None:
        missing("input")
    results = [_result(text, kinds) for text, kinds in _inputs(body["input"])]
    digest = hashlib.sha256(incoming.body).hexdigest()
    model = body.get("model") or "omni-moderation-latest"
    return as_json({"id": f"modr-{token(digest, 24)}", "model": model, "results": results})


def _inputs(given: Any) -> list[tuple[str, tuple[str, ...]]]:
    """Each text to judge, with the kinds of its parts."""
    if isinstance(given, str):
        return [(given, ("text",))]
    if is_texts(given) and given:
        return [(text, ("text",)) for text in given]
    if not is_objects(given) or not given:
        invalid("Invalid type for 'input': expected a string or an array.", "input", "invalid_type")
    for index, part in enumerate(given):
        if part.get("type") not in ("text", "image_url"):
            allowed = "'text' and 'image_url'"
            message = f"Invalid value: '{part.get('type')}'. Supported values are: {allowed}."
            invalid(message, f"input[{index}].type", "invalid_value")
    text = "\n".join(str(part.get("text") or "") for part in given)
    kinds = sorted({"text" if part["type"] == "text" else "image" for part in given}, reverse=True)
    return [(text, tuple(kinds))]


def _result(text: str, kinds: tuple[str, ...]) -> dict[str, Any]:
    words = set(re.findall(r"[\w-]+", text.lower()))
    flags = {name: name.partition("/")[0] in words and "/" not in name for name in _CATEGORIES}
    applied = {name: [kind for kind in kinds if kind == "text" or name in _OF_IMAGES] for name in _CATEGORIES}
    return {
        "flagged": any(flags.values()),
        "categories": flags,
        "category_scores": {name: 0.97 if flag else 0.0001 for name, flag in flags.items()},
        "category_applied_input_types": applied,
    }
