"""Anthropic Messages: envelope, stream, errors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from llmgw_simulator.ask import Answer, Answers, Part
from llmgw_simulator.dialects._checks import json_object
from llmgw_simulator.dialects.messages_request import parse_messages
from llmgw_simulator.dialects.messages_side import count_messages
from llmgw_simulator.dialects.messages_thinking import realm, sealed_realm
from llmgw_simulator.engine import object_or_empty
from llmgw_simulator.opaque import sign, token
from llmgw_simulator.tokens import bursts
from llmgw_simulator.wire import Frame, Incoming, Parsed, Refusal, Reply, bearer, rejected

_FINISH = {"stop": "end_turn", "stop_sequence": "stop_sequence", "length": "max_tokens", "calls": "tool_use"}
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_CANNED = {
    400: Refusal(400, "messages: Input does not match the expected shape."),
    401: Refusal(401, "invalid x-api-key"),
    403: Refusal(403, "Your API key does not have permission to use the specified resource."),
    404: Refusal(404, "model: unknown"),
    413: Refusal(413, "Request exceeds the maximum size"),
    429: Refusal(
        429,
        "This request would exceed your organization's rate limit of 50 requests per minute. For details, refer to: "
        "https://docs.claude.com/en/api/rate-limits.",
        retry_after=2.0,
    ),
    500: Refusal(500, "Internal server error"),
    503: Refusal(503, "Service unavailable", kind="api_error"),
    529: Refusal(529, "Overloaded"),
}
_LIMITS = {"requests": 4000, "input-tokens": 400_000, "output-tokens": 80_000, "tokens": 480_000}
_PING_EVERY = 40
"""Frames between pings; the first comes after the first block's start."""

_encode = msgspec.json.encode


class Messages:
    """The dialect `messages`."""

    name = "messages"

    def credential(self, incoming: Incoming) -> str | None:
        """From `x-api-key`, or from `Authorization: Bearer`."""
        return incoming.headers.get("x-api-key") or bearer(incoming.headers)

    def authenticate(self, incoming: Incoming) -> None:
        """Check the credential. Raises `Refusal`."""
        _check(self.credential(incoming))

    def parse(self, incoming: Incoming) -> Parsed | Reply:
        """Check the request. Raises `Refusal`."""
        version = incoming.headers.get("anthropic-version")
        if not version:
            raise Refusal(400, "anthropic-version: header is required")
        body = json_object(incoming.body)
        if body is None:
            raise Refusal(400, "The request body is not valid JSON.")
        betas = incoming.headers.get("anthropic-beta", "")
        if incoming.action == "count_tokens":
            headers = {"content-type": "application/json", **_common(incoming)}
            return Reply(200, headers, _encode(count_messages(body, version, betas)))
        return parse_messages(body, version, betas)

    def headers(self, incoming: Incoming, parsed: Parsed) -> dict[str, str]:
        """The headers of a 200."""
        kind = "text/event-stream; charset=utf-8" if parsed.stream else "application/json"
        return {"content-type": kind, **_common(incoming), **_standing(incoming)}

    def whole(self, parsed: Parsed, answers: Answers) -> bytes:
        """A `message`."""
        answer = answers.choices[0]
        content = [_block(part, answers, parsed) for part in answer.parts]
        return _encode(_message(parsed, answers, content, answer, answer.tokens))

    def frames(self, parsed: Parsed, answers: Answers) -> Iterator[Frame]:
        """The events, with pings between them."""
        for count, (event, tokens) in enumerate(_events(parsed, answers)):
            yield Frame(_event(event["type"], event), tokens)
            if count % _PING_EVERY == 1:
                yield Frame(b'event: ping\ndata: {"type": "ping"}\n\n')

    def refuse(self, refusal: Refusal, incoming: Incoming) -> Reply:
        """Anthropic's error envelope."""
        kind = refusal.kind or _TYPES.get(refusal.status, "api_error")
        headers = {"content-type": "application/json", **_common(incoming)}
        headers["x-should-retry"] = "true" if refusal.status in (408, 409, 429) or refusal.status >= 500 else "false"
        if refusal.status == 429:
            headers |= _standing(incoming, refusal.retry_after or 0.0)
        if refusal.retry_after is not None:
            headers["retry-after"] = f"{refusal.retry_after:g}"
        body = _error(kind, refusal.message) | {"request_id": headers["request-id"]}
        return Reply(refusal.status, headers, _encode(body))

    def canned(self, status: int) -> Refusal:
        """The usual words for a status."""
        return _CANNED.get(status) or Refusal(status, f"The request failed with status {status}.")

    def broken_frame(self, parsed: Parsed, kind: str) -> bytes:
        """A delta that is cut in half, or the error event."""
        if kind == "malformed":
            return b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"te\n\n'
        return _event("error", _error("overloaded_error", "Overloaded"))


