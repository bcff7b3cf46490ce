"""What each Claude model takes: the record that decides how a request is written for it.

The table is data: the longest matching prefix wins. A name that is not in it is taken for a model newer than the table,
so it gets today's newest behaviour, which older models refuse less often than newer ones refuse the old.
Platform prefixes (`anthropic.`, `us.anthropic.`, `anthropic/`) and date suffixes don't matter.

What the provider itself says of a model outranks its record as far as it goes: it says nothing of sampling, forced
tools, prefill or system messages.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from llmgw_domain.advertised import Advertised
from llmgw_protocols.dialect import TargetFacts

DEFAULT_OUTPUT = 32_000
"""The output limit, in tokens, where neither the client nor the configuration names one: thinking counts inside it."""

ALL_EFFORTS = ("low", "medium", "high", "xhigh", "max")
"""Every effort, lowest first."""
_NO_XHIGH = ("low", "medium", "high", "max")


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a model takes. The defaults are the newest behaviour."""

    sampling: bool = False
    """temperature, top_p and top_k are taken (with the API version of 2023)."""
    both_samplers: bool = False
    """temperature and top_p may come together."""
    adaptive: bool = True
    """`thinking: {type: adaptive}`: the model decides, steered by the effort."""
    budget: bool = False
    """`thinking: {type: enabled, budget_tokens}`."""
    disable: bool = False
    """`thinking: {type: disabled}` is needed and taken; models with a budget alone don't think unless told to."""
    efforts: tuple[str, ...] = ALL_EFFORTS
    calmest: str = "max"
    """The highest effort that goes with thinking turned off."""
    structured: bool = True
    """`output_config.format` and strict tools."""
    forced_tools: bool = True
    """`tool_choice` any or tool."""
    inline_system: bool = False
    """Messages of role system between the others."""
    prefill: bool = False
    """An unfinished assistant message at the end is continued."""
    fast: bool = False
    """`speed: fast`."""
    max_output: int = 128_000
    """The most tokens of an answer, thinking included."""

    def effort(self, wanted: str) -> str | None:
        """The nearest effort that the model takes: the wanted one, else the next lower, else its lowest; None if it
        takes none.
        """
        at = ALL_EFFORTS.index(wanted) if wanted in ALL_EFFORTS else 0
        below = [e for e in self.efforts if ALL_EFFORTS.index(e) <= at]
        return below[-1] if below else next(iter(self.efforts), None)

    def calm_effort(self, wanted: str) -> str | None:
        """The nearest effort that the model takes while its thinking is turned off."""
        effort = self.effort(wanted)
        if effort is None or ALL_EFFORTS.index(effort) <= ALL_EFFORTS.index(self.calmest):
            return effort
        return self.effort(self.calmest)

    @property
    def thinks(self) -> bool:
        return self.adaptive or self.budget


def _old(max_output: int, *, budget: bool = False, structured: bool = False, both: bool = True) -> Capabilities:
    return Capabilities(
        sampling=True,
        both_samplers=both,
        adaptive=False,
        budget=budget,
        efforts=(),
        structured=structured,
        prefill=True,
        max_output=max_output,
    )


_MODELS: dict[str, Capabilities] = {
    "claude-3-": _old(4096),
    "claude-3-5-": _old(8192),
    "claude-3-7-": _old(64_000, budget=True),
    "claude-opus-4": _old(32_000, budget=True),
    "claude-opus-4-0": _old(32_000, budget=True),
    "claude-opus-4-1": _old(32_000, budget=True, both=False),
    "claude-sonnet-4": _old(64_000, budget=True),
    "claude-sonnet-4-0": _old(64_000, budget=True),
    "claude-sonnet-4-5": _old(64_000, budget=True, structured=True, both=False),
    "claude-haiku-4-5": _old(64_000, budget=True, structured=True, both=False),
    "claude-opus-4-5": _old(64_000, budget=True, structured=True, both=False),
    "claude-sonnet-4-6": Capabilities(
        sampling=True, both_samplers=False, budget=True, disable=True, efforts=_NO_XHIGH, max_output=64_000
    ),
    "claude-opus-4-6": Capabilities(sampling=True, budget=True, disable=True, efforts=_NO_XHIGH, fast=True),
    "claude-opus-4-7": Capabilities(disable=True, fast=True),
    "claude-opus-4-8": Capabilities(disable=True, inline_system=True, fast=True),
    "claude-sonnet-5": Capabilities(disable=True),
    "claude-haiku-5": Capabilities(disable=True),
    "claude-opus-5": Capabilities(disable=True, calmest="high", inline_system=True, fast=True),
    "claude-opus-5-5": Capabilities(inline_system=True, forced_tools=False),
    "claude-fable-5": Capabilities(disable=True, inline_system=True, forced_tools=False),
    "claude-fable-5-1": Capabilities(inline_system=True, forced_tools=False),
    "claude-fable-5-2": Capabilities(inline_system=True, forced_tools=False),
    "claude-mythos-5": Capabilities(inline_system=True, forced_tools=False),
}

_UNKNOWN = Capabilities()
# What follows a prefix may be a date or a suffix, not another digit of the version: opus-4-9 is no opus-4.
_MINOR = re.compile(r"-?\d{1,2}(?!\d)")
_BY_LENGTH = sorted(_MODELS, key=len, reverse=True)


def capabilities(model: str) -> Capabilities:
    """The record of a model, by any platform's name for it."""
    name = model.lower().replace(".", "-")
    start = name.rfind("claude-")
    if start < 0:
        return _UNKNOWN
    name = name[start:]
    return next((_MODELS[p] for p in _BY_LENGTH if name.startswith(p) and not _MINOR.match(name, len(p))), _UNKNOWN)


def capabilities_at(facts: TargetFacts) -> Capabilities:
    """The record of a model at a target: what its name tells, as far as its provider or its place say no other."""
    record = capabilities(facts.model)
    if facts.advertised is not None:
        record = _as_advertised(record, facts.advertised)
    if facts.cloud == "foundry" and record.inline_system:
        record = msgspec.structs.replace(record, inline_system=False)
    return record


def _as_advertised(record: Capabilities, said: Advertised) -> Capabilities:
    changes: dict[str, Any] = {
        "max_output": said.max_output_tokens,
        "efforts": said.efforts,
        "structured": said.structured,
    }
    types = frozenset[str]() if said.thinks is False else said.thinking_types
    if types is not None:
        adaptive = "adaptive" in types
        # A model that does not think by itself takes `disabled` as well, and does not need it.
        changes |= {"adaptive": adaptive, "budget": "enabled" in types, "disable": adaptive and "disabled" in types}
    return msgspec.structs.replace(record, **{name: value for name, value in changes.items() if value is not None})
