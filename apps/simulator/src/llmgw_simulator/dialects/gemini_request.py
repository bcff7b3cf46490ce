"""Gemini generateContent, the request: checked as the provider checks it, and turned into an `Ask`.

Field names may be camelCase or snake_case, as Google's JSON allows, and are reduced to camelCase level by level; what
is below `args`, `response` and schemas is the caller's own and is not touched.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

import msgspec

from llmgw_simulator.ask import Ask, Choice, Media, Tool, ToolResult, Turn
from llmgw_simulator.dialects._checks import inline, is_integer, is_object, is_objects, is_texts, kind_of
from llmgw_simulator.dialects._fields import (
    DECLARATION_FIELDS,
    GEMINI_FIELDS,
    GEMINI_TOOL_FIELDS,
    GENERATION_FIELDS,
    PART_FIELDS,
    VERTEX_FIELDS,
    VERTEX_GENERATION_FIELDS,
)
from llmgw_simulator.dialects.gemini_thoughts import check_signatures
from llmgw_simulator.wire import Parsed, Refusal

_NAME = re.compile(r"^[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}$")
_SIGNS = re.compile(r"gemini-([3-9]|\d\d)")
_HAS_NO_IDS = re.compile(r"gemini-[12]([.-]|$)")


def invalid(message: str, details: list[dict[str, Any]] | None = None) -> NoReturn:
    """Refuse the request with 400 INVALID_ARGUMENT."""
    raise Refusal(400, message, details=details)


def must_sign(model: str) -> bool:
    """Whether the model demands its thought signatures back: those named Gemini 3 and later do."""
    return _SIGNS.search(model) is not None


def refuse_model(model: str, resource: str, method: str) -> None:
    """Refuse the one model that is missing, in the words of AI Studio or of Vertex. Raises `Refusal`."""
    if model != "missing-model":
        return
    if resource:
        raise Refusal(404, f"Publisher Model `{resource}` not found.")
    message = (
        f"models/{model} is not found for API version v1beta, or is not supported for {method}. Call "
        "ListModels to see the list of available models and their supported methods."
    )
    raise Refusal(404, message)


def parse_gemini(body: dict[str, Any], model: str, *, stream: bool, array: bool, resource: str = "") -> Parsed:
    """The request for `model`, the name in the path; on Vertex it has a `resource` name. Raises `Refusal`."""
    refuse_model(model, resource, "generateContent")
    top = known(body, VERTEX_FIELDS if resource else GEMINI_FIELDS, "")
    settings = VERTEX_GENERATION_FIELDS if resource else GENERATION_FIELDS
    config = known(_object(top, "generationConfig"), settings, "generation_config")
    thinking = known(
        _object(config, "thinkingConfig"),
        frozenset({"includeThoughts", "thinkingBudget", "thinkingLevel"}),
        "generation_config.thinking_config",
    )
    tools = _tools(top.get("tools"))
    ask = Ask(
        model=model,
        turns=(*_system(top.get("systemInstruction")), *_turns(top.get("contents"), model, resource)),
        tools=tools,
        choice=_choice(top.get("toolConfig"), tools),
        thinking=_thinks(thinking),
        limit=_whole_number(config, "maxOutputTokens", 1),
        stop=_stops(config),
        n=_whole_number(config, "candidateCount", 1) or 1,
        **_format(config),
    )
    options = _options(model, thinking, stream and array)
    return Parsed(ask=ask, stream=stream, options=options | ({"vertex"} if resource else set()))


def _options(model: str, thinking: dict[str, Any], array: bool) -> frozenset[str]:
    """`thoughts` shows thoughts, `signs` signs calls, `ids` gives calls ids, `array` streams a JSON array."""
    flags = {
        "thoughts": bool(thinking.get("includeThoughts")),
        "signs": must_sign(model) or _thinks(thinking),
        "ids": not _HAS_NO_IDS.search(model),
        "array": array,
    }
    return frozenset(name for name, is_set in flags.items() if is_set)


def _thinks(thinking: dict[str, Any]) -> bool:
    if thinking.get("thinkingBudget") is not None and thinking.get("thinkingLevel") is not None:
        invalid("You can only set only one of thinking budget and thinking level.")
    return bool(thinking) and thinking.get("thinkingBudget") != 0


def known(given: dict[str, Any], names: frozenset[str], where: str) -> dict[str, Any]:
    """`given` with names in camelCase. Raises `Refusal` for the first that is not one of `names`."""
    found = {}
    for name, value in given.items():
        camel = re.sub(r"_([a-z])", lambda match: match.group(1).upper(), name)
        if camel not in names:
            at = f" at '{where}'" if where else ""
            message = f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.'
            violation = {"field": where, "description": message} if where else {"description": message}
            invalid(message, [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}])
        found[camel] = value
    return found


def _object(given: dict[str, Any], name: str) -> dict[str, Any]:
    value = given.get(name)
    if value is not None and not is_object(value):
        invalid(f"Invalid value at '{name}' (type.googleapis.com/google.protobuf.Message), {value!r}")
    return value or {}


def _whole_number(config: dict[str, Any], name: str, least: int) -> int | None:
    value = config.get(name)
    if value is None:
        return None
    if not is_integer(value):
        invalid(f"Invalid value at 'generation_config.{name}' (TYPE_INT32), {value!r}")
    if value < least:
        invalid(f"Unable to submit request because {name} must be at least {least}.")
    return value


def _stops(config: dict[str, Any]) -> tuple[str, ...]:
    stops = config.get("stopSequences")
    if stops is not None and not is_texts(stops):
        invalid("Invalid value at 'generation_config.stop_sequences' (TYPE_STRING)")
    if len(stops or ()) > 5:
        invalid("The number of stop sequences must be at most 5.")
    return tuple(stops or ())


def _format(config: dict[str, Any]) -> dict[str, Any]:
    """The `schema` or `json_mode` of the `Ask`."""
    schema, json_schema = config.get("responseSchema"), config.get("responseJsonSchema")
    wants_json = config.get("responseMimeType") == "application/json"
    if schema is not None and json_schema is not None:
        invalid("Only one of response_schema and response_json_schema may be set.")
    chosen = schema if schema is not None else json_schema
    if chosen is None:
        return {"json_mode": True} if wants_json else {}
    if not wants_json and config.get("responseMimeType") != "text/x.enum":
        invalid(
            "Unable to submit request because response_schema is set and response_mime_type is not application/json."
        )
    if schema is not None:
        _check_openapi(schema, "generation_config.response_schema")
    return {"schema": chosen}


def _tools(tools: Any) -> tuple[Tool, ...]:
    if tools is None:
        return ()
    if not is_objects(tools):
        invalid("Invalid value at 'tools' (type.googleapis.com/google.ai.generativelanguage.v1beta.Tool)")
    found = []
    for index, tool in enumerate(tools):
        declared = known(tool, GEMINI_TOOL_FIELDS, f"tools[{index}]").get("functionDeclarations") or []
        for order, declaration in enumerate(declared):
            found.append(_tool(declaration, f"tools[{index}].function_declarations[{order}]"))
    return tuple(found)


def _tool(declaration: dict[str, Any], where: str) -> Tool:
    fields = known(declaration, DECLARATION_FIELDS, where)
    name = fields.get("name")
    if not isinstance(name, str) or not _NAME.match(name):
        invalid(
            f"Invalid function name. Must start with a letter or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), "
            f"underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 128. At '{where}.name'."
        )
    if fields.get("parameters") is not None and fields.get("parametersJsonSchema") is not None:
        invalid(f"{where}: only one of parameters and parameters_json_schema may be set.")
    schema = fields.get("parameters") or fields.get("parametersJsonSchema") or {}
    if fields.get("parameters") is not None:
        _check_openapi(schema, f"{where}.parameters")
    return Tool(name, schema)


def _check_openapi(schema: Any, where: str) -> None:
    """`parameters` is a subset of OpenAPI, not JSON Schema: what people paste there by mistake is refused."""
    if not is_object(schema):
        return
    for name in ("$schema", "$ref", "$defs", "definitions", "const", "patternProperties", "allOf", "oneOf", "not"):
        if name in schema:
            invalid(f"Invalid JSON payload received. Unknown name \"{name}\" at '{where}': Cannot find field.")
    for key, inner in (schema.get("properties") or {}).items():
        _check_openapi(inner, f"{where}.properties[{key}].value")
    _check_openapi(schema.get("items"), f"{where}.items")


def _choice(config: Any, tools: tuple[Tool, ...]) -> Choice:
    if config is None:
        return Choice()
    top = known(
        config,
        frozenset({"functionCallingConfig", "retrievalConfig", "includeServerSideToolInvocations"}),
        "tool_config",
    )
    names = frozenset({"mode", "allowedFunctionNames", "streamFunctionCallArguments"})
    calling = known(_object(top, "functionCallingConfig"), names, "tool_config.function_calling_config")
    modes = {"AUTO": "auto", "MODE_UNSPECIFIED": "auto", "VALIDATED": "auto", "ANY": "any", "NONE": "none"}
    mode = str(calling.get("mode") or "AUTO").upper()
    if mode not in modes:
        invalid(f"Invalid value at 'tool_config.function_calling_config.mode' ({mode})")
    allowed = tuple(calling.get("allowedFunctionNames") or ())
    if allowed and mode not in ("ANY", "VALIDATED"):
        invalid("Function calling config mode should be set to ANY or VALIDATED when allowed_function_names is set.")
    unknown = [name for name in allowed if name not in {tool.name for tool in tools}]
    if unknown:
        invalid(f"allowed_function_names contains '{unknown[0]}', which is not in function_declarations.")
    return Choice(modes[mode], allowed)  # type: ignore[arg-type]


def _system(instruction: Any) -> tuple[Turn, ...]:
    if instruction is None:
        return ()
    content = _content(instruction, "system_instruction")
    texts = [str(part["text"]) for part in content["parts"] if "text" in part]
    return (Turn("system", "\n".join(texts)),) if texts else ()


def _content(content: Any, where: str) -> dict[str, Any]:
    """A content with its parts in camelCase."""
    if not is_object(content):
        invalid(f"Invalid value at '{where}' (type.googleapis.com/google.ai.generativelanguage.v1beta.Content)")
    fields = known(content, frozenset({"role", "parts"}), where)
    parts = fields.get("parts") or []
    if not is_objects(parts):
        invalid(f"Invalid value at '{where}.parts' (type.googleapis.com/google.ai.generativelanguage.v1beta.Part)")
    named = [known(part, PART_FIELDS, f"{where}.parts[{index}]") for index, part in enumerate(parts)]
    return {"role": fields.get("role"), "parts": named}


def _turns(contents: Any, model: str, resource: str) -> tuple[Turn, ...]:
    contents = [contents] if is_object(contents) else contents
    if not isinstance(contents, list) or not contents:
        invalid("* GenerateContentRequest.contents: contents is not specified\n")
    checked = [_content(content, f"contents[{index}]") for index, content in enumerate(contents)]
    if resource and any(not content["role"] for content in checked):
        invalid("Please use a valid role: user, model.")
    turns = tuple(_turn(content, index) for index, content in enumerate(checked))
    _check_results(checked)
    check_signatures(checked, must_sign=must_sign(model), vertex=bool(resource))
    return turns


def _turn(content: dict[str, Any], index: int) -> Turn:
    role = content["role"] or "user"
    if role not in ("user", "model", "function"):
        invalid("Please use a valid role: user, model.")
    if not content["parts"]:
        invalid(f"* GenerateContentRequest.contents[{index}].parts: contents.parts must not be empty.\n")
    texts: list[str] = []
    media: list[Media] = []
    results: list[ToolResult] = []
    for order, part in enumerate(content["parts"]):
        where = f"contents[{index}].parts[{order}]"
        _check_part(part, where)
        if isinstance(part.get("text"), str) and not part.get("thought"):
            texts.append(part["text"])
        media.extend(_media(part, where))
        if "functionResponse" in part:
            results.append(_result(part["functionResponse"], f"{where}.function_response", media))
    texts = [text for text in texts if text]
    return Turn("assistant" if role == "model" else "user", "\n".join(texts), tuple(media), tuple(results))


def _check_part(part: dict[str, Any], where: str) -> None:
    kinds = [
        name
        for name in part
        if name not in ("thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata")
    ]
    if len(kinds) > 1:
        invalid(f"Invalid value at '{where}' (oneof), oneof field 'data' is already set. Cannot set '{kinds[1]}'")
    if not kinds and not part.get("thoughtSignature"):
        invalid(f"* GenerateContentRequest.{where}.data: required oneof field 'data' must have one initialized field\n")
    if "text" in part and not isinstance(part["text"], str):
        invalid(f"Invalid value at '{where}.text' (TYPE_STRING), {part['text']!r}")
    if "functionCall" in part:
        call = part["functionCall"]
        fields = known(call if is_object(call) else {}, frozenset({"id", "name", "args"}), f"{where}.function_call")
        if not fields.get("name"):
            invalid(f"* GenerateContentRequest.{where}.function_call.name: Name cannot be empty.\n")
        if not is_object(fields.get("args", {})):
            invalid(f"Invalid value at '{where}.function_call.args' (type.googleapis.com/google.protobuf.Struct)")


def _media(part: dict[str, Any], where: str) -> list[Media]:
    if "fileData" in part:
        file = known(part["fileData"], frozenset({"mimeType", "fileUri", "displayName"}), f"{where}.file_data")
        return [Media(kind_of(str(file.get("mimeType"))), uri=str(file.get("fileUri")))]  # type: ignore[arg-type]
    if "inlineData" not in part:
        return []
    blob = known(part["inlineData"], frozenset({"mimeType", "data", "displayName"}), f"{where}.inline_data")
    if not blob.get("mimeType"):
        invalid(
            "Unable to process input image. Please retry or report in https://developers.generativeai.google/guide/troubleshooting"
        )
    found = inline(str(blob["mimeType"]), blob.get("data"), lenient=True)
    if found is None:
        invalid(f"Invalid value at '{where}.inline_data.data' (TYPE_BYTES), Base64 decoding failed")
    return [found]


def _result(response: Any, where: str, media: list[Media]) -> ToolResult:
    names = frozenset({"id", "name", "response", "parts", "willContinue", "scheduling"})
    fields = known(response if is_object(response) else {}, names, where)
    if not fields.get("name"):
        invalid(f"* GenerateContentRequest.{where}.name: Name cannot be empty.\n")
    value = fields.get("response", {})
    if not is_object(value):
        invalid(f"Invalid value at '{where}.response' (type.googleapis.com/google.protobuf.Struct), {value!r}")
    for index, part in enumerate(fields.get("parts") or []):
        media.extend(_media(known(part, PART_FIELDS, f"{where}.parts[{index}]"), f"{where}.parts[{index}]"))
    return ToolResult(str(fields.get("id") or ""), _quoted(value), str(fields["name"]), "error" in value)


def _quoted(value: dict[str, Any]) -> str:
    """What the tool said: the one text of `output`, `result` or `error`, else all of it as JSON."""
    if len(value) == 1:
        name, only = next(iter(value.items()))
        if name in ("output", "result", "error") and isinstance(only, str):
            return only
    return msgspec.json.encode(value).decode()


def _check_results(contents: list[dict[str, Any]]) -> None:
    """The contents behind those with calls answer all of them, by the same names."""
    waiting: list[str] = []
    for content in contents:
        parts = content["parts"]
        answers = [_name(part["functionResponse"]) for part in parts if "functionResponse" in part]
        if waiting and not answers and content["role"] != "model":
            _refuse_count()
        for name in answers:
            if name not in waiting:
                _refuse_count()
            waiting.remove(name)
        waiting += [_name(part["functionCall"]) for part in parts if "functionCall" in part]
    if waiting:
        _refuse_count()


def _name(given: dict[str, Any]) -> str:
    return str(given.get("name"))


def _refuse_count() -> NoReturn:
    invalid(
        "Please ensure that the number of function response parts is equal to the number of function call parts of the "
        "function call turn."
    )
