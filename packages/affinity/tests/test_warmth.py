"""How long caches keep a session, what a request asks for, and what an answer tells."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_affinity import Stay, asked, rule
from llmgw_affinity.carriers import Form
from llmgw_affinity.warmth import CacheClass, CacheRule, evidence
from llmgw_domain import Account, Provider, Secret, Usage
from llmgw_domain.servers import Server

MINUTE, HOUR = 60.0, 3600.0


def account(provider: str, server: str = "", url: str = "https://example.test") -> Account:
    return Account(
        id="a",
        provider=Provider(provider),
        base_url=url,
        credential=Secret(""),
        pool="p",
        server=Server(name=server),
    )


@pytest.mark.parametrize(
    ("provider", "model", "wanted", "life", "silent"),
    [
        ("anthropic", "claude-opus-5", None, 5 * MINUTE, False),
        ("anthropic", "claude-opus-5", "5m", 5 * MINUTE, False),
        ("anthropic", "claude-opus-5", "1h", HOUR, False),
        ("anthropic", "claude-opus-5", "12h", HOUR, False),
        ("bedrock", "anthropic.claude-sonnet-4-5", "1h", HOUR, False),
        ("bedrock", "amazon.nova-pro", "1h", 5 * MINUTE, False),
        ("vertex", "claude-opus-5", "1h", HOUR, False),
        ("vertex", "gemini-3-pro", "1h", 5 * MINUTE, True),
        ("google", "gemini-3-pro", None, 5 * MINUTE, True),
        ("openai", "gpt-4o", None, 10 * MINUTE, True),
        ("openai", "gpt-5", "24h", 24 * HOUR, True),
        ("openai", "gpt-5.5-pro", None, 24 * HOUR, True),
        ("openai", "gpt-5.6", None, 30 * MINUTE, False),
        ("openai", "gpt-5.6", "30m", 30 * MINUTE, False),
        ("openai", "gpt-5.6-sol", "12h", 12 * HOUR, False),
        ("openai", "gpt-6-astra", "1h", 12 * HOUR, False),
        ("azure", "gpt-5.6", None, 30 * MINUTE, False),
        ("openai", "o3", "24h", 24 * HOUR, True),
        ("openai-compatible", "any", None, 10 * MINUTE, True),
    ],
)
def test_a_cache_keeps_as_its_provider_says(
    provider: str, model: str, wanted: CacheClass | None, life: float, silent: bool
) -> None:
    """By provider, model and what was asked; the sources stand at the rule."""
    found = rule(account(provider), model, wanted)
    assert (life, silent) == (found.life, found.silent)


@pytest.mark.parametrize(
    ("server", "life"),
    [
        ("deepseek", 2 * HOUR),
        ("groq", 2 * HOUR),
        ("cerebras", 5 * MINUTE),
        ("ollama", 5 * MINUTE),
        ("vllm", 10 * MINUTE),
    ],
)
def test_compatible_servers_have_rules_of_their_own(server: str, life: float) -> None:
    """Those that state none get OpenAI's."""
    assert life == rule(account("openai-compatible", server), "m", None).life


def test_claude_has_its_rule_at_every_cloud() -> None:
    """Foundry and Mantle serve Anthropic's API."""
    for url in ("https://x.services.ai.azure.com/anthropic", "https://bedrock-mantle.us-east-1.api.aws/anthropic"):
        assert CacheRule(life=HOUR, silent=False) == rule(account("anthropic", url=url), "claude-opus-5", "1h")


# --- what a request asks for ------------------------------------------------------------------------------------------


def marked(ttl: str | None, name: str = "cache_control") -> list[dict[str, Any]]:
    mark = {"type": "ephemeral"} if ttl is None else {"type": "ephemeral", "ttl": ttl}
    return [{"role": "user", "content": [{"type": "text", "text": "hi", name: mark}]}]


@pytest.mark.parametrize(
    ("form", "body", "expected"),
    [
        ("messages", {"messages": marked(None)}, "5m"),
        ("messages", {"messages": marked("1h")}, "1h"),
        ("messages", {"messages": [*marked("1h"), *marked("5m")]}, "5m"),
        ("messages", {"messages": [], "system": [{"text": "x", "cache_control": {"ttl": "1h"}}]}, "1h"),
        ("messages", {"messages": marked("5m"), "system": [{"text": "x", "cache_control": {"ttl": "1h"}}]}, "5m"),
        ("messages", {"messages": [], "tools": [{"name": "x", "cache_control": {"type": "ephemeral"}}]}, "5m"),
        ("messages", {"messages": [], "cache_control": {"type": "ephemeral", "ttl": "1h"}}, "1h"),
        ("messages", {"messages": [{"role": "user", "content": '"cache_control":{"ttl":"1h"}'}]}, None),
        ("messages", {"messages": marked("7y")}, None),
        ("chat", {"messages": marked("30m", "prompt_cache_breakpoint")}, "30m"),
        ("chat", {"messages": [], "prompt_cache_retention": "24h"}, "24h"),
        ("chat", {"messages": [], "prompt_cache_retention": "in_memory"}, "5m"),
        ("chat", {"messages": [], "prompt_cache_retention": 7}, None),
        ("responses", {"input": "hi", "prompt_cache_options": {"mode": "implicit", "ttl": "12h"}}, "12h"),
        ("responses", {"input": "hi", "prompt_cache_options": "12h"}, None),
        ("responses", {"input": marked("12h", "prompt_cache_breakpoint")}, "12h"),
        ("responses", {"input": "hi"}, None),
        ("gemini", {"contents": marked("1h")}, None),
        ("completions", {"prompt": "hi"}, None),
    ],
)
def test_a_request_asks_for_a_class(form: Form, body: dict[str, Any], expected: CacheClass | None) -> None:
    """The last mark covers the most of the prompt, and is what its conversation is kept by."""
    fields = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in body.items()}
    assert expected == asked(form, fields)


