"""Tests of finish reasons and usage."""

import pytest

from llmgw_domain import Usage
from llmgw_domain.errors import AccountForbidden, GatewayError, UpstreamFailed
from llmgw_domain.stream import Finished, FinishReason
from llmgw_protocols.gemini._wire import UsageMetadata
from llmgw_protocols.gemini.finish import BROKEN, FILTERED, finished, name_of, reason_for, usage_metadata, usage_of


@pytest.mark.parametrize(
    ("reason", "calls", "text", "expected"),
    [
        ("STOP", False, True, Finished(FinishReason.STOP)),
        ("STOP", True, True, Finished(FinishReason.TOOL_CALLS)),
        ("MAX_TOKENS", False, False, Finished(FinishReason.LENGTH)),
        ("CONTINUATION", False, True, Finished(FinishReason.LENGTH, detail="CONTINUATION")),
        ("OTHER", False, True, Finished(FinishReason.STOP, detail="OTHER")),
        ("UNEXPECTED_TOOL_CALL", True, False, Finished(FinishReason.TOOL_CALLS, detail="UNEXPECTED_TOOL_CALL")),
        *((name, False, False, Finished(FinishReason.CONTENT_FILTER, detail=name)) for name in sorted(FILTERED)),
    ],
)
def test_finished(reason: str, calls: bool, text: bool, expected: Finished) -> None:
    """A reason is an end of one of our kinds, with Gemini's own word where ours is wider."""
    assert expected == finished(reason, 0, calls=calls, text=text)


@pytest.mark.parametrize("reason", [*sorted(BROKEN), "SOMETHING_NEW"])
def test_a_failure_without_content_is_one(reason: str) -> None:
    """A model that broke off before it said anything has failed, and the message says how."""
    error = finished(reason, 0, calls=False, text=False)
    assert isinstance(error, UpstreamFailed)
    assert reason in error.message


def test_a_shut_account() -> None:
    """An account that Google shut is the account's affair."""
    assert AccountForbidden is type(finished("PUP_LIMITED_DISABLED", 0, calls=False, text=True))


@pytest.mark.parametrize("reason", ["STOP", "MAX_TOKENS", *sorted(FILTERED)])
def test_reasons_come_back(reason: str) -> None:
    """What Gemini said is what a Gemini client reads."""
    end = finished(reason, 0, calls=False, text=True)
    assert not isinstance(end, GatewayError)
    assert reason == reason_for(end)


@pytest.mark.parametrize(
    ("reason", "expected"), [("tool_calls", "STOP"), ("content_filter", "SAFETY"), ("length", "MAX_TOKENS")]
)
def test_other_providers_reasons(reason: str, expected: str) -> None:
    """Other providers' ends get Gemini's nearest word, and their own words stay out of it."""
    assert expected == reason_for(Finished(FinishReason(reason), detail="refusal"))


@pytest.mark.parametrize(
    ("value", "expected"), [(1, "STOP"), ("STOP", "STOP"), (2, "MAX_TOKENS"), (99, "FINISH_REASON_99")]
)
def test_name_of(value: str | int, expected: str) -> None:
    """Reasons that come as numbers get their names."""
    assert expected == name_of(value)


def test_usage_arithmetic() -> None:
    """Cached tokens are part of the prompt, thoughts part of the output, and tools' prompts come on top."""
    counts = UsageMetadata(
        prompt_token_count=1200,
        cached_content_token_count=1000,
        tool_use_prompt_token_count=12,
        candidates_token_count=20,
        thoughts_token_count=30,
        total_token_count=1262,
    )
    usage = usage_of(counts)
    assert usage is not None
    assert (usage.input, usage.cache_read, usage.output, usage.reasoning, usage.total) == (1212, 1000, 50, 30, 1262)


def test_no_counts_are_no_usage() -> None:
    """Metadata without any count says nothing of usage."""
    assert usage_of(UsageMetadata()) is None


def test_usage_metadata() -> None:
    """Usage is told with thoughts apart from the candidates' tokens."""
    usage = Usage(uncached_input=212, cache_read=1000, output=50, reasoning=30)
    expected = {
        "promptTokenCount": 1212,
        "cachedContentTokenCount": 1000,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 30,
        "totalTokenCount": 1262,
    }
    assert expected == usage_metadata(usage)
