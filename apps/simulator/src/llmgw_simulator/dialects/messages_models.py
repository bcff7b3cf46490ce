"""What single Claude models refuse that the API takes: sampling, budgets, prefilled answers, forced calls.

It follows from `claude_models`, as what is told about a model and what it refuses must agree. A name that is none of
Claude's refuses nothing.
"""

from __future__ import annotations

from typing import Any

from llmgw_simulator.claude_models import capabilities, line, version
from llmgw_simulator.dialects._checks import is_object
from llmgw_simulator.wire import Refusal

_SAMPLING = ("temperature", "top_p", "top_k")
_FORCES_NOTHING = {"fable": (5, 0), "mythos": (5, 0), "opus": (5, 5)}
"""From which version on a line may not be forced to call a tool."""


def check_abilities(body: dict[str, Any]) -> None:
    """Check a request, whose fields have the right types, against its model. Raises `Refusal`."""
    model = body["model"]
    if line(model) is None:
        return
    known = capabilities(model)
    _check_sampling(body, model)
    _check_thinking(body.get("thinking"), known["thinking"]["types"])
    _check_output(body.get("output_config"), known)
    _check_ending(body["messages"], model)
    _check_choice(body.get("tool_choice"), model)


def _check_choice(choice: Any, model: str) -> None:
    kind = choice.get("type") if is_object(choice) else None
    if kind in ("any", "tool") and version(model) >= _FORCES_NOTHING.get(str(line(model)), (100, 0)):
        raise Refusal(400, f"tool_choice: `{kind}` is not supported by this model. Use `auto` or `none`.")


def _check_sampling(body: dict[str, Any], model: str) -> None:
    last = (4, 6) if line(model) == "opus" else (4, 99)
    given = [name for name in _SAMPLING if body.get(name) is not None]
    if given and version(model) > last:
        raise Refusal(400, f"`{given[0]}` is deprecated for this model.")


def _check_thinking(thinking: Any, types: dict[str, Any]) -> None:
    kind = thinking.get("type") if is_object(thinking) else None
    if kind not in types or types[kind]["supported"]:
        return
    if kind == "enabled" and types["adaptive"]["supported"]:
        message = (
            '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and '
            '"output_config.effort" to control thinking behavior.'
        )
        raise Refusal(400, message)
    if kind == "adaptive":
        raise Refusal(400, "adaptive thinking is not supported on this model")
    raise Refusal(400, f'"thinking.type.{kind}" is not supported for this model.')


def _check_output(config: Any, known: dict[str, Any]) -> None:
    if not is_object(config):
        return
    effort = config.get("effort")
    if effort is not None and not known["effort"]["supported"]:
        raise Refusal(400, "This model does not support the effort parameter.")
    if effort is not None and not known["effort"].get(str(effort), {}).get("supported"):
        raise Refusal(400, f"output_config.effort: '{effort}' is not supported by this model.")
    if config.get("format") is not None and not known["structured_outputs"]["supported"]:
        raise Refusal(400, "output_config.format: structured outputs are not supported by this model.")


def _check_ending(messages: list[dict[str, Any]], model: str) -> None:
    if messages[-1]["role"] == "assistant" and version(model) >= (4, 6):
        message = "This model does not support assistant message prefill."
        raise Refusal(400, f"{message} The conversation must end with a user message.")
