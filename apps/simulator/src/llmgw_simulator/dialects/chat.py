"""OpenAI Chat Completions: envelope, stream, errors. Also the plain `GET /v1/models`.

OpenAI does not show reasoning: it is counted in the usage and takes its time, silently. Models named after those of
compatible servers (see `shows_reasoning`) send it as `reasoning_content`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec

from llmgw_simulator.ask import Answer, Answers, Part
from llmgw_simulator.dialects._checks import free_text, json_object
from llmgw_simulator.dialects.chat_request import parse_chat
from llmgw_simulator.dialects.denials import duration
from llmgw_simulator.opaque import token
from llmgw_simulator.tokens import bursts, pieces
from llmgw_simulator.wire import Frame, Incoming, Parsed, Refusal, Reply, bearer, rejected

_EPOCH = 1_790_000_000
"""`created` is this plus a part of the digest: a clock would make the same request give two answers."""

_FINISH = {"stop": "stop", "stop_sequence": "stop", "length": "length", "calls": "tool_calls"}
_TYPES = {429: "rate_limit_exceeded", 500: "server_error", 503: "server_error", 529: "server_error"}
_encode = msgspec.json.encode

_CANNED: dict[int, Refusal] = {
    400: Refusal(400, "Invalid value for 'messages'.", param="messages", code="invalid_value"),
    401: Refusal(
        401,
        "Incorrect API key provided: sk-***. You can find your API key at https://platform.openai.com/account/api-keys.",
        code="invalid_api_key",
    ),
    403: Refusal(
        403,
        "Country, region, or territory not supported",
        kind="request_forbidden",
        code="unsupported_country_region_territory",
    ),
    404: Refusal(404, "The model does not exist or you do not have access to it.", code="model_not_found"),
    413: Refusal(413, "Request body is too large.", kind="invalid_request_error", code="request_too_large"),
    429: Refusal(
        429,
        "Rate limit reached on requests per min (RPM): Limit 500, Used 500, Requested 1. Please try again in 2s. "
        "Visit https://platform.openai.com/account/rate-limits to learn more.",
        kind="requests",
        code="rate_limit_exceeded",
        retry_after=2.0,
    ),
    500: Refusal(500, "The server had an error while processing your request. Sorry about that!", kind="server_error"),
    503: Refusal(503, "The server is currently overloaded with other requests. Sorry about that!", kind="server_error"),
    529: Refusal(529, "The server is overloaded or not ready yet.", kind="server_error"),
}


class Chat:
    """The dialect `chat`."""

    name = "chat"

    def credential(self, incoming: Incoming) -> str | None:
        """From `Authorization: Bearer`."""
        return bearer(incoming.headers)

    def authenticate(self, incoming: Incoming) -> None:
        """Check the credential. Raises `Refusal`."""
        _check(self.credential(incoming))

    def parse(self, incoming: Incoming) -> Parsed:
        """Check the request. Raises `Refusal`."""
        body = json_object(incoming.body)
        if body is None:
            message = (
                "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
                "library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"
            )
            raise Refusal(400, message)
        return parse_chat(body)

    def headers(self, incoming: Incoming, parsed: Parsed) -> dict[str, str]:
        """The headers of a 200."""
        kind = "text/event-stream; charset=utf-8" if parsed.stream else "application/json"
        return {"content-type": kind, **common_headers(incoming), **_standing(incoming)}

    def whole(self, parsed: Parsed, answers: Answers) -> bytes:
        """A `chat.completion`."""
        choices = [_choice(index, answer, parsed) for index, answer in enumerate(answers.choices)]
        return _encode({**_envelope(parsed, answers, ""), "choices": choices, "usage": _usage(answers)})

    def frames(self, parsed: Parsed, answers: Answers) -> Iterator[Frame]:
        """Chunks of all choices, then usage if asked for, then `[DONE]`."""
        envelope = _envelope(parsed, answers, ".chunk")
        tail: dict[str, Any] = {"usage": None} if "usage" in parsed.options else {}
        for index, answer in enumerate(answers.choices):
            for delta, finish, tokens in _deltas(answer, parsed, answers.burst):
                choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
                yield Frame(_data({**envelope, "choices": [choice], **tail}), tokens)
        if tail:
            yield Frame(_data({**envelope, "choices": [], "usage": _usage(answers)}))
        yield Frame(b"data: [DONE]\n\n")

    def refuse(self, refusal: Refusal, incoming: Incoming) -> Reply:
        """OpenAI's error envelope."""
        kind = refusal.kind or _TYPES.get(refusal.status, "invalid_request_error")
        error = {"message": refusal.message, "type": kind, "param": refusal.param, "code": refusal.code}
        headers = {"content-type": "application/json; charset=utf-8", **common_headers(incoming)}
        if refusal.status == 429:
            headers |= _standing(incoming, refusal.retry_after or 0.0)
        if refusal.retry_after is not None:
            headers["retry-after"] = f"{refusal.retry_after:g}"
            headers["retry-after-ms"] = f"{refusal.retry_after * 1000:.0f}"
        return Reply(refusal.status, headers, _encode({"error": error}))

    def canned(self, status: int) -> Refusal:
        """The usual words for a status."""
        return _CANNED.get(status) or Refusal(status, f"The request failed with status {status}.")

    def broken_frame(self, parsed: Parsed, kind: str) -> bytes:
        """A chunk that is cut in half, or an error in the stream."""
        if kind == "malformed":
            return b'data: {"id":"chatcmpl-broken","choices":[{"index":0,"delta":{"content":"\n\n'
        refusal = _CANNED[500]
        return _data({"error": {"message": refusal.message, "type": refusal.kind, "param": None, "code": None}})


