"""Why an answer ended: Gemini's finish reasons and ours, both ways, and its token counts.

Three kinds of reasons: an end (with or without a limit or a filter), a failure of the model that only counts as one
where nothing came out before it, and a shut account.
"""

from __future__ import annotations

from llmgw_domain import Usage
from llmgw_domain.errors import AccountForbidden, GatewayError, UpstreamFailed
from llmgw_domain.stream import Finished, FinishReason
from llmgw_protocols.gemini._wire import UsageMetadata

FILTERED = frozenset(
    [
        "SAFETY",
        "RECITATION",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "LANGUAGE",
        "ESCALATION",
        "MODEL_ARMOR",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
    ]
)
BROKEN = frozenset(
    [
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE",
        "OTHER",
        "FINISH_REASON_UNSPECIFIED",
        "IMAGE_OTHER",
        "NO_IMAGE",
    ]
)
_LIMITED = frozenset({"MAX_TOKENS", "CONTINUATION"})
_SHUT = "PUP_LIMITED_DISABLED"
_NUMBERS = ("FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER", "BLOCKLIST")
_KNOWN = FILTERED | BROKEN | _LIMITED | {"STOP"}

_TO_GEMINI = {
    FinishReason.STOP: "STOP",
    FinishReason.LENGTH: "MAX_TOKENS",
    # Gemini has no reason of its own for calls.
    FinishReason.TOOL_CALLS: "STOP",
    FinishReason.CONTENT_FILTER: "SAFETY",
}


def name_of(reason: str | int) -> str:
    """A reason's name; numbers are those of the enum's first, stable values."""
    if isinstance(reason, str):
        return reason
    return _NUMBERS[reason] if 0 <= reason < len(_NUMBERS) else f"FINISH_REASON_{reason}"


def finished(reason: str, choice: int, *, calls: bool, text: bool) -> Finished | GatewayError:
    """What a reason means for an answer in which calls or text were seen."""
    if reason == "STOP":
        return Finished(FinishReason.TOOL_CALLS if calls else FinishReason.STOP, choice)
    if reason in _LIMITED:
        return Finished(FinishReason.LENGTH, choice, detail=None if reason == "MAX_TOKENS" else reason)
    if reason in FILTERED:
        return Finished(FinishReason.CONTENT_FILTER, choice, detail=reason)
    if reason == _SHUT:
        return AccountForbidden(upstream_message=reason)
    if calls or text:
        return Finished(FinishReason.TOOL_CALLS if calls else FinishReason.STOP, choice, detail=reason)
    return UpstreamFailed(
        f"The model ended its answer with {reason} before it had said anything.",
        upstream_status=200,
        upstream_message=reason,
    )


def reason_for(event: Finished) -> str:
    """Gemini's word for an end; its own word, where the answer came from Gemini."""
    return event.detail if event.detail in _KNOWN and event.detail else _TO_GEMINI[event.reason]


def usage_of(counts: UsageMetadata) -> Usage | None:
    """Normalised usage; None where nothing was counted.

    Gemini's prompt count holds the cached tokens but not those of server-side tools, and its candidates' count leaves
    thoughts out.
    """
    if counts.prompt_token_count is None and counts.candidates_token_count is None and counts.total_token_count is None:
        return None
    thoughts = counts.thoughts_token_count
    return Usage.of_input(
        input=(counts.prompt_token_count or 0) + (counts.tool_use_prompt_token_count or 0),
        cached=counts.cached_content_token_count or 0,
        output=(counts.candidates_token_count or 0) + (thoughts or 0),
        reasoning=thoughts,
    )


def usage_metadata(usage: Usage) -> dict[str, int]:
    """Usage in Gemini's terms."""
    counts = {
        "promptTokenCount": usage.input,
        "candidatesTokenCount": max(0, usage.output - (usage.reasoning or 0)),
        "totalTokenCount": usage.total,
    }
    if usage.cache_read:
        counts["cachedContentTokenCount"] = usage.cache_read
    if usage.reasoning is not None:
        counts["thoughtsTokenCount"] = usage.reasoning
    return counts
