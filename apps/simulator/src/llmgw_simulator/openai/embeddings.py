"""`POST /v1/embeddings`: unit vectors that follow from the text."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from random import Random
from typing import Any

from llmgw_simulator.dialects._checks import is_integer, is_texts
from llmgw_simulator.dialects._rules import json_body
from llmgw_simulator.dialects.chat_messages import invalid
from llmgw_simulator.dialects.chat_request import check_exists, check_known, model_of
from llmgw_simulator.openai.page import as_json
from llmgw_simulator.tokens import count
from llmgw_simulator.wire import Incoming, Product

_FIELDS = ("input", "model", "dimensions", "encoding_format", "user")
_DIMENSIONS = {"text-embedding-3-large": 3072}
_USUAL_DIMENSIONS = 1536
_MOST_INPUTS = 2048
_MOST_TOKENS = 8192
_HIGHEST_TOKEN = 100_257


def embed(incoming: Incoming) -> Product:
    """The vectors of all inputs, in order. Raises `Refusal`."""
    body = json_body(incoming.body)
    model = model_of(body)
    check_known(body, _FIELDS)
    check_exists(model)
    dimensions = _dimensions(body, model)
    inputs = _inputs(body.get("input"))
    sizes = [len(one) if isinstance(one, list) else count(one) for one in inputs]
    if max(sizes) > _MOST_TOKENS:
        message = (
            f"This model's maximum context length is {_MOST_TOKENS} tokens, however you requested {max(sizes)} tokens "
            f"({max(sizes)} in your prompt; 0 for the completion). Please reduce your prompt; or completion length."
        )
        invalid(message)
    encoding = body.get("encoding_format")
    if encoding not in (None, "float", "base64"):
        invalid(f"'{encoding}' is not one of ['float', 'base64'] - 'encoding_format'")
    as_text = encoding == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _written(vector(model, one, dimensions), as_text)}
        for index, one in enumerate(inputs)
    ]
    usage = {"prompt_tokens": sum(sizes), "total_tokens": sum(sizes)}
    return as_json({"object": "list", "data": data, "model": model, "usage": usage})


def vector(model: str, one: str | list[int], dimensions: int) -> bytes:
    """A vector of length 1 as little-endian float32. Fewer dimensions are the beginning of more."""
    rand = Random(hashlib.sha256(f"{model}/{one}".encode()).digest())
    values = [rand.gauss(0.0, 1.0) for _ in range(dimensions)]
    length = math.sqrt(sum(value * value for value in values))
    return struct.pack(f"<{dimensions}f", *(value / length for value in values))


def _written(packed: bytes, as_text: bool) -> str | list[float]:
    if as_text:
        return base64.b64encode(packed).decode()
    return list(struct.unpack(f"<{len(packed) // 4}f", packed))


def _dimensions(body: dict[str, Any], model: str) -> int:
    most = _DIMENSIONS.get(model, _USUAL_DIMENSIONS)
    wanted = body.get("dimensions")
    if wanted is None:
        return most
    if not is_integer(wanted):
        invalid(f"{wanted!r} is not of type 'integer' - 'dimensions'")
    if wanted < 1:
        invalid(f"{wanted} is less than the minimum of 1 - 'dimensions'")
    if "ada-002" in model:
        invalid("This model does not support specifying dimensions.")
    if wanted > most:
        invalid(f"Invalid value for 'dimensions' = {wanted}. Must be less than or equal to {most}.")
    return wanted


def _inputs(given: Any) -> list[str | list[int]]:
    """One string, strings, one list of tokens, or lists of tokens. Raises `Refusal`."""
    if isinstance(given, str) or (isinstance(given, list) and given and all(is_integer(one) for one in given)):
        given = [given]
    whole = isinstance(given, list) and 0 < len(given) <= _MOST_INPUTS
    if not whole or not (is_texts(given) or all(_is_tokens(one) for one in given)) or not all(given):
        message = (
            "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference."
        )
        invalid(message)
    for one in given:
        for token in one if isinstance(one, list) else []:
            if not 0 <= token <= _HIGHEST_TOKEN:
                bounds = f"Minimum value is 0, maximum value is {_HIGHEST_TOKEN} (inclusive)."
                invalid(f"Invalid token in input: {token}. {bounds}")
    found: list[str | list[int]] = given
    return found


def _is_tokens(one: Any) -> bool:
    return isinstance(one, list) and all(is_integer(token) for token in one)
