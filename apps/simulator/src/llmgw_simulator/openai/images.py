"""`POST /v1/images/generations` and `/edits`: small pictures whose colours follow from the prompt."""

from __future__ import annotations

import base64
import hashlib
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import msgspec

from llmgw_simulator.dialects._rules import ANY, FLAG, OBJECT, TEXT, Rule, check, json_body, missing, one_of
from llmgw_simulator.dialects.chat_messages import invalid
from llmgw_simulator.openai.page import as_json
from llmgw_simulator.tokens import count
from llmgw_simulator.wire import Form, Frame, Incoming, Product, Refusal

_EPOCH = 1_790_000_000
_SIDE = 16
_IMAGE_TOKENS = 272
_COMMON: dict[str, Rule] = {
    "prompt": Rule("string", required=True),
    "model": TEXT,
    "n": Rule("integer", low=1, high=10),
    "size": TEXT,
    "user": TEXT,
}
_BY_FAMILY: dict[str, dict[str, Rule]] = {
    "dall-e-2": {"response_format": one_of("url", "b64_json")},
    "dall-e-3": {
        "response_format": one_of("url", "b64_json"),
        "quality": one_of("standard", "hd"),
        "style": one_of("vivid", "natural"),
    },
    "gpt-image": {
        "background": one_of("transparent", "opaque", "auto"),
        "moderation": one_of("low", "auto"),
        "output_compression": Rule("integer", low=0, high=100),
        "output_format": one_of("png", "webp", "jpeg", "gif", "svg"),
        "partial_images": Rule("integer", low=0, high=3),
        "quality": one_of("low", "medium", "high", "xhigh", "max", "auto"),
        "safety_identifier": TEXT,
        "stream": FLAG,
        "complexity": TEXT,
        "frame_count": Rule("integer"),
        "frame_duration_ms": Rule("integer"),
        "svg": OBJECT,
    },
}
_OF_EDITS: dict[str, Rule] = {"input_fidelity": one_of("high", "low"), "image": ANY, "mask": ANY, "markup": ANY}
_NUMBERS = ("n", "output_compression", "partial_images", "frame_count", "frame_duration_ms")


def generate(incoming: Incoming) -> Product:
    """Pictures for a prompt. Raises `Refusal`."""
    body = json_body(incoming.body)
    check(body, _COMMON | _BY_FAMILY[_family(body)])
    return _answer(body, "image_generation", "", 0)


def edit(incoming: Incoming) -> Product:
    """Pictures for a prompt and pictures, which come as a form. Raises `Refusal`."""
    form = incoming.form or Form({})
    body = _typed(form)
    check(body, _COMMON | _BY_FAMILY[_family(body)] | _OF_EDITS)
    images = [one for one in form.uploads if one.field in ("image", "image[]")]
    if not images:
        missing("image")
    for one in images:
        if one.media_type not in ("image/png", "image/jpeg", "image/webp", "application/octet-stream"):
            allowed = "Supported file formats are 'image/jpeg', 'image/png', and 'image/webp'."
            message = f"Invalid file 'image': unsupported mimetype ('{one.media_type}'). {allowed}"
            invalid(message, "image", "unsupported_file_mimetype")
    digests = "".join(one.blob.digest for one in form.uploads)
    return _answer(body, "image_edit", digests, len(images))


def picture(key: str) -> bytes:
    """A PNG of 16 by 16 pixels in two colours that follow from `key`."""
    colours = hashlib.sha256(key.encode()).digest()
    row = b"".join(colours[:3] if x < _SIDE // 2 else colours[3:6] for x in range(_SIDE))
    pixels = zlib.compress((b"\0" + row) * _SIDE, 9)
    header = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(*one) for one in ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _family(body: dict[str, Any]) -> str:
    model = body.get("model")
    if model == "missing-model":
        raise Refusal(404, f"The model '{model}' does not exist.", param="model", code="model_not_found")
    if model is None:
        return "gpt-image"
    return next((name for name in ("dall-e-2", "dall-e-3") if model == name), "gpt-image")


def _typed(form: Form) -> dict[str, Any]:
    """A form's fields as JSON would have them."""
    body: dict[str, Any] = {name.removesuffix("[]"): values[0] for name, values in form.fields.items()}
    for name in _NUMBERS:
        if str(body.get(name) or "").isdigit():
            body[name] = int(body[name])
    if body.get("stream") in ("true", "false"):
        body["stream"] = body["stream"] == "true"
    return body


def _answer(body: dict[str, Any], event: str, images: str, inputs: int) -> Product:
    family = _family(body)
    key = f"{body['prompt']}/{images}"
    created = _EPOCH + int(hashlib.sha256(key.encode()).hexdigest()[:5], 16)
    usage = _usage(body, inputs)
    tokens = usage["output_tokens"]
    if body.get("stream"):
        headers = {"content-type": "text/event-stream; charset=utf-8"}
        return Product(headers=headers, frames=_events(body, event, key, created, usage), tokens=tokens)
    data = [_image(body, family, f"{key}/{index}") for index in range(body.get("n") or 1)]
    answer: dict[str, Any] = {"created": created, "data": data}
    if family == "gpt-image":
        answer |= {**_described(body), "usage": usage}
    return as_json(answer, tokens)


def _image(body: dict[str, Any], family: str, key: str) -> dict[str, Any]:
    extra = {"revised_prompt": body["prompt"]} if family == "dall-e-3" else {}
    if family != "gpt-image" and body.get("response_format") != "b64_json":
        return {**extra, "url": f"https://images.invalid/{hashlib.sha256(key.encode()).hexdigest()}.png"}
    return {**extra, "b64_json": base64.b64encode(picture(key)).decode()}


def _described(body: dict[str, Any]) -> dict[str, Any]:
    usual = {"background": "opaque", "output_format": "png", "quality": "low", "size": "1024x1024"}
    return {name: value if body.get(name) in (None, "auto") else body[name] for name, value in usual.items()}


def _usage(body: dict[str, Any], inputs: int) -> dict[str, Any]:
    texts, images = count(body["prompt"]), inputs * _IMAGE_TOKENS
    made = (body.get("n") or 1) * _IMAGE_TOKENS
    return {
        "input_tokens": texts + images,
        "input_tokens_details": {"text_tokens": texts, "image_tokens": images},
        "output_tokens": made,
        "output_tokens_details": {"image_tokens": made, "text_tokens": 0},
        "total_tokens": texts + images + made,
    }


def _events(body: dict[str, Any], event: str, key: str, created: int, usage: dict[str, Any]) -> Iterator[Frame]:
    partial = body.get("partial_images") or 0
    for index in range(partial + 1):
        last = index == partial
        value = {
            "type": f"{event}.{'completed' if last else 'partial_image'}",
            "b64_json": base64.b64encode(picture(f"{key}/{0 if last else index + 1}")).decode(),
            "created_at": created,
            **_described(body),
            **({"usage": usage} if last else {"partial_image_index": index}),
        }
        data = f"event: {value['type']}\ndata: ".encode() + msgspec.json.encode(value) + b"\n\n"
        yield Frame(data, usage["output_tokens"] // (partial + 1))
