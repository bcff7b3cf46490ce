"""What a Gemini client asks of the generation and its tools, in canonical terms."""

from __future__ import annotations

from typing import get_args

import msgspec

from llmgw_domain.chat import ChatRequest, Effort, HostedTool, OutputFormat, Reasoning, Tool, ToolChoice
from llmgw_domain.errors import InvalidField, UnsupportedField
from llmgw_protocols.gemini import schema
from llmgw_protocols.gemini.fields import Fields

Extras = dict[str, msgspec.Raw]

_CONFIG = frozenset(
    [
        "temperature",
        "topP",
        "topK",
        "maxOutputTokens",
        "stopSequences",
        "candidateCount",
        "seed",
        "presencePenalty",
        "frequencyPenalty",
        "responseLogprobs",
        "logprobs",
        "responseMimeType",
        "responseSchema",
        "responseJsonSchema",
        "thinkingConfig",
        "responseModalities",
    ]
)
_MODES = {0: "MODE_UNSPECIFIED", 1: "AUTO", 2: "ANY", 3: "NONE"}


def settings_of(top: Fields) -> tuple[ChatRequest, Extras]:
    """A request with its settings alone, and what of the settings has no canonical place, by its path."""
    config = top.object("generationConfig") or Fields({}, "generationConfig")
    _check_modalities(config)
    settings = ChatRequest(
        model="",
        turns=(),
        family="google",
        include_usage=True,
        max_tokens=config.integer("maxOutputTokens"),
        temperature=config.number("temperature"),
        top_p=config.number("topP"),
        top_k=config.integer("topK"),
        frequency_penalty=config.number("frequencyPenalty"),
        presence_penalty=config.number("presencePenalty"),
        logprobs=config.flag("responseLogprobs"),
        top_logprobs=config.integer("logprobs"),
        n=config.integer("candidateCount"),
        seed=config.integer("seed"),
        stop=tuple(config.texts("stopSequences") or ()),
        format=_format(config),
        reasoning=_reasoning(config),
        tool_choice=_choice(top),
    )
    lost = {config.path(name): value for name, value in config.rest(_CONFIG).items()}
    tools = top.object("toolConfig")
    if tools is not None:
        lost |= {tools.path(name): value for name, value in tools.rest({"functionCallingConfig"}).items()}
    return settings, lost


def tools_of(top: Fields) -> tuple[Tool | HostedTool, ...]:
    """The client's functions and Google's own tools, in order."""
    tools: list[Tool | HostedTool] = []
    for entry in top.objects("tools"):
        tools += [_tool(declared) for declared in entry.objects("functionDeclarations")]
        for kind, value in entry.rest({"functionDeclarations"}).items():
            tools.append(HostedTool(family="google", kind=kind, json=msgspec.Raw(msgspec.json.encode({kind: value}))))
    return tuple(tools)


def _tool(declared: Fields) -> Tool:
    name = declared.text("name")
    if not name:
        raise InvalidField(f"{declared.path('name')} is missing.", param=declared.path("name"))
    return Tool(name=name, description=declared.text("description"), schema=_schema(declared, "parameters"))


def _schema(fields: Fields, name: str) -> msgspec.Raw | None:
    """A schema in whichever of its two forms: plain JSON Schema, or OpenAPI's."""
    plain = fields.raw("parametersJsonSchema" if name == "parameters" else "responseJsonSchema")
    if plain is not None:
        return plain
    older = fields.raw(name)
    return None if older is None else schema.from_openapi(older, fields.path(name))


def _check_modalities(config: Fields) -> None:
    for modality in config.texts("responseModalities") or ():
        if modality.upper() not in ("TEXT", "MODALITY_UNSPECIFIED"):
            raise UnsupportedField.named(
                config.path("responseModalities"), f"This model's provider can't answer in {modality}; ask for TEXT."
            )


def _format(config: Fields) -> OutputFormat | None:
    media_type = config.text("responseMimeType")
    found = _schema(config, "responseSchema")
    if media_type == "text/x.enum":
        raise UnsupportedField.named(
            config.path("responseMimeType"), "This model's provider has no enum answers; ask for application/json."
        )
    if found is not None:
        return OutputFormat(kind="json_schema", name="output", schema=found)
    if media_type == "application/json":
        return OutputFormat(kind="json_object")
    return None if media_type is None else OutputFormat(kind="text")


def _reasoning(config: Fields) -> Reasoning | None:
    thinking = config.object("thinkingConfig")
    if thinking is None:
        return None
    budget, show = thinking.integer("thinkingBudget"), thinking.flag("includeThoughts")
    if budget is not None and budget <= 0:
        # 0 turns thinking off, a negative budget leaves it to the model.
        return Reasoning(effort="none", mode="disabled") if budget == 0 else Reasoning(mode="adaptive", show=show)
    return Reasoning(effort=_effort(thinking), budget=budget, show=show)


def _effort(thinking: Fields) -> Effort | None:
    level = str(thinking.word("thinkingLevel") or "").lower()
    return next((effort for effort in get_args(Effort) if effort == level), None)


def _choice(top: Fields) -> ToolChoice | None:
    config = (top.object("toolConfig") or Fields({})).object("functionCallingConfig")
    if config is None:
        return None
    word = config.word("mode")
    mode = _MODES.get(word) if isinstance(word, int) else word
    names = tuple(config.texts("allowedFunctionNames") or ())
    match mode:
        case "NONE":
            return ToolChoice("none")
        case "ANY" if len(names) == 1:
            return ToolChoice("named", names)
        case "ANY":
            return ToolChoice("allowed", names, required=True) if names else ToolChoice("required")
        case "AUTO" | "VALIDATED":
            return ToolChoice("allowed", names) if names else ToolChoice("auto")
        case None | "MODE_UNSPECIFIED":
            return None
    raise InvalidField("mode must be AUTO, ANY, NONE or VALIDATED.", param=config.path("mode"))
