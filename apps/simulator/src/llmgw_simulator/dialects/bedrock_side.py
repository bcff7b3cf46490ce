"""Bedrock beside Converse: CountTokens, and InvokeModel for the embeddings of Titan and Cohere.

InvokeModel's bodies are the model makers' own; what does not fit their schema is told in the words of a JSON Schema
validator.
"""

from __future__ import annotations

import base64
from typing import Any, NoReturn

from llmgw_simulator.dialects._checks import is_integer, is_object, is_texts, json_object
from llmgw_simulator.dialects._converse_fields import COUNT_TOKENS
from llmgw_simulator.dialects.bedrock_models import base_id, is_profile
from llmgw_simulator.dialects.converse_request import check_model, parse_converse
from llmgw_simulator.dialects.coral import check, invalid
from llmgw_simulator.dialects.messages_request import parse_messages
from llmgw_simulator.engine import prompt_tokens
from llmgw_simulator.tokens import count
from llmgw_simulator.vectors import vector
from llmgw_simulator.wire import Refusal

_TITAN_SIZES = (256, 512, 1024)
_COHERE_SIZES = (256, 512, 1024, 1536)
_COHERE_TYPES = ("float", "int8", "uint8", "binary", "ubinary")
_COHERE_INPUTS = ("search_document", "search_query", "classification", "clustering", "image")
_TYPES = {dict: "JSONObject", list: "JSONArray", str: "String", bool: "Boolean", int: "Integer", float: "Number"}


def count_tokens(body: dict[str, Any], model: str) -> int:
    """The input tokens of a request, which is counted like the same request to Converse. Raises `Refusal`."""
    check_model(model)
    check(COUNT_TOKENS, body)
    if is_profile(model) or "titan" in model:
        invalid("The provided model doesn't support counting tokens.")
    given = body["input"]
    if given.get("converse") is not None:
        return prompt_tokens(parse_converse(given["converse"], model, stream=False).ask)
    inner = json_object(base64.b64decode(given["invokeModel"]["body"]))
    if inner is None:
        invalid("Malformed input request, please reformat your input and try again.")
    return prompt_tokens(_native(inner, model))


def _native(body: dict[str, Any], model: str) -> Any:
    """A body of Claude's own, as InvokeModel takes it."""
    if "anthropic_version" not in body:
        invalid("anthropic_version: Field required")
    named = {name: value for name, value in body.items() if name not in ("anthropic_version", "anthropic_beta")}
    try:
        return parse_messages({**named, "model": model}, "2023-06-01", ",".join(body.get("anthropic_beta") or [])).ask
    except Refusal as refusal:
        invalid(refusal.message)


def embed(body: dict[str, Any], model: str) -> tuple[dict[str, Any], int]:
    """The body of an embedding model's answer and the input tokens. Raises `Refusal`."""
    check_model(model)
    name = base_id(model)
    if name.startswith("amazon.titan-embed-text"):
        return _titan(body, name)
    if name.startswith("cohere.embed"):
        return _cohere(body, name)
    raise Refusal(400, f"The simulator invokes embedding models of Titan and Cohere only, not {model}. Use Converse.")


def _malformed(why: str) -> NoReturn:
    invalid(f"Malformed input request: {why}, please reformat your input and try again.")


def _check_members(body: dict[str, Any], known: tuple[str, ...], required: tuple[str, ...]) -> None:
    for name in required:
        if body.get(name) is None:
            _malformed(f"#: required key [{name}] not found")
    for name in body:
        if name not in known:
            _malformed(f"#: extraneous key [{name}] is not permitted")


def _expect(value: Any, is_right: bool, where: str, wanted: str) -> None:
    if not is_right:
        _malformed(f"#/{where}: expected type: {wanted}, found: {_TYPES.get(type(value), 'Null')}")


def _expect_one_of(value: Any, allowed: tuple[Any, ...], where: str) -> None:
    if value not in allowed:
        _malformed(f"#/{where}: {value} is not a valid enum value")