def _check(credential: str | None) -> None:
    """Refuse with 401 for a missing or unknown key."""
    if credential is None:
        raise Refusal(401, "x-api-key header is required")
    if rejected(credential):
        raise Refusal(401, "invalid x-api-key")


def _error(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def _event(name: str, value: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), _encode(value))


def _common(incoming: Incoming) -> dict[str, str]:
    return {
        "request-id": f"req_011{token(str(incoming.serial), 21)}",
        "anthropic-organization-id": "00000000-0000-4000-8000-000000000000",
    }


def _standing(incoming: Incoming, wait: float | None = None) -> dict[str, str]:
    """The rate limit headers; `wait` is that of a 429, in seconds."""
    if incoming.standing is None:
        return _limits(int(incoming.now + (wait or 0.0)), wait is not None)
    headers: dict[str, str] = {}
    for name, meter in incoming.standing.items():
        full = datetime.fromtimestamp(math.ceil(incoming.now + meter.reset), UTC)
        shown = {"limit": meter.limit, "remaining": meter.remaining}
        for kind in ("input-tokens", "tokens") if name == "tokens" else (name,):
            prefix = f"anthropic-ratelimit-{kind}"
            headers |= {f"{prefix}-{field}": f"{math.floor(value)}" for field, value in shown.items()}
            headers[f"{prefix}-reset"] = full.strftime("%Y-%m-%dT%H:%M:%SZ")
    return headers


@lru_cache(maxsize=8)
def _limits(reset: int, used_up: bool) -> dict[str, str]:
    """The rate limit headers; cached, since `reset` changes once a second."""
    when = datetime.fromtimestamp(reset, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    headers: dict[str, str] = {}
    for name, limit in _LIMITS.items():
        prefix = f"anthropic-ratelimit-{name}"
        remaining = 0 if used_up and name == "requests" else limit
        headers |= {f"{prefix}-limit": str(limit), f"{prefix}-remaining": str(remaining), f"{prefix}-reset": when}
    return headers


def _usage(answers: Answers, output: int, final: bool = True) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "input_tokens": answers.fresh_tokens,
        "cache_creation_input_tokens": answers.written_tokens,
        "cache_read_input_tokens": answers.cached_tokens,
        "output_tokens": output,
    }
    if final and answers.reasoning_tokens:
        usage["output_tokens_details"] = {"thinking_tokens": answers.reasoning_tokens}
    return usage


def _message(
    parsed: Parsed, answers: Answers, content: list[Any], answer: Answer | None, output: int
) -> dict[str, Any]:
    """A whole message, or with no `answer` the empty one that a stream starts with."""
    usage = _usage(answers, output, answer is not None) | {
        "cache_creation": {
            "ephemeral_5m_input_tokens": answers.written_tokens - answers.written_hour_tokens,
            "ephemeral_1h_input_tokens": answers.written_hour_tokens,
        },
        "service_tier": "standard",
    }
    return {
        "model": parsed.ask.model,
        "id": f"msg_{'vrtx_' if 'vertex' in parsed.options else ''}01{token(answers.id, 22)}",
        "type": "message",
        "role": "assistant",
        "content": content,
        "stop_reason": _FINISH[answer.finish] if answer else None,
        "stop_sequence": answer.stop_sequence if answer else None,
        "stop_details": None,
        "usage": usage,
    }