def _check(credential: str | None) -> None:
    """Refuse with 401 for a missing or unknown key."""
    if credential is None:
        message = (
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
            "auth (i.e. Authorization: Bearer YOUR_KEY). You can obtain an API key from "
            "https://platform.openai.com/account/api-keys."
        )
        raise Refusal(401, message)
    if rejected(credential):
        shown = f"{credential[:3]}{'*' * max(0, len(credential) - 7)}{credential[3:][-4:]}"
        message = f"Incorrect API key provided: {shown}. You can find your API key at https://platform.openai.com/account/api-keys."
        raise Refusal(401, message, code="invalid_api_key")


def common_headers(incoming: Incoming) -> dict[str, str]:
    """The headers of every answer of OpenAI."""
    return {
        "x-request-id": f"req_{incoming.serial:032x}",
        "openai-organization": "simulated",
        "openai-processing-ms": "12",
        "openai-version": "2020-10-01",
    }


def _standing(incoming: Incoming, wait: float | None = None) -> dict[str, str]:
    """The rate limit headers; `wait` is that of a 429, in seconds."""
    if incoming.standing is None:
        return _limits(499) if wait is None else _limits(0, wait)
    headers: dict[str, str] = {}
    for name in ("requests", "tokens"):
        if (meter := incoming.standing.get(name)) is not None:
            headers[f"x-ratelimit-limit-{name}"] = f"{meter.limit:.0f}"
            headers[f"x-ratelimit-remaining-{name}"] = f"{math.floor(meter.remaining)}"
            headers[f"x-ratelimit-reset-{name}"] = duration(meter.reset)
    return headers


def _limits(remaining: int, reset: float = 0.12) -> dict[str, str]:
    return {
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-limit-tokens": "200000",
        "x-ratelimit-remaining-requests": str(remaining),
        "x-ratelimit-remaining-tokens": "199000",
        "x-ratelimit-reset-requests": f"{reset * 1000:.0f}ms" if reset < 1 else f"{reset:g}s",
        "x-ratelimit-reset-tokens": "6ms",
    }


def _data(value: Any) -> bytes:
    return b"data: " + _encode(value) + b"\n\n"


def _envelope(parsed: Parsed, answers: Answers, suffix: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{token(answers.id, 29)}",
        "object": f"chat.completion{suffix}",
        "created": _EPOCH + int(answers.id[:5], 16),
        "model": parsed.ask.model,
        "service_tier": "default",
        "system_fingerprint": f"fp_{answers.id[:10]}",
    }


