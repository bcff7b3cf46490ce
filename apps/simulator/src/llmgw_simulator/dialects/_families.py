"""What OpenAI's model families allow: which reason, by default or when asked, and what they then refuse.

Names that are none of OpenAI's (`sim/gpt`) reason when asked and refuse nothing.
"""

from __future__ import annotations

import re
from typing import Any

from llmgw_simulator.dialects.chat_messages import invalid

_SERIES = re.compile(r"^o\d")
_VERSION = re.compile(r"^gpt-(?!35)(\d+)(?:\.(\d+))?(?!.*chat)")
_WITHOUT = re.compile(r"^(gpt-3|gpt-4|chatgpt-|.*-chat)")
_SAMPLING: dict[str, float] = {"temperature": 1, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0}
_NEVER = ("logprobs", "top_logprobs", "logit_bias", "stop")


def version(model: str) -> tuple[int, int]:
    """(5, 4) for gpt-5.4-mini, (0, 0) for other names, chat variants and Azure's gpt-35, which is 3.5."""
    found = _VERSION.match(model)
    return (int(found.group(1)), int(found.group(2) or 0)) if found else (0, 0)


def default_effort(model: str) -> str | None:
    """The effort when none is asked for: the o series, gpt-5 and gpt-5.5 upwards reason of their own accord."""
    number = version(model)
    if _SERIES.match(model) or number == (5, 0) or number >= (5, 5):
        return "medium"
    return "none" if number > (5, 0) else None


def never_reasons(model: str) -> bool:
    """Whether it is one of OpenAI's models without reasoning."""
    return _WITHOUT.match(model) is not None


def active(model: str, effort: str | None) -> bool:
    """Whether the model reasons, for the effort of the request or its own."""
    return (effort or default_effort(model) or "none") != "none"


def check_sampling(body: dict[str, Any], model: str, effort: str | None, *, responses: bool = False) -> None:
    """Models that reason take no sampling parameters. Raises `Refusal`.

    Chat completions says "unsupported value" for another temperature of gpt-5 upwards; Responses gives no code.
    """
    if default_effort(model) is None or not active(model, effort):
        return
    for name, usual in _SAMPLING.items():
        value = body.get(name)
        if value is None or value == usual:
            continue
        if name == "temperature" and not responses and version(model) >= (5, 0):
            text = f"'temperature' does not support {value} with this model. Only the default (1) value is supported."
            invalid(f"Unsupported value: {text}", name, "unsupported_value")
        _unsupported(name, responses)
    for name in _NEVER:
        if body.get(name):
            _unsupported(name, responses)


def check_chat_tools(body: dict[str, Any], model: str) -> None:
    """From gpt-5.4 on, chat completions has no function tools with reasoning. Raises `Refusal`.

    gpt-5.4 and 5.5 refuse an effort that was asked for, gpt-5.6 upwards also their own.
    """
    number, effort = version(model), body.get("reasoning_effort")
    if number < (5, 4) or not (body.get("tools") or body.get("functions")):
        return
    newer = number >= (5, 6)
    if not (active(model, effort) if newer else effort not in (None, "none")):
        return
    way = (
        "To use function tools, use /v1/responses or set reasoning_effort to 'none'."
        if newer
        else "Please use /v1/responses instead."
    )
    message = f"Function tools with reasoning_effort are not supported for {model} in /v1/chat/completions. {way}"
    invalid(message, "reasoning_effort")


def check_effort(effort: str | None, model: str, param: str) -> None:
    """`minimal` ended with gpt-5.5; models that never reason take no effort at all. Raises `Refusal`."""
    if effort == "minimal" and version(model) >= (5, 6):
        allowed = "'none', 'low', 'medium', 'high', and 'xhigh'"
        message = (
            f"Unsupported value: '{param}' does not support 'minimal' with this model. Supported values are: {allowed}."
        )
        invalid(message, param, "unsupported_value")


def _unsupported(name: str, responses: bool) -> None:
    message = f"Unsupported parameter: '{name}' is not supported with this model."
    invalid(message, name, None if responses else "unsupported_parameter")
