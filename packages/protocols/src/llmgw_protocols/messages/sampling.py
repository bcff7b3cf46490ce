"""How a model is to choose its words: temperature, top_p and top_k, by what a Claude model takes of them."""

from __future__ import annotations

from llmgw_domain.chat import ChatRequest
from llmgw_protocols.losses import Losses
from llmgw_protocols.messages.models import Capabilities

LEAST_TOP_P = 0.95
"""The least top_p beside thinking."""

_SPEECHLESS = ("frequency_penalty", "presence_penalty", "logprobs", "top_logprobs", "seed")


def check(request: ChatRequest, losses: Losses) -> None:
    """Reports the wishes that no field holds. Raises `UnsupportedField` for several choices."""
    if request.n is not None and request.n > 1:
        raise losses.unsupported("n", "The model's provider gives one answer a request.")
    for name in _SPEECHLESS:
        # Zero and false are what these fields are without being sent.
        if getattr(request, name) or (name == "seed" and request.seed is not None):
            losses.add(name)


def samplers(request: ChatRequest, model: Capabilities, losses: Losses, *, thinking: bool) -> dict[str, float]:
    """The samplers that may be sent, by Anthropic's names; what can't be is reported as lost."""
    taken = _taken(request, model, thinking=thinking)
    # Beside thinking the temperature is 1 without being sent.
    implied = {"temperature": 1.0} if thinking and model.sampling else {}
    for name in ("temperature", "top_p", "top_k"):
        wanted = getattr(request, name)
        if wanted is not None and taken.get(name, implied.get(name)) != wanted:
            losses.add(name)
    return taken


def _taken(request: ChatRequest, model: Capabilities, *, thinking: bool) -> dict[str, float]:
    taken: dict[str, float] = {}
    if not model.sampling:
        return taken
    if thinking:
        if request.top_p is not None and request.top_p >= LEAST_TOP_P:
            taken["top_p"] = request.top_p
        return taken
    if request.temperature is not None:
        taken["temperature"] = min(max(request.temperature, 0.0), 1.0)
    if request.top_p is not None and (model.both_samplers or request.temperature is None):
        taken["top_p"] = request.top_p
    if request.top_k is not None:
        taken["top_k"] = request.top_k
    return taken
