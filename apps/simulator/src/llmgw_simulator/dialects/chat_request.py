"""OpenAI Chat Completions, the request: checked as the provider checks it, and turned into an `Ask`."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from llmgw_simulator.ask import Ask, Choice, Tool, Turn
from llmgw_simulator.dialects._checks import FREE_TEXT, is_integer, is_object, is_objects, is_texts
from llmgw_simulator.dialects._families import check_chat_tools, check_effort, check_sampling
from llmgw_simulator.dialects._fields import CHAT_FIELDS, COMPATIBLE_FIELDS
from llmgw_simulator.dialects.chat_messages import called, invalid, parse_turns, shows_reasoning
from llmgw_simulator.wire import Parsed, Refusal

_REASONS = re.compile(r"^(o\d|gpt-[5-9])")
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")


def parse_chat(body: dict[str, Any]) -> Parsed:
    """The request. Raises `Refusal`."""
    model = model_of(body)
    check_known(body, CHAT_FIELDS | COMPATIBLE_FIELDS if shows_reasoning(model) else CHAT_FIELDS)
    limit_of(body, model)  # what is wrong with it is said before what is wrong with numbers
    check_numbers(body)
    check_exists(model)
    check_chat_tools(body, model)
    check_sampling(body, model, body.get("reasoning_effort"))
    turns = parse_turns(body, model)
    tools = _tools(body)
    ask = Ask(
        model=model,
        turns=turns,
        tools=tools,
        choice=_choice(body, tools),
        thinking=_thinking(body),
        limit=limit_of(body, model),
        stop=stops_of(body),
        n=count_of(body),
        **_format(body, turns),
    )
    options = _options(body, model) | ({"refusal"} if ask.refuses else set())
    return Parsed(ask=ask, stream=_flag(body, "stream"), options=options, retention=retention_of(body))


def retention_of(body: dict[str, Any]) -> str | None:
    """For how long the prompt is to be kept in the cache, if it says so: `24h`, `12h`, ..."""
    options = body.get("prompt_cache_options") or {}
    wish = body.get("prompt_cache_retention") or (options.get("ttl") if isinstance(options, dict) else None)
    return str(wish) if wish else None


def model_of(body: dict[str, Any]) -> str:
    """The name of the model. Raises `Refusal`."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        invalid("you must provide a model parameter")
    return model


def check_known(body: dict[str, Any], known: Collection[str]) -> None:
    """Refuse fields that are not `known`, in the words of the older endpoints. Raises `Refusal`."""
    unknown = sorted(name for name in body if name not in known)
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        invalid(f"Unrecognized request argument{plural} supplied: {', '.join(unknown)}")


def check_exists(model: str) -> None:
    """Refuse the one model that does not exist. Raises `Refusal`."""
    if model == "missing-model":
        message = f"The model `{model}` does not exist or you do not have access to it."
        raise Refusal(404, message, code="model_not_found")


def check_numbers(body: dict[str, Any]) -> None:
    """The types and bounds of the sampling parameters. Raises `Refusal`."""
    for name, low, high in (("temperature", 0, 2), ("top_p", 0, 1), ("frequency_penalty", -2, 2)):
        value = body.get(name)
        if value is None:
            continue
        if not isinstance(value, int | float) or isinstance(value, bool):
            invalid(
                f"Invalid type for '{name}': expected a decimal, but got {called(value)} instead.", name, "invalid_type"
            )
        if not low <= value <= high:
            side, bound = ("<=", high) if value > high else (">=", low)
            code = "decimal_above_max_value" if value > high else "decimal_below_min_value"
            invalid(f"Invalid '{name}': decimal {side} {bound} expected, but got {value} instead.", name, code)


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        invalid(
            f"Invalid type for '{name}': expected a boolean, but got {called(value)} instead.", name, "invalid_type"
        )
    return bool(value)


def _options(body: dict[str, Any], model: str) -> frozenset[str]:
    options = set()
    wishes = body.get("stream_options")
    if wishes is not None and not body.get("stream"):
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        invalid(message, "stream_options")
    if is_object(wishes) and wishes.get("include_usage"):
        options.add("usage")
    if shows_reasoning(model):
        options.add("reasoning")
    if body.get("functions") and not body.get("tools"):
        options.add("function_call")
    options |= {f"custom:{tool['custom']['name']}" for tool in body.get("tools") or [] if tool["type"] == "custom"}
    return frozenset(options)


