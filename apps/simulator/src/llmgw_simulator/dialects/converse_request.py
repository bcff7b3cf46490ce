"""Bedrock Converse, the request: checked as Bedrock and the model behind it check it, and turned into an `Ask`."""

from __future__ import annotations

from typing import Any

import msgspec

from llmgw_simulator.ask import Ask, Choice, Tool, Turn
from llmgw_simulator.dialects._checks import is_object
from llmgw_simulator.dialects._converse_fields import CONVERSE, CONVERSE_STREAM
from llmgw_simulator.dialects.bedrock_models import Family, family, is_model_id
from llmgw_simulator.dialects.converse_cache import converse_blocks
from llmgw_simulator.dialects.converse_claude import parse_claude
from llmgw_simulator.dialects.converse_messages import check_cache, converse_turns, refuse_blank, unsupported
from llmgw_simulator.dialects.coral import check, invalid
from llmgw_simulator.wire import Parsed

_NOVA_FIELDS = frozenset({"inferenceConfig", "reasoningConfig"})


def parse_converse(body: dict[str, Any], model: str, *, stream: bool) -> Parsed:
    """The request for `model`, the name in the path. Raises `Refusal`."""
    check_model(model)
    kind = family(model)
    check(CONVERSE_STREAM if stream else CONVERSE, body)
    body = {name: value for name, value in body.items() if value is not None}
    if kind.name != "claude":
        _check_extra(body.get("additionalModelRequestFields"), kind)
    turns = (*_system(body.get("system"), kind), *converse_turns(body, kind, model))
    tools = _tools(body.get("toolConfig"), kind)
    schema = _schema(body.get("outputConfig"), kind)
    claude = parse_claude(body, model) if kind.name == "claude" else None
    inference = body.get("inferenceConfig") or {}
    ask = Ask(
        model=model,
        turns=turns,
        tools=tools,
        choice=_choice(body.get("toolConfig") or {}, kind),
        schema=schema,
        thinking=claude.ask.thinking if claude else _thinks(body, kind),
        limit=inference.get("maxTokens"),
        stop=tuple(inference.get("stopSequences") or ()),
    )
    blocks = converse_blocks(body)
    options = _options(body, claude, kind)
    if kind.caches and any(block.life is not None for block in blocks):
        options |= {"caches"}
    return Parsed(ask=ask, stream=stream, options=options, blocks=blocks)


def check_model(model: str) -> None:
    """Refuse ids that cannot be a model's."""
    if not is_model_id(model):
        invalid("The provided model identifier is invalid.")


def _options(body: dict[str, Any], claude: Parsed | None, kind: Family) -> frozenset[str]:
    """`signs` signs reasoning, `omitted` hides it, `sealed` encrypts it, `stop_sequence` tells which one was met."""
    flags = {
        "signs": kind.reasoning == "signed",
        "caches": kind.caches and kind.name == "claude",
        "omitted": claude is not None and "omitted" in claude.options,
        "sealed": claude is not None and "sealed" in claude.options,
        "stop_sequence": "/stop_sequence" in (body.get("additionalModelResponseFieldPaths") or ()),
    }
    return frozenset(name for name, is_set in flags.items() if is_set)


def _check_extra(extra: Any, kind: Family) -> None:
    if extra is None:
        return
    if not is_object(extra):
        invalid("The value provided for additionalModelRequestFields is invalid. Provide a JSON object and try again.")
    unknown = [name for name in extra if kind.name == "nova" and name not in _NOVA_FIELDS]
    if unknown:
        invalid(
            "The model returned the following errors: Malformed input request: #: extraneous key "
            f"[{unknown[0]}] is not permitted, please reformat your input and try again."
        )


def _thinks(body: dict[str, Any], kind: Family) -> bool:
    if kind.reasoning == "always":
        return True
    wanted = (body.get("additionalModelRequestFields") or {}).get("reasoningConfig")
    if kind.reasoning != "asked" or wanted is None:
        return False
    if not is_object(wanted) or wanted.get("type") not in ("enabled", "disabled"):
        invalid(
            "The model returned the following errors: Malformed input request: #/reasoningConfig/type: not a valid "
            "enum value, please reformat your input and try again."
        )
    return bool(wanted["type"] == "enabled")


def _schema(config: dict[str, Any] | None, kind: Family) -> dict[str, Any] | None:
    if not config:
        return None
    if config.get("effort") is not None and kind.name not in ("claude", "other"):
        unsupported("outputConfig.effort")
    if config.get("textFormat") is None:
        return None
    if not kind.formats:
        unsupported("outputConfig.textFormat")
    try:
        schema = msgspec.json.decode(config["textFormat"]["structure"]["jsonSchema"]["schema"])
    except msgspec.DecodeError:
        schema = None
    if not is_object(schema):
        invalid("The value at outputConfig.textFormat.structure.jsonSchema.schema must be a valid JSON schema.")
    return schema


def _tools(config: dict[str, Any] | None, kind: Family) -> tuple[Tool, ...]:
    if config is None:
        return ()
    if not kind.tools:
        invalid("This model doesn't support tool use.")
    found = []
    for index, tool in enumerate(config["tools"]):
        if tool.get("cachePoint") is not None:
            check_cache(kind)
        if spec := tool.get("toolSpec"):
            schema = spec["inputSchema"]["json"]
            if not is_object(schema) or schema.get("type") != "object":
                where = f"toolConfig.tools.{index}.toolSpec.inputSchema.json.type"
                invalid(f"The value at {where} must be one of the following: object.")
            found.append(Tool(spec["name"], schema))
    names = [tool.name for tool in found]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        invalid(f"The tool {twice[0]} is already defined at toolConfig.tools.{names.index(twice[0])}.")
    return tuple(found)


def _choice(config: dict[str, Any], kind: Family) -> Choice:
    chosen = config.get("toolChoice")
    if not chosen:
        return Choice()
    mode, value = next((name, value) for name, value in chosen.items() if value is not None)
    if mode not in kind.choices:
        unsupported(f"toolConfig.toolChoice.{mode}")
    if mode != "tool":
        return Choice("auto" if mode == "auto" else "any")
    if value["name"] not in {tool["toolSpec"]["name"] for tool in config["tools"] if tool.get("toolSpec")}:
        invalid(f"The tool {value['name']} at toolConfig.toolChoice.tool.name is not defined in toolConfig.tools.")
    return Choice("any", (value["name"],))


def _system(blocks: list[dict[str, Any]] | None, kind: Family) -> tuple[Turn, ...]:
    if not blocks:
        return ()
    if not kind.system:
        unsupported("system")
    turns = []
    for index, block in enumerate(blocks):
        if block.get("cachePoint") is not None:
            check_cache(kind)
        if block.get("text") is not None:
            if not block["text"].strip():
                refuse_blank("SystemContentBlock", f"system.{index}")
            turns.append(Turn("system", block["text"]))
    return tuple(turns)
