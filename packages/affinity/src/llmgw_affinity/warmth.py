"""What an account's prompt cache holds of a session, and for how long: by the provider's rules and by its answers.

No provider tells what it has cached. What is known is how long it keeps what nobody asks for, and what an answer says
was read and written. Both are belief: an answer that finds nothing ends it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

from llmgw_affinity._marks import last_mark
from llmgw_affinity.carriers import Form
from llmgw_affinity.pins import Stay
from llmgw_domain import Account, Provider, Usage

CacheClass = Literal["5m", "30m", "1h", "12h", "24h"]
"""How long a request asks its prompt to be kept."""

HELD = 300.0
"""Seconds for which a session that was just bound is held where it is, before any answer told what is cached there:
the shortest life of any provider's cache."""


class CacheRule(msgspec.Struct, frozen=True, kw_only=True):
    """How a cache behaves: `life` is the seconds that it keeps a prompt from its last use, `least` the tokens of the
    shortest prompt that it takes. A `silent` one writes every prompt and says nothing of it: it reports reads only, and
    finds whole steps of so many tokens (OpenAI's page "Prompt caching": 128; DeepSeek's: 64)."""

    life: float
    least: int = 1024
    silent: bool = True
    step: int = 128


_MINUTE, _HOUR = 60.0, 3600.0

_SERVERS: dict[str, CacheRule] = {
    "deepseek": CacheRule(life=2 * _HOUR, least=64, step=64),
    "groq": CacheRule(life=2 * _HOUR),
    "cerebras": CacheRule(life=5 * _MINUTE),
    "ollama": CacheRule(life=5 * _MINUTE),
    "openrouter": CacheRule(life=5 * _MINUTE),
}
_LONG: frozenset[CacheClass | None] = frozenset({"1h", "12h", "24h"})
_GPT = re.compile(r"gpt-(\d+)(?:\.(\d+))?")


def rule(account: Account, model: str, asked: CacheClass | None) -> CacheRule:
    """The rule of the cache that serves `model`, the provider's name, at this account, as the request `asked`.

    - Anthropic, at whatever cloud: 5 minutes or 1 hour from the last use, as marked (its page "Prompt caching";
      Bedrock's and Vertex's pages say the same). Nothing is cached without a mark, and writes are reported.
    - OpenAI and Azure: from GPT-5.6 on 30 minutes or 12 hours, writes reported; GPT-5.5 keeps for up to 24 hours
      whatever is asked, earlier ones where it is asked, otherwise "5 to 10 minutes of inactivity" (both pages "Prompt
      caching").
    - Gemini caches implicitly from 1,024 to 4,096 tokens on and states no life; 3 to 5 minutes have been measured.
    - DeepSeek keeps for "a few hours to a few days", Groq for 2 hours without use, Cerebras for 5 minutes at least
      (their pages of that name); Ollama unloads an idle model after 5 minutes. OpenRouter has many providers: the
      shortest.
    - vLLM and most others evict by memory, not by time. They get OpenAI's ten minutes.
    """
    if account.provider is Provider.ANTHROPIC or "claude" in model.lower():
        return CacheRule(life=_HOUR if asked in _LONG else 5 * _MINUTE, silent=False)
    if account.provider.is_openai:
        return _of_gpt(model, asked)
    if account.provider is Provider.BEDROCK:
        return CacheRule(life=5 * _MINUTE, silent=False)
    if account.provider in (Provider.GOOGLE, Provider.VERTEX):
        return CacheRule(life=5 * _MINUTE, least=4096)
    return _SERVERS.get(account.server.name, CacheRule(life=10 * _MINUTE))


def _of_gpt(model: str, asked: CacheClass | None) -> CacheRule:
    named = _GPT.search(model)
    version = (int(named[1]), int(named[2] or 0)) if named else (0, 0)
    if version >= (5, 6):
        return CacheRule(life=12 * _HOUR if asked in _LONG else 30 * _MINUTE, silent=False)
    extended = asked == "24h" or version == (5, 5)
    return CacheRule(life=24 * _HOUR if extended else 10 * _MINUTE)


# --- what a request asks for ------------------------------------------------------------------------------------------


class _Mark(msgspec.Struct):
    ttl: str = ""


_mark = msgspec.json.Decoder(_Mark).decode
_text = msgspec.json.Decoder(str).decode

_CLASSES: dict[str, CacheClass] = {
    "5m": "5m",
    "30m": "30m",
    "1h": "1h",
    "12h": "12h",
    "24h": "24h",
    "in_memory": "5m",
    "in-memory": "5m",
}
_MARKED = ("messages", "input", "system", "tools")
"""Fields that may hold marks, from the end of the prompt to its beginning: the last mark covers the most of it."""


def asked(form: Form, fields: Mapping[str, msgspec.Raw]) -> CacheClass | None:
    """The cache class that a request asks for; None where it leaves that to the provider. Never raises."""
    if form in ("gemini", "completions"):
        return None
    for name in ("cache_control", "prompt_cache_options"):
        if name in fields and (wanted := _wanted(bytes(fields[name]))):
            return wanted
    if "prompt_cache_retention" in fields and (wanted := _retention(fields["prompt_cache_retention"])):
        return wanted
    for name in _MARKED:
        if name in fields and (mark := last_mark(bytes(fields[name]))):
            return _wanted(mark)
    return None


def _wanted(mark: bytes) -> CacheClass | None:
    """The class that a mark names. One that names none asks for five minutes, its providers' default."""
    try:
        ttl = _mark(mark).ttl
    except (msgspec.MsgspecError, RecursionError):
        return None
    return _CLASSES.get(ttl) if ttl else "5m"


def _retention(field: msgspec.Raw) -> CacheClass | None:
    try:
        return _CLASSES.get(_text(field))
    except msgspec.MsgspecError:
        return None


# --- what an answer tells ---------------------------------------------------------------------------------------------


def evidence(stay: Stay, usage: Usage, *, at: float, told: int, rule: CacheRule) -> Stay:
    """The stay as this answer shows it: what of its prompt is cached there, until when.

    `at` is when the request was sent (providers count a life from there, and a long answer uses it up), in Unix
    seconds; `told` the reading of the hybrid logical clock that orders evidence.

    Nothing is learnt from an estimate. A prompt shorter than what is believed cached is another prompt of the same
    session: a title or a subagent, after which the long one comes again, or what is left after a compaction. So it
    halves the belief at most, and nothing if it is too short to be cached. An answer to a long prompt that read and
    wrote nothing makes the stay cold, but for the first one of a silent cache.
    """
    if usage.provenance == "estimated" or not usage.input:
        return stay
    found = _found_next(stay, usage, at, rule)
    until = max(stay.warm_until, at + rule.life)
    if stay.warm(at) and usage.input < stay.cached:
        if usage.input < rule.least:
            return stay
        until = until if found else stay.warm_until
        found = max(found, stay.cached // 2)
    return msgspec.structs.replace(stay, cached=found, warm_until=until, told=told)


def _found_next(stay: Stay, usage: Usage, at: float, rule: CacheRule) -> int:
    """Tokens of this prompt that the next turn will find."""
    if usage.cache_write or (usage.cache_read and not rule.silent):
        return usage.cache_read + usage.cache_write
    whole = usage.input - usage.input % rule.step
    if usage.cache_read:
        return whole
    # A silent cache that should have had something and had not, or that said so before, is believed when it reads
    # again: there are servers that cache nothing, and never say so.
    denied = stay.warm(at) or (stay.told > 0 and stay.cached == 0 and at < stay.warm_until)
    return whole if rule.silent and not denied and usage.input >= rule.least else 0