def _thinking(body: dict[str, Any]) -> bool:
    effort = body.get("reasoning_effort")
    if effort is not None and effort not in _EFFORTS:
        allowed = ", ".join(f"'{name}'" for name in _EFFORTS[:-1])
        message = f"Invalid value: '{effort}'. Supported values are: {allowed}, and '{_EFFORTS[-1]}'."
        invalid(message, "reasoning_effort", "invalid_value")
    check_effort(effort, body["model"], "reasoning_effort")
    switch = body.get("thinking")
    return effort not in (None, "none") or (is_object(switch) and switch.get("type") == "enabled")


def limit_of(body: dict[str, Any], model: str) -> int | None:
    """The bound of the answer in tokens. Raises `Refusal`."""
    if body.get("max_tokens") is not None and _REASONS.match(model):
        message = (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        )
        invalid(message, "max_tokens", "unsupported_parameter")
    for name in ("max_completion_tokens", "max_tokens"):
        value = body.get(name)
        if value is None:
            continue
        if not is_integer(value):
            message = f"Invalid type for '{name}': expected an integer, but got {called(value)} instead."
            invalid(message, name, "invalid_type")
        if value < 1:
            message = f"Invalid '{name}': integer below minimum value. Expected a value >= 1, but got {value} instead."
            invalid(message, name, "integer_below_min_value")
        return value
    return None


def stops_of(body: dict[str, Any]) -> tuple[str, ...]:
    """The stop sequences. Raises `Refusal`."""
    stop = body.get("stop")
    stops = [] if stop is None else [stop] if isinstance(stop, str) else stop
    if not is_texts(stops):
        message = "Invalid type for 'stop': expected one of a string or array of strings instead."
        invalid(message, "stop", "invalid_type")
    if len(stops) > 4:
        message = (
            f"Invalid 'stop': array too long. Expected an array with maximum length 4, but got {len(stops)} instead."
        )
        invalid(message, "stop", "array_above_max_length")
    return tuple(stops)


def count_of(body: dict[str, Any]) -> int:
    """How many answers are wanted. Raises `Refusal`."""
    n = body.get("n")
    if n is None:
        return 1
    if not is_integer(n) or not 1 <= n <= 128:
        invalid(f"Invalid 'n': integer from 1 to 128 expected, but got {n} instead.", "n", "invalid_value")
    return n


def _format(body: dict[str, Any], turns: tuple[Turn, ...]) -> dict[str, Any]:
    """The `schema` or `json_mode` of the `Ask`."""
    wanted = body.get("response_format")
    if wanted is None:
        return {}
    kind = wanted.get("type") if is_object(wanted) else None
    if kind == "json_schema":
        return {"schema": _json_schema(wanted.get("json_schema"))}
    if kind == "json_object":
        if not any("json" in turn.text.lower() for turn in turns):
            message = (
                "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
            )
            invalid(message, "messages")
        return {"json_mode": True}
    if kind != "text":
        message = f"Invalid value: '{kind}'. Supported values are: 'json_object', 'json_schema', and 'text'."
        invalid(message, "response_format.type", "invalid_value")
    return {}