def _block(part: Part, answers: Answers, parsed: Parsed) -> dict[str, Any]:
    if part.kind == "reasoning":
        return _thinking(part, answers, parsed)
    if part.kind == "text":
        return {"type": "text", "text": part.text}
    return {**_call(part), "input": object_or_empty(part.text)}


def _thinking(part: Part, answers: Answers, parsed: Parsed) -> dict[str, Any]:
    model = parsed.ask.model
    if "sealed" in parsed.options:
        return {"type": "redacted_thinking", "data": sign("", answers.id, sealed_realm(model))}
    text = _shown(part, parsed)
    return {"type": "thinking", "thinking": text, "signature": sign(text, answers.id, realm(model))}


def _call(part: Part) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_01{token(part.id, 22)}", "name": part.name, "input": {}}


def _shown(part: Part, parsed: Parsed) -> str:
    return "" if "omitted" in parsed.options else part.text


def _events(parsed: Parsed, answers: Answers) -> Iterator[tuple[dict[str, Any], int]]:
    """Each event with the tokens it stands for."""
    answer = answers.choices[0]
    yield {"type": "message_start", "message": _message(parsed, answers, [], None, 1)}, 0
    for index, part in enumerate(answer.parts):
        yield {"type": "content_block_start", "index": index, "content_block": _opening(part, answers, parsed)}, 0
        for delta, tokens in _deltas(part, answers, parsed):
            yield {"type": "content_block_delta", "index": index, "delta": delta}, tokens
        yield {"type": "content_block_stop", "index": index}, 0
    ending = {"stop_reason": _FINISH[answer.finish], "stop_sequence": answer.stop_sequence, "stop_details": None}
    yield {"type": "message_delta", "delta": ending, "usage": _usage(answers, answer.tokens)}, 0
    yield {"type": "message_stop"}, 0


def _opening(part: Part, answers: Answers, parsed: Parsed) -> dict[str, Any]:
    if part.kind == "reasoning" and "sealed" in parsed.options:
        return _thinking(part, answers, parsed)
    if part.kind == "reasoning":
        return {"type": "thinking", "thinking": "", "signature": ""}
    return {"type": "text", "text": ""} if part.kind == "text" else _call(part)


def _deltas(part: Part, answers: Answers, parsed: Parsed) -> Iterator[tuple[dict[str, Any], int]]:
    if part.kind == "reasoning":
        yield from _thinking_deltas(part, answers, parsed)
    elif part.kind == "text":
        for piece, tokens in bursts(part.text, answers.burst):
            yield {"type": "text_delta", "text": piece}, tokens
    else:
        yield {"type": "input_json_delta", "partial_json": ""}, 0
        for piece, tokens in bursts(part.text, answers.burst):
            yield {"type": "input_json_delta", "partial_json": piece}, tokens


def _thinking_deltas(part: Part, answers: Answers, parsed: Parsed) -> Iterator[tuple[dict[str, Any], int]]:
    """Thinking that is not shown still takes its time, which is charged to the signature.

    What is encrypted comes whole with the start of its block.
    """
    if "sealed" in parsed.options:
        return
    shown, hidden = _shown(part, parsed), 0
    for piece, tokens in bursts(part.text, answers.burst):
        if shown:
            yield {"type": "thinking_delta", "thinking": piece}, tokens
        else:
            hidden += tokens
    yield {"type": "signature_delta", "signature": sign(shown, answers.id, realm(parsed.ask.model))}, hidden
