"""A canonical request as an Anthropic Messages body.

What Anthropic can't say and what changes the answer is named in `Rendered.lossy`, or refused where an answer without it
would be another thing altogether (several choices, audio). What has no effect on the answer is dropped in silence.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from llmgw_domain import Provider
from llmgw_domain.chat import ChatRequest
from llmgw_domain.errors import InvalidField
from llmgw_protocols import customs, names, only_responses
from llmgw_protocols.dialect import Rendered, TargetFacts
from llmgw_protocols.losses import Losses
from llmgw_protocols.messages import extras as _extras
from llmgw_protocols.messages import thinking as _thinking
from llmgw_protocols.messages import turns as _turns
from llmgw_protocols.messages.content import FILES_BETA, ContentWriter, Marks
from llmgw_protocols.messages.envelope import PATH
from llmgw_protocols.messages.models import DEFAULT_OUTPUT, Capabilities, capabilities_at
from llmgw_protocols.messages.sampling import check, samplers
from llmgw_protocols.messages.structured import closed_schema, demand
from llmgw_protocols.messages.tools import ToolWriter, stand_ins

VERSION = "2026-10-21"
SAMPLING_VERSION = "2023-06-01"
"""The API version that still takes temperature, top_p and top_k, by the models that have them."""
FAST_BETA = "fast-mode-2026-02-01"
"""What some models want to be sent with any `speed`, and the others bear."""


def render(request: ChatRequest, facts: TargetFacts) -> Rendered:
    """The request for a model of Anthropic's. Raises `UnsupportedField` and `InvalidField`."""
    return _Rendering(request, facts).rendered()


class _Rendering:
    """One request on its way into one body."""

    def __init__(self, request: ChatRequest, facts: TargetFacts) -> None:
        self._losses = Losses(request.dialect or request.family)
        searches = facts.provider is Provider.ANTHROPIC
        request = only_responses.without(request, self._losses, searches=searches)
        request, self._customs = customs.as_functions(request, self._losses)
        self._request, self._aliases = names.aliased(request, names.ANTHROPIC)
        self._facts = facts
        self._model: Capabilities = capabilities_at(facts)
        self._marks = Marks()
        self._body: dict[str, Any] = {"model": facts.model}

    def rendered(self) -> Rendered:
        request, body = self._request, self._body
        self._refuse()
        self._closed_format = closed_schema(request.format, structured=self._model.structured)
        # Tools are written first, since they stand first in the prompt and marks count in its order.
        tools = ToolWriter(self._model, self._marks, self._losses)
        written_tools = tools.tools(request)
        content = ContentWriter(request.family, self._marks, self._losses)
        plan = self._conversation(content)
        body["max_tokens"] = plan.max_tokens
        self._reason(plan)
        body.update(samplers(request, self._model, self._losses, thinking=plan.on))
        self._tools(tools, written_tools)
        self._format()
        self._rest()
        self._marks.settle()
        _extras.write(request, body, self._losses)
        return Rendered(
            path=PATH,
            body=msgspec.json.encode(body),
            headers=self._headers(content.uses_files),
            lossy=self._losses.names(),
            aliases=self._aliases,
            customs=self._customs,
        )

    def _refuse(self) -> None:
        request = self._request
        check(request, self._losses)
        if request.max_tokens is not None and request.max_tokens < 1 and request.family != "anthropic":
            raise InvalidField("max_tokens: must be 1 or more.", param="max_tokens")

    # --- the conversation ---------------------------------------------------------------------------------------------

    def _conversation(self, content: ContentWriter) -> _thinking.ThinkingPlan:
        request, body = self._request, self._body
        plan = _thinking.plan(request, self._model, self._max_tokens(), self._losses)
        talk = _turns.normalise(request, self._model, self._losses, may_prefill=not plan.on)
        if not _thinking.fits(plan, talk.turns):
            self._losses.add("reasoning_effort")
            plan = _thinking.ThinkingPlan(max_tokens=self._max_tokens())
        system: list[Any] = [content.text(t) for t in talk.system]
        if demand := self._format_demand():
            system.append({"type": "text", "text": demand})
        if system:
            body["system"] = system
        body["messages"] = [
            {"role": turn.role, "content": [content.block(b) for b in turn.blocks]} for turn in talk.turns
        ]
        self._stand_ins = stand_ins(call for turn in talk.turns for call in turn.calls)
        return plan

    def _max_tokens(self) -> int:
        if self._request.max_tokens is not None:
            return self._request.max_tokens
        return min(self._facts.max_output_tokens or DEFAULT_OUTPUT, self._model.max_output)

    def _reason(self, plan: _thinking.ThinkingPlan) -> None:
        if plan.thinking is not None:
            self._body["thinking"] = plan.thinking
        if plan.effort is not None:
            self._body.setdefault("output_config", {})["effort"] = plan.effort

    # --- tools --------------------------------------------------------------------------------------------------------

    def _tools(self, writer: ToolWriter, written: list[Any]) -> None:
        if written:
            self._body["tools"] = written
            if choice := writer.choice(self._request):
                self._body["tool_choice"] = choice
        elif self._stand_ins:
            # The client offered no tools for this turn, so none may be called.
            self._body["tools"] = self._stand_ins
            self._body["tool_choice"] = {"type": "none"}

    # --- the rest -----------------------------------------------------------------------------------------------------

    def _format(self) -> None:
        if self._closed_format is not None:
            written = {"type": "json_schema", "schema": self._closed_format}
            self._body.setdefault("output_config", {})["format"] = written

    def _format_demand(self) -> str | None:
        """What the system text has to ask for where the model has no field for the format, or it can't say this one."""
        asked = demand(self._request.format) if self._closed_format is None else None
        if asked is not None:
            self._losses.add("response_format")
        return asked

    def _rest(self) -> None:
        request, body = self._request, self._body
        stops = [s for s in request.stop if s.strip()]
        if len(stops) != len(request.stop):
            self._losses.add("stop")
        if stops:
            body["stop_sequences"] = stops
        if request.stream:
            body["stream"] = True
        if request.user:
            body["metadata"] = {"user_id": self._user(request.user)}
        if request.service_tier:
            self._service_tier(request.service_tier.lower())

    def _user(self, user: str) -> str:
        if self._request.family == "anthropic":
            return user
        # Anthropic wants no names or addresses here, and other dialects' clients send them.
        return hashlib.sha256(user.encode("utf-8", "replace")).hexdigest()

    def _service_tier(self, tier: str) -> None:
        if tier in ("auto", "priority"):
            self._body["service_tier"] = "auto"
        elif tier in ("default", "standard", "standard_only"):
            self._body["service_tier"] = "standard_only"
        elif tier == "fast" and self._model.fast:
            self._body["speed"] = "fast"
        else:
            self._losses.add("service_tier")

    def _headers(self, uses_files: bool) -> tuple[tuple[str, str], ...]:
        samples = any(name in self._body for name in ("temperature", "top_p", "top_k"))
        # Bedrock has the newer version for the models that don't sample any more alone.
        is_older = samples or (self._facts.cloud == "mantle" and self._model.sampling)
        version = ("anthropic-version", SAMPLING_VERSION if is_older else VERSION)
        betas = [beta for beta, used in ((FILES_BETA, uses_files), (FAST_BETA, "speed" in self._body)) if used]
        return (version, ("anthropic-beta", ",".join(betas))) if betas else (version,)