def _usage(answers: Answers) -> dict[str, Any]:
    return {
        "prompt_tokens": answers.prompt_tokens,
        "completion_tokens": answers.tokens,
        "total_tokens": answers.prompt_tokens + answers.tokens,
        "prompt_tokens_details": {"cached_tokens": answers.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": answers.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _finish(answer: Answer, parsed: Parsed) -> str:
    legacy = answer.finish == "calls" and "function_call" in parsed.options
    return "function_call" if legacy else _FINISH[answer.finish]


def _choice(index: int, answer: Answer, parsed: Parsed) -> dict[str, Any]:
    text = "".join(part.text for part in answer.parts if part.kind == "text")
    calls = [_call(part, parsed) for part in answer.parts if part.kind == "call"]
    refused = "refusal" in parsed.options
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if calls or refused else text,
        "refusal": text if refused else None,
        "annotations": [],
    }
    if "reasoning" in parsed.options:
        message["reasoning_content"] = "".join(part.text for part in answer.parts if part.kind == "reasoning") or None
    if calls and "function_call" in parsed.options:
        message["function_call"] = calls[0]["function"]
    elif calls:
        message["tool_calls"] = calls
    return {"index": index, "message": message, "logprobs": None, "finish_reason": _finish(answer, parsed)}


def _call(part: Part, parsed: Parsed, *, empty: bool = False) -> dict[str, Any]:
    """A call; `empty` for the chunk that opens it."""
    text = "" if empty else _call_text(part, parsed)
    if _is_custom(part, parsed):
        custom = {"name": part.name, "input": text}
        return {"id": f"call_{token(part.id, 24)}", "type": "custom", "custom": custom}
    return {
        "id": f"call_{token(part.id, 24)}",
        "type": "function",
        "function": {"name": part.name, "arguments": text},
    }


def _is_custom(part: Part, parsed: Parsed) -> bool:
    return f"custom:{part.name}" in parsed.options


def _call_text(part: Part, parsed: Parsed) -> str:
    return free_text(part.text) if _is_custom(part, parsed) else part.text


def _deltas(answer: Answer, parsed: Parsed, burst: int) -> Iterator[tuple[dict[str, Any], str | None, int]]:
    """Each chunk of a choice as delta, finish reason and tokens. Hidden reasoning is charged to the chunk after it."""
    calls = any(part.kind == "call" for part in answer.parts)
    silent = calls or "refusal" in parsed.options
    yield {"role": "assistant", "content": None if silent else "", "refusal": None}, None, 0
    hidden = 0
    order = -1
    for part in answer.parts:
        if part.kind == "reasoning" and "reasoning" not in parsed.options:
            hidden += len(pieces(part.text))
            continue
        order += part.kind == "call"
        if part.kind == "call":
            yield _call_delta(part, order, parsed), None, hidden
            hidden = 0
        text = _call_text(part, parsed) if part.kind == "call" else part.text
        for piece, tokens in bursts(text, burst):
            yield _piece_delta(part, piece, order, parsed), None, hidden + tokens
            hidden = 0
    yield {}, _finish(answer, parsed), hidden


def _call_delta(part: Part, order: int, parsed: Parsed) -> dict[str, Any]:
    call = _call(part, parsed, empty=True)
    if "function_call" in parsed.options:
        return {"function_call": call["function"]}
    return {"tool_calls": [{"index": order, **call}]}


def _piece_delta(part: Part, piece: str, order: int, parsed: Parsed) -> dict[str, Any]:
    if part.kind != "call":
        shown = "refusal" if "refusal" in parsed.options else "content"
        return {shown if part.kind == "text" else "reasoning_content": piece}
    if "function_call" in parsed.options:
        return {"function_call": {"arguments": piece}}
    delta = {"custom": {"input": piece}} if _is_custom(part, parsed) else {"function": {"arguments": piece}}
    return {"tool_calls": [{"index": order, **delta}]}
