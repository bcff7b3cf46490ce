"""Gemini's thought signatures as they come back in a history.

A signature that is there must be Google's and unaltered, and one of a call must come back on a call of the same
function. Models of the third generation and later also want it: on the first call of every step since the user's last
words.
https://ai.google.dev/gemini-api/docs/thought-signatures
"""

from __future__ import annotations

from typing import Any

from llmgw_simulator.opaque import decoded, is_signature
from llmgw_simulator.wire import Refusal

REALM = "gemini"
"""Whose signatures these are."""

_DUMMY = b"skip_thought_signature_validator"
"""Google's documented stand-in for calls that none of its models made."""


def signed_text(part: dict[str, Any]) -> str:
    """What a part's signature covers: the name of a called function; of other parts nothing, as texts are merged."""
    call = part.get("functionCall")
    return f"call {call.get('name')}" if isinstance(call, dict) else ""


def check_signatures(contents: list[dict[str, Any]], *, must_sign: bool, vertex: bool) -> None:
    """Check all signatures, and that none is missing that the model demands. Raises `Refusal`."""
    since = max((index for index, content in enumerate(contents) if _is_prompt(content)), default=0)
    for index, content in enumerate(contents):
        unsigned = must_sign and index >= since
        for order, part in enumerate(content["parts"]):
            signature = part.get("thoughtSignature")
            if signature is not None and not _is_valid(str(signature), part):
                raise Refusal(400, "Thought signature is not valid." if vertex else "Corrupted thought signature.")
            is_first = not any("functionCall" in before for before in content["parts"][:order])
            if unsigned and "functionCall" in part and is_first and signature is None:
                raise Refusal(400, _missing(part["functionCall"].get("name"), index + 1, vertex))


def _missing(name: Any, position: int, vertex: bool) -> str:
    if vertex:
        return (
            f"Unable to submit request because function call `default_api:{name}` in the {position}. content block is "
            "missing a `thought_signature`. Learn more: "
            "https://docs.cloud.google.com/vertex-ai/generative-ai/docs/thought-signatures"
        )
    return (
        "Function call is missing a thought_signature in functionCall parts. This is required for tools to work "
        "correctly, and missing thought_signature may lead to degraded model performance. Additional data, function "
        f"call `default_api:{name}` , position {position}. Please refer to "
        "https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
    )


def _is_prompt(content: dict[str, Any]) -> bool:
    return content["role"] != "model" and not any("functionResponse" in part for part in content["parts"])


def _is_valid(signature: str, part: dict[str, Any]) -> bool:
    return (
        is_signature(signature, signed_text(part), realm=REALM, lenient=True)
        or decoded(signature, lenient=True) == _DUMMY
        or signature.encode() == _DUMMY
    )