def _titan(body: dict[str, Any], model: str) -> tuple[dict[str, Any], int]:
    """Titan Text Embeddings: the first version has one size and no options."""
    second = "-v2" in model
    _check_members(
        body, ("inputText", "dimensions", "normalize", "embeddingTypes") if second else ("inputText",), ("inputText",)
    )
    text = body["inputText"]
    _expect(text, isinstance(text, str), "inputText", "String")
    if not text:
        _malformed("expected minLength: 1, actual: 0")
    size = body.get("dimensions", 1024)
    _expect(size, is_integer(size), "dimensions", "Integer")
    _expect_one_of(size, _TITAN_SIZES, "dimensions")
    unit = body.get("normalize", True)
    _expect(unit, isinstance(unit, bool), "normalize", "Boolean")
    kinds = body.get("embeddingTypes", ["float"])
    _expect(kinds, is_texts(kinds), "embeddingTypes", "JSONArray")
    for kind in kinds:
        _expect_one_of(kind, ("float", "binary"), "embeddingTypes")
    made = vector(text, model, size if second else 1536, unit=unit)
    answer: dict[str, Any] = {"embedding": made} if "float" in kinds else {}
    if second:
        answer["embeddingsByType"] = {kind: made if kind == "float" else [int(v > 0) for v in made] for kind in kinds}
    return answer | {"inputTextTokenCount": count(text)}, count(text)


def _cohere(body: dict[str, Any], model: str) -> tuple[dict[str, Any], int]:
    """Cohere Embed 3 and 4: up to 96 texts, in one form or several by name."""
    fourth = "-v4" in model
    known = ("texts", "images", "input_type", "truncate", "embedding_types")
    _check_members(body, (*known, "inputs", "output_dimension", "max_tokens") if fourth else known, ("input_type",))
    _expect_one_of(body["input_type"], _COHERE_INPUTS, "input_type")
    _expect_one_of(
        body.get("truncate", "NONE"), ("NONE", "LEFT", "RIGHT") if fourth else ("NONE", "START", "END"), "truncate"
    )
    texts = _cohere_texts(body)
    if len(texts) > 96:
        _malformed(f"#/texts: expected maximum item count: 96, found: {len(texts)}")
    size = body.get("output_dimension", 1536 if fourth else 1024)
    _expect_one_of(size, _COHERE_SIZES, "output_dimension")
    vectors = [vector(text, model, size) for text in texts]
    kinds = body.get("embedding_types")
    common = {"id": "00000000-0000-4000-8000-000000000000", "texts": texts}
    tokens = sum(count(text) for text in texts)
    if not kinds:
        return {"embeddings": vectors, **common, "response_type": "embeddings_floats"}, tokens
    _expect(kinds, is_texts(kinds), "embedding_types", "JSONArray")
    for kind in kinds:
        _expect_one_of(kind, _COHERE_TYPES, "embedding_types")
    by_type = {kind: [_quantised(made, kind) for made in vectors] for kind in kinds}
    return {"embeddings": by_type, **common, "response_type": "embeddings_by_type"}, tokens


def _cohere_texts(body: dict[str, Any]) -> list[str]:
    """The texts; of images and mixed inputs what is written in them stands for them."""
    given = [name for name in ("texts", "images", "inputs") if body.get(name) is not None]
    if len(given) != 1:
        _malformed("#: exactly one of [texts, images, inputs] is required")
    items = body[given[0]]
    if given[0] == "inputs":
        _expect(items, isinstance(items, list) and all(is_object(item) for item in items), "inputs", "JSONArray")
        return [str(item.get("content")) for item in items]
    _expect(items, is_texts(items), given[0], "JSONArray")
    texts: list[str] = items
    if not texts:
        _malformed(f"#/{given[0]}: expected minimum item count: 1, found: 0")
    return texts


def _quantised(values: list[float], kind: str) -> list[float] | list[int]:
    if kind == "float":
        return values
    if kind in ("int8", "uint8"):
        shift = 0 if kind == "int8" else 128
        return [max(-128, min(127, round(value * 127))) + shift for value in values]
    bits = [int(value > 0) for value in values]
    packed = [int("".join(map(str, bits[start : start + 8])), 2) for start in range(0, len(bits), 8)]
    return [byte - 128 for byte in packed] if kind == "binary" else packed