def _json_schema(wanted: Any) -> dict[str, Any]:
    for name, kind in (("name", str), ("schema", dict)):
        if not is_object(wanted) or not isinstance(wanted.get(name), kind):
            param = f"response_format.json_schema.{name}"
            invalid(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")
    schema: dict[str, Any] = wanted["schema"]
    if wanted.get("strict"):
        check_strict(schema, f"response_format '{wanted['name']}'", "response_format", ())
    return schema


def check_strict(schema: Any, owner: str, param: str, path: tuple[str, ...]) -> None:
    """Strict schemas close every object and require every property. Raises `Refusal`."""
    if not is_object(schema):
        return
    if schema.get("type") == "object" or "properties" in schema:
        wrong = None
        if schema.get("additionalProperties") is not False:
            wrong = "'additionalProperties' is required to be supplied and to be false."
        elif missing := [key for key in schema.get("properties", {}) if key not in schema.get("required", [])]:
            wrong = (
                "'required' is required to be supplied and to be an array including every key in properties. "
                f"Missing '{missing[0]}'."
            )
        if wrong:
            message = f"Invalid schema for {owner}: In context={path!r}, {wrong}"
            invalid(
                message, param, "invalid_json_schema" if param == "response_format" else "invalid_function_parameters"
            )
    for group in ("properties", "$defs", "definitions"):
        for key, inner in (schema.get(group) or {}).items():
            check_strict(inner, owner, param, (*path, group, key))
    check_strict(schema.get("items"), owner, param, (*path, "items"))
    for index, inner in enumerate(schema.get("anyOf") or []):
        check_strict(inner, owner, param, (*path, "anyOf", str(index)))


def _tools(body: dict[str, Any]) -> tuple[Tool, ...]:
    tools = body.get("tools")
    if tools is None:
        functions = body.get("functions") or []
        return tuple(_tool(function, f"functions[{index}]") for index, function in enumerate(functions))
    if not is_objects(tools) or not tools:
        invalid("Invalid 'tools': expected an array of at least one tool.", "tools", "invalid_type")
    found = []
    for index, tool in enumerate(tools):
        kind = tool.get("type")
        if kind not in ("function", "custom"):
            message = f"Invalid value: '{kind}'. Supported values are: 'function' and 'custom'."
            invalid(message, f"tools[{index}].type", "invalid_value")
        made = _tool(tool.get(kind), f"tools[{index}].{kind}")
        found.append(Tool(made.name, FREE_TEXT) if kind == "custom" else made)
    return tuple(found)


def _tool(function: Any, param: str) -> Tool:
    if not is_object(function) or not isinstance(function.get("name"), str):
        invalid(f"Missing required parameter: '{param}.name'.", f"{param}.name", "missing_required_parameter")
    name = function["name"]
    if not _NAME.match(name):
        message = (
            f"Invalid '{param}.name': string does not match pattern. "
            "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
        )
        invalid(message, f"{param}.name", "invalid_value")
    schema = function.get("parameters") or {}
    if not is_object(schema) or (schema and schema.get("type") != "object"):
        kind = schema.get("type") if is_object(schema) else schema
        wanted = "schema must be a JSON Schema of 'type: \"object\"'"
        message = f"Invalid schema for function '{name}': {wanted}, got 'type: \"{kind}\"'."
        invalid(message, f"{param}.parameters", "invalid_function_parameters")
    if function.get("strict"):
        check_strict(schema, f"function '{name}'", f"{param}.parameters", ())
    return Tool(name, schema)


def _choice(body: dict[str, Any], tools: tuple[Tool, ...]) -> Choice:
    chosen = body.get("tool_choice", body.get("function_call") if not body.get("tools") else None)
    for name in ("tool_choice", "parallel_tool_calls"):
        if body.get(name) is not None and not tools:
            invalid(f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified.", name)
    parallel = body.get("parallel_tool_calls") is not False
    if chosen is None or isinstance(chosen, str):
        modes = {None: "auto", "auto": "auto", "none": "none", "required": "any"}
        if chosen not in modes:
            message = f"Invalid value: '{chosen}'. Supported values are: 'none', 'auto', and 'required'."
            invalid(message, "tool_choice", "invalid_value")
        return Choice(modes[chosen], (), parallel)  # type: ignore[arg-type]
    if not is_object(chosen):
        invalid("Invalid type for 'tool_choice'.", "tool_choice", "invalid_type")
    return _named_choice(chosen, tools, parallel)


def _named_choice(chosen: dict[str, Any], tools: tuple[Tool, ...], parallel: bool) -> Choice:
    if chosen.get("type") == "allowed_tools":
        allowed = chosen.get("allowed_tools") or {}
        names = tuple(_tool_name(tool) for tool in allowed.get("tools", []))
        return Choice("any" if allowed.get("mode") == "required" else "auto", names, parallel)
    name = _tool_name(chosen)
    if name not in {tool.name for tool in tools}:
        message = f"Invalid value for 'tool_choice': tool '{name}' is not in 'tools'."
        invalid(message, "tool_choice", "invalid_value")
    return Choice("any", (name,), parallel)


def _tool_name(tool: dict[str, Any]) -> str:
    """The name in a `tool_choice`, or in a legacy `function_call`, which has no type."""
    inner = tool.get(str(tool.get("type")), tool)
    return str(inner.get("name")) if is_object(inner) else ""
