"""A canonical request as a Converse body.

The body is written in the order of the prompt (tools, system text, messages), since cache points count in it. What
Bedrock can't say and what changes the answer is named in `Rendered.lossy`, or refused where an answer without it would
be another thing altogether. What a Claude model takes is decided by the same rules as at Anthropic.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import msgspec

from llmgw_domain.chat import CacheMark, ChatRequest, Text
from llmgw_domain.errors import InvalidField
from llmgw_protocols import customs, names, only_responses
from llmgw_protocols.converse import extras as _extras
from llmgw_protocols.converse import reasoning as _reasoning
from llmgw_protocols.converse.content import ContentWriter
from llmgw_protocols.converse.conversation import fitted
from llmgw_protocols.converse.marks import Marks
from llmgw_protocols.converse.models import Traits, traits_of
from llmgw_protocols.converse.tools import NO_CALLS, ToolWriter
from llmgw_protocols.dialect import Rendered, TargetFacts
from llmgw_protocols.losses import Losses
from llmgw_protocols.messages import thinking as _thinking
from llmgw_protocols.messages.models import Capabilities
from llmgw_protocols.messages.reading import is_null
from llmgw_protocols.messages.sampling import check, samplers
from llmgw_protocols.messages.structured import closed_schema, demand
from llmgw_protocols.messages.turns import Conversation, TurnRules, normalise

_CLAUDE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LEGAL_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_OTHER = Capabilities(sampling=True, both_samplers=True, adaptive=False, efforts=())
"""The record of a model that is not Claude, where only its samplers and the order of turns are asked for."""
_TIERS = {
    "default": "default",
    "standard": "default",
    "standard_only": "default",
    "flex": "flex",
    "priority": "priority",
    "fast": "priority",
    "reserved": "reserved",
}


def render(request: ChatRequest, facts: TargetFacts) -> Rendered:
    """The request for a model on Bedrock. Raises `UnsupportedField` and `InvalidField`."""
    return _Rendering(request, facts).rendered()


class _Rendering:
    """One request on its way into one body."""

    def __init__(self, request: ChatRequest, facts: TargetFacts) -> None:
        self._losses = Losses(request.dialect or request.family)
        request, self._customs = customs.as_functions(only_responses.without(request, self._losses), self._losses)
        request, self._aliases = names.aliased(request, names.CONVERSE)
        self._request = request
        self._model = facts.model
        self._traits: Traits = traits_of(facts.model)
        self._record: Capabilities = self._traits.claude or _OTHER
        self._marks = Marks(self._traits)
        self._body: dict[str, Any] = {}
        self._additional: dict[str, Any] = {}
        self._schema = closed_schema(request.format, structured=self._traits.structured)

    def rendered(self) -> Rendered:
        request = self._request
        check(request, self._losses)
        if request.max_tokens is not None and request.max_tokens < 1:
            raise InvalidField("max_tokens: must be 1 or more.", param="max_tokens")
        plan = self._planned()
        talk = normalise(request, self._record, self._losses, may_prefill=not plan.on, rules=self._rules())
        plan = self._fitting(plan, talk)
        self._output(plan)
        self._prompt(talk)
        self._inference(plan)
        self._rest()
        _extras.write(request, self._traits, self._body, self._additional, self._losses)
        if self._additional:
            self._body["additionalModelRequestFields"] = self._additional
        verb = "converse-stream" if request.stream else "converse"
        return Rendered(
            path=f"/model/{quote(self._model, safe='')}/{verb}",
            body=msgspec.json.encode(self._body),
            lossy=self._losses.names(),
            aliases=self._aliases,
            customs=self._customs,
        )

    def _rules(self) -> TurnRules:
        traits = self._traits
        return TurnRules(
            signed_by=traits.families,
            opaque_of="bedrock",
            legal_id=_CLAUDE_ID if traits.claude else _LEGAL_ID,
        )

    # --- thinking -----------------------------------------------------------------------------------------------------

    def _planned(self) -> _thinking.ThinkingPlan:
        # Without a limit of the client's, Bedrock's is that of the model.
        limit = self._request.max_tokens or self._record.max_output
        if self._traits.claude is None:
            self._additional.update(_reasoning.fields(self._request, self._traits, self._losses))
            return _thinking.ThinkingPlan(max_tokens=limit)
        return _thinking.plan(self._request, self._record, limit, self._losses)

    def _fitting(self, plan: _thinking.ThinkingPlan, talk: Conversation) -> _thinking.ThinkingPlan:
        if _thinking.fits(plan, talk.turns):
            return plan
        self._losses.add("reasoning_effort")
        return _thinking.ThinkingPlan(max_tokens=self._request.max_tokens or self._record.max_output)

    # --- the prompt ---------------------------------------------------------------------------------------------------

    def _prompt(self, talk: Conversation) -> None:
        tools = ToolWriter(self._traits, self._marks, self._losses)
        config = tools.config(self._request, [call for turn in talk.turns for call in turn.calls])
        if tools.one_call:
            self._additional["tool_choice"] = {"type": "auto", "disable_parallel_tool_use": True}
        wanted = [*talk.system, *(Text(text) for text in (self._demand(), tools.no_calls and NO_CALLS) if text)]
        turns = fitted(talk.turns, self._traits)
        if wanted and not self._traits.system:
            turns[0].blocks[:0] = wanted
            wanted = []
        content = ContentWriter(self._traits, self._marks, self._losses)
        if system := content.system(wanted):
            self._body["system"] = system
        self._body["messages"] = [content.message(turn) for turn in turns]
        if config is not None:
            self._body["toolConfig"] = config
        if (whole := self._request.extras.get("cache_control")) is not None and not is_null(whole):
            # A mark of the whole prompt, without a block of its own.
            mark = CacheMark("1h" if b'"1h"' in bytes(whole) else None)
            self._marks.put("messages", self._body["messages"][-1]["content"], mark)
        self._marks.settle()

    # --- the answer ---------------------------------------------------------------------------------------------------

    def _output(self, plan: _thinking.ThinkingPlan) -> None:
        """How the answer is to look, and how hard Claude is to try."""
        output: dict[str, Any] = {}
        if plan.thinking is not None:
            self._additional["thinking"] = plan.thinking
        if plan.effort is not None:
            output["effort"] = plan.effort
        if self._schema is not None:
            output["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": self._named(self._schema)}}
        if output:
            self._body["outputConfig"] = output

    def _named(self, schema: msgspec.Raw) -> dict[str, str]:
        wanted = self._request.format
        said = {"name": wanted.name, "description": wanted.description} if wanted is not None else {}
        return {"schema": bytes(schema).decode()} | {key: value for key, value in said.items() if value}

    def _demand(self) -> str | None:
        """What the system text has to ask for where no field says it."""
        asked = demand(self._request.format) if self._schema is None else None
        if asked is not None:
            self._losses.add("response_format")
        return asked

    def _inference(self, plan: _thinking.ThinkingPlan) -> None:
        request = self._request
        taken = samplers(request, self._record, self._losses, thinking=plan.on)
        config: dict[str, Any] = {}
        if request.max_tokens is not None:
            config["maxTokens"] = plan.max_tokens
        if "temperature" in taken:
            config["temperature"] = taken["temperature"]
        if "top_p" in taken:
            config["topP"] = taken["top_p"]
        stops = [stop for stop in request.stop if stop.strip()]
        if len(stops) != len(request.stop):
            self._losses.add("stop")
        if stops:
            config["stopSequences"] = stops
        if config:
            self._body["inferenceConfig"] = config
        if "top_k" in taken:
            self._top_k(taken["top_k"])

    def _top_k(self, top_k: float) -> None:
        if self._traits.top_k == "claude":
            self._additional["top_k"] = top_k
        elif self._traits.top_k == "nova":
            self._additional["inferenceConfig"] = {"topK": top_k}
        else:
            self._losses.add("top_k")

    def _rest(self) -> None:
        tier = (self._request.service_tier or "auto").lower()
        if tier in _TIERS:
            self._body["serviceTier"] = {"type": _TIERS[tier]}
        elif tier != "auto":
            self._losses.add("service_tier")
