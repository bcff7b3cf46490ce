"""Rate limits and signals of recorded traffic, where there is some: real headers, real refusals.

The recordings are no part of this tree. `RECORDINGS` names their folder, as for `make conformance`.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llmgw_domain import Provider
from llmgw_domain.limits import RateLimits
from llmgw_domain.signals import Signal
from llmgw_protocols import TargetFacts, dialect_for, ratelimits, signals

FOLDER = Path(os.environ.get("RECORDINGS") or Path(__file__).resolve().parents[3].parent / "shared/recordings")
PROVIDERS = {
    "anthropic": Provider.ANTHROPIC,
    "azure": Provider.AZURE,
    "bedrock": Provider.BEDROCK,
    "google": Provider.GOOGLE,
    "openai": Provider.OPENAI,
    "vertex": Provider.VERTEX,
}
"""All others are compatible servers."""
NOW = 1_800_000_000.0

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"there are no recordings in {FOLDER}")

KEY = Signal(verdict="disable", whole=True, seconds=None, reason="key")
REFUSED_FOR_THE_ACCOUNT = {
    "google/generateContent/ruby_llm-c83d68a815bf49": Signal(
        verdict="pause", whole=False, seconds=48.0, reason="input_tokens"
    ),
    "openrouter/chat_completions/pydantic-32664288b25148": Signal(
        verdict="overloaded", whole=False, seconds=None, reason="capacity"
    ),
    # Keys that are wrong without a 401: an expired token of AWS, xAI's 400.
    "bedrock/converse/dd-f5b301ef574693": KEY,
    "bedrock/invoke/dd-471a6daef914b9": KEY,
    "xai/responses/ruby_llm-b54fb7cd61595d": KEY,
}
"""By recording; of the others a 401 is a wrong key, and the rest is the request's own fault."""


def recorded() -> Iterator[tuple[str, Any, Any]]:
    for file in sorted(FOLDER.glob("*/*/*.json")):
        exchange = msgspec.json.decode(file.read_bytes())
        yield str(file.relative_to(FOLDER).with_suffix("")), exchange["request"], exchange["response"]


def body_of(response: Any) -> bytes:
    text = response.get("body_text")
    return text.encode() if text is not None else msgspec.json.encode(response.get("body"))


def test_refusals() -> None:
    """What is known of each refusal is what is told of it, and no request's fault is laid on an account."""
    told, expected = {}, {}
    for name, _, response in recorded():
        status, headers, body = response["status"], response["headers"], body_of(response)
        if status < 400:
            continue
        provider = PROVIDERS.get(name.partition("/")[0], Provider.OPENAI_COMPATIBLE)
        error = dialect_for(TargetFacts(provider=provider, model="m")).fault(status, headers, body)
        told[name] = signals.read(provider, status, headers, body, error, ratelimits.read(headers, body, NOW))
        expected[name] = REFUSED_FOR_THE_ACCOUNT.get(name, KEY if status == 401 else None)
    assert expected == told
    assert REFUSED_FOR_THE_ACCOUNT.keys() <= told.keys()


def test_answers() -> None:
    """Every header of a limit is read, and good answers of accounts that are well do not pause them."""
    unread, paused = [], {}
    for name, _, response in recorded():
        headers = response["headers"]
        limits = ratelimits.read(headers, b"", NOW)
        if any("-limit" in header and "ratelimit" in header for header in headers) and not counts(limits):
            unread.append(name)
        if response["status"] < 400 and limits is not None and (signal := signals.ahead(limits)) is not None:
            paused[name.partition("/")[0]] = signal
    assert [] == unread
    # Together's two requests a second: half a second is one of them.
    assert {"together": Signal(verdict="pause", whole=False, seconds=0.5, reason="requests")} == paused


def counts(limits: RateLimits | None) -> bool:
    return limits is not None and bool(limits.requests or limits.tokens or limits.windows)
