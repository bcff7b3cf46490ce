"""What each provider says of a limit that was reached: messages, types and details of its 429.

Sources: the providers' pages on rate limits, and errors that users have quoted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from llmgw_simulator.limits import Denied
from llmgw_simulator.wire import Refusal

_GPT_SHORT = {"requests": "RPM", "tokens": "TPM", "output-tokens": "TPM"}
_CLAUDE_NAMES = {
    "requests": "requests per minute",
    "tokens": "input tokens per minute",
    "output-tokens": "output tokens per minute",
}
_GOOGLE_QUOTAS = {
    "requests": ("generate_content_requests", "GenerateRequestsPerMinutePerProjectPerModel"),
    "tokens": ("generate_content_paid_tier_input_token_count", "GenerateContentPaidTierInputTokensPerModelPerMinute"),
    "output-tokens": ("generate_content_output_token_count", "GenerateContentOutputTokensPerModelPerMinute"),
}


def denied(dialect: str, denial: Denied, model: str) -> Refusal:
    """The refusal in the words of the dialect's provider."""
    return _WORDS[dialect](denial, model)


def _openai(denial: Denied, model: str) -> Refusal:
    if denial.name == "concurrency":
        message = f"Too many concurrent requests for {model} in organization org-simulated. Please try again later."
        return Refusal(429, message, kind="requests", code="rate_limit_exceeded", retry_after=denial.wait)
    kind = "requests" if denial.name == "requests" else "tokens"
    limit, used = round(denial.meter.limit), round(denial.meter.limit - denial.meter.remaining)
    where = f"for {model} in organization org-simulated on {kind} per min ({_GPT_SHORT[denial.name]}): Limit {limit}"
    visit = "Visit https://platform.openai.com/account/rate-limits to learn more."
    if denial.wait is None:
        head = f"Request too large {where}, Requested {round(denial.wants)}."
        message = f"{head} The input or output tokens must be reduced in order to run successfully. {visit}"
    else:
        head = f"Rate limit reached {where}, Used {used}, Requested {round(denial.wants)}."
        message = f"{head} Please try again in {duration(denial.wait)}. {visit}"
    return Refusal(429, message, kind=kind, code="rate_limit_exceeded", retry_after=denial.wait)


def duration(seconds: float) -> str:
    """As OpenAI writes them: `120ms`, `1.5s`, `6m0s`."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}m{rest:.3g}s" if minutes else f"{math.ceil(rest * 1000) / 1000:g}s"


def _anthropic(denial: Denied, model: str) -> Refusal:
    if denial.name == "concurrency":
        message = (
            "Number of concurrent connections has exceeded your rate limit. Please try again later or contact sales at "
            "https://www.anthropic.com/contact-sales to discuss your options for a rate limit increase."
        )
    else:
        limit = f"{round(denial.meter.limit):,} {_CLAUDE_NAMES[denial.name]}"
        message = (
            f"This request would exceed your organization's rate limit of {limit} (org: "
            f"00000000-0000-4000-8000-000000000000, model: {model}). For details, refer to: "
            "https://docs.claude.com/en/api/rate-limits. You can see the response headers for current usage."
        )
    # Whole seconds, and never earlier than there is enough.
    return Refusal(429, message, retry_after=None if denial.wait is None else float(math.ceil(denial.wait)))


def _google(denial: Denied, model: str) -> Refusal:
    metric, quota = _GOOGLE_QUOTAS[denial.name if denial.name in _GOOGLE_QUOTAS else "requests"]
    limit = f"{denial.meter.limit:.0f}"
    message = (
        "You exceeded your current quota, please check your plan and billing details. For more information on this "
        "error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.\n* Quota exceeded for metric: "
        f"generativelanguage.googleapis.com/{metric}, limit: {limit}, model: {model}"
    )
    if denial.wait is not None:
        message += f"\nPlease retry in {denial.wait:.9g}s."
    violation: dict[str, Any] = {
        "quotaMetric": f"generativelanguage.googleapis.com/{metric}",
        "quotaId": quota,
        "quotaDimensions": {"location": "global", "model": model},
        "quotaValue": limit,
    }
    details = [{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}]
    wait = None if denial.wait is None else float(math.ceil(denial.wait))
    return Refusal(429, message, details=details, retry_after=wait)


def _azure(denial: Denied, model: str) -> Refusal:
    seconds = math.ceil(denial.wait or 1.0)
    message = (
        "Requests to the ChatCompletions_Create Operation under Azure OpenAI API have exceeded the "
        f"{_rate(denial)} rate limit of your current OpenAI S0 pricing tier. Please retry after {seconds} seconds."
    )
    return Refusal(429, message, code="429", retry_after=float(seconds))


def _rate(denial: Denied) -> str:
    return "call" if denial.name in ("requests", "concurrency") else "token"


def _bedrock(denial: Denied, model: str) -> Refusal:
    what = "tokens" if denial.name in ("tokens", "output-tokens") else "requests"
    return Refusal(429, f"Too many {what}, please wait before trying again.")


def _vertex(denial: Denied, model: str) -> Refusal:
    return Refusal(
        429,
        "Resource exhausted. Please try again later. Please refer to "
        "https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more details.",
    )


_WORDS: dict[str, Callable[[Denied, str], Refusal]] = {
    "chat": _openai,
    "responses": _openai,
    "completions": _openai,
    "azure": _azure,
    "messages": _anthropic,
    "gemini": _google,
    "bedrock": _bedrock,
    "vertex": _vertex,
    "vertex-claude": _vertex,
}