# --- what an answer tells ---------------------------------------------------------------------------------------------

SILENT = CacheRule(life=600.0)
TELLING = CacheRule(life=300.0, silent=False)


def stay(cached: int = 0, warm_until: float = 300.0, told: int = 0) -> Stay:
    return Stay(account="a", since=1, node="n", cached=cached, warm_until=warm_until, told=told)


def used(uncached: int = 0, read: int = 0, written: int = 0, **more: Any) -> Usage:
    return Usage(uncached_input=uncached, cache_read=read, cache_write_5m=written, **more)


@pytest.mark.parametrize(
    ("before", "usage", "cache", "expected"),
    [
        # The provider says what it wrote.
        (stay(), used(10, written=5000), TELLING, (5000, 400.0)),
        (stay(5000), used(10, read=5000, written=700), TELLING, (5700, 400.0)),
        (stay(5000), used(700, read=5000), TELLING, (5000, 400.0)),
        (stay(5000), used(9000), TELLING, (0, 400.0)),
        (stay(), used(9000), TELLING, (0, 400.0)),
        # It writes without saying, in whole steps: the first answer is believed, a later one has to show it.
        (stay(), used(5000), SILENT, (4992, 700.0)),
        (stay(), used(1023), SILENT, (0, 700.0)),
        (stay(5000, told=1), used(100, read=5000), SILENT, (4992, 700.0)),
        (stay(5000, told=1), used(5100), SILENT, (0, 700.0)),
        (stay(0, told=2), used(5200), SILENT, (0, 700.0)),
        (stay(0, told=3), used(300, read=5000), SILENT, (5248, 700.0)),
        (stay(5000, warm_until=50.0, told=1), used(5100), SILENT, (4992, 700.0)),
        # A shorter prompt of the same session: a title, a subagent, what is left after a compaction.
        (stay(5000, told=1), used(200), SILENT, (5000, 300.0)),
        (stay(5000, told=1), used(200, read=1000), TELLING, (2500, 400.0)),
        (stay(5000, told=1), used(1500), TELLING, (2500, 300.0)),
        (stay(5000, told=1), used(200, read=4000), TELLING, (4000, 400.0)),
        # An estimate says nothing, nor does an answer without usage.
        (stay(5000, told=1), used(9000, provenance="estimated"), TELLING, (5000, 300.0)),
        (stay(5000, told=1), used(), TELLING, (5000, 300.0)),
    ],
)
def test_an_answer_tells_what_is_cached(
    before: Stay, usage: Usage, cache: CacheRule, expected: tuple[int, float]
) -> None:
    """Tokens that the next turn will find, and until when, from the time that this one was sent."""
    after = evidence(before, usage, at=100.0, told=9, rule=cache)
    assert expected == (after.cached, after.warm_until)
    assert (before.account, before.since, before.node) == (after.account, after.since, after.node)
    assert after.told == (before.told if after is before else 9)


def test_a_session_stays_warm_over_a_compaction() -> None:
    """Its belief comes down to what is there, and its time goes on."""
    now = stay(100_000, told=1)
    for turn in range(20):
        now = evidence(now, used(500, read=20_000), at=100.0 + 60 * turn, told=2 + turn, rule=TELLING)
    assert (20_000, 100.0 + 60 * 19 + 300) == (now.cached, now.warm_until)


counts = st.integers(0, 9000)


@given(
    st.builds(stay, counts, st.floats(0, 1000), st.integers(0, 9)),
    st.builds(used, counts, counts, counts),
    st.builds(CacheRule, life=st.floats(1, 1e5), silent=st.booleans()),
)
def test_no_more_is_believed_than_was_asked_or_known(before: Stay, usage: Usage, cache: CacheRule) -> None:
    """And warm time never shortens."""
    after = evidence(before, usage, at=100.0, told=10, rule=cache)
    assert 0 <= after.cached <= max(before.cached, usage.input)
    assert before.warm_until <= after.warm_until
