"""Gemini generateContent and streamGenerateContent: envelope, both stream forms, errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from llmgw_simulator.ask import Answer, Answers, Ask, Part
from llmgw_simulator.dialects._checks import json_object
from llmgw_simulator.dialects.gemini_request import parse_gemini
from llmgw_simulator.dialects.gemini_side import count_gemini, embed_many, embed_one
from llmgw_simulator.dialects.gemini_thoughts import REALM, signed_text
from llmgw_simulator.dialects.vertex_answer import on_vertex
from llmgw_simulator.engine import object_or_empty
from llmgw_simulator.opaque import sign, token
from llmgw_simulator.tokens import bursts, pieces
from llmgw_simulator.wire import Frame, Incoming, Parsed, Refusal, Reply, rejected

JSON = "application/json; charset=UTF-8"
CHUNK = 8
"""Tokens in one event: Gemini sends fewer and larger ones than the others."""

_FINISH = {"stop": "STOP", "stop_sequence": "STOP", "length": "MAX_TOKENS", "calls": "STOP"}
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_RPC = "type.googleapis.com/google.rpc."
_BAD_KEY = "API key not valid. Please pass a valid API key."
_KEY_DETAILS: list[dict[str, Any]] = [
    {
        "@type": f"{_RPC}ErrorInfo",
        "reason": "API_KEY_INVALID",
        "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    },
    {"@type": f"{_RPC}LocalizedMessage", "locale": "en-US", "message": _BAD_KEY},
]
_QUOTA_DETAILS: list[dict[str, Any]] = [
    {
        "@type": f"{_RPC}QuotaFailure",
        "violations": [
            {
                "quotaMetric": "generativelanguage.googleapis.com/generate_content_requests",
                "quotaId": "GenerateRequestsPerMinutePerProjectPerModel",
                "quotaDimensions": {"location": "global"},
                "quotaValue": "60",
            }
        ],
    },
]
_CANNED = {
    400: Refusal(400, "Request contains an invalid argument."),
    401: Refusal(401, "Request had invalid authentication credentials. Expected OAuth 2 access token or API key."),
    403: Refusal(403, "The caller does not have permission"),
    404: Refusal(404, "Requested entity was not found."),
    413: Refusal(413, "Request payload size exceeds the limit: 20971520 bytes."),
    429: Refusal(
        429,
        "You exceeded your current quota, please check your plan and billing details. For more information on this "
        "error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.",
        details=_QUOTA_DETAILS,
        retry_after=2.0,
    ),
    500: Refusal(500, "An internal error has occurred. Please retry."),
    503: Refusal(503, "The model is overloaded. Please try again later."),
    529: Refusal(529, "The model is overloaded. Please try again later.", kind="UNAVAILABLE"),
}
_encode = msgspec.json.encode
_SIDE = {"countTokens": count_gemini, "embedContent": embed_one, "batchEmbedContents": embed_many}


class Gemini:
    """The dialect `gemini`."""

    name = "gemini"

    def credential(self, incoming: Incoming) -> str | None:
        """From `x-goog-api-key` or `?key=`."""
        return incoming.headers.get("x-goog-api-key") or incoming.query.get("key") or None

    def authenticate(self, incoming: Incoming) -> None:
        """Check the credential. Raises `Refusal`."""
        _check(self.credential(incoming))

    def parse(self, incoming: Incoming) -> Parsed | Reply:
        """Check the request. Raises `Refusal`."""
        body = json_object(incoming.body)
        if body is None:
            raise Refusal(400, "Invalid JSON payload received. Expected a value.\n\n^")
        if (answer := _SIDE.get(incoming.action)) is not None:
            return Reply(200, {"content-type": JSON, **_common()}, _encode(answer(body, incoming.model)))
        streams = incoming.action == "streamGenerateContent"
        return parse_gemini(body, incoming.model, stream=streams, array=incoming.query.get("alt") != "sse")

    def headers(self, incoming: Incoming, parsed: Parsed) -> dict[str, str]:
        """The headers of a 200."""
        sse = parsed.stream and "array" not in parsed.options
        kind = "text/event-stream" if sse else JSON
        return {"content-type": kind, **_common()}

    def whole(self, parsed: Parsed, answers: Answers) -> bytes:
        """A GenerateContentResponse."""
        candidates = [_candidate(index, answer, parsed, answers) for index, answer in enumerate(answers.choices)]
        usage = _usage(parsed.ask, answers, answers.tokens - answers.reasoning_tokens, answers.reasoning_tokens)
        return _encode(_envelope(parsed, answers, candidates, usage))

    def frames(self, parsed: Parsed, answers: Answers) -> Iterator[Frame]:
        """The chunks, as SSE or as elements of a JSON array."""
        chunks = list(_chunks(parsed, answers))
        for index, (chunk, tokens) in enumerate(chunks):
            data = _encode(chunk)
            if "array" not in parsed.options:
                yield Frame(b"data: " + data + b"\r\n\r\n", tokens)
                continue
            opening = b"[" if index == 0 else b",\r\n"
            yield Frame(opening + data + (b"\n]" if index == len(chunks) - 1 else b""), tokens)

    def refuse(self, refusal: Refusal, incoming: Incoming) -> Reply:
        """Google's error envelope; when to come back is in its details."""
        body = _error(refusal)
        return Reply(refusal.status, {"content-type": JSON, **_common()}, _encode(body))

    def canned(self, status: int) -> Refusal:
        """The usual words for a status."""
        return _CANNED.get(status) or Refusal(status, f"The request failed with status {status}.")

    def broken_frame(self, parsed: Parsed, kind: str) -> bytes:
        """A chunk that is cut in half, or an error in the stream."""
        array = "array" in parsed.options
        if kind == "malformed":
            cut = b'{"candidates": [{"content": {"parts": [{"te'
            return b",\r\n" + cut if array else b"data: " + cut + b"\r\n\r\n"
        data = _encode(_error(_CANNED[503]))
        return b",\r\n" + data + b"\n]" if array else b"data: " + data + b"\r\n\r\n"


def _check(credential: str | None) -> None:
    """Refuse with 403 for a missing key and 400 for an unknown one, which is what Google answers."""
    if credential is None:
        message = (
            "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or "
            "other form of API consumer identity to call this API."
        )
        raise Refusal(403, message)
    if rejected(credential):
        raise Refusal(400, _BAD_KEY, details=_KEY_DETAILS)


def _common() -> dict[str, str]:
    return {"server-timing": "gfet4t7; dur=12", "x-frame-options": "SAMEORIGIN", "vary": "Origin, X-Origin, Referer"}


def _error(refusal: Refusal) -> dict[str, Any]:
    status = refusal.kind or _STATUS.get(refusal.status, "UNKNOWN")
    error: dict[str, Any] = {"code": refusal.status, "message": refusal.message, "status": status}
    details = list(refusal.details or [])
    if refusal.retry_after is not None:
        details.append({"@type": f"{_RPC}RetryInfo", "retryDelay": f"{refusal.retry_after:g}s"})
    return {"error": error | ({"details": details} if details else {})}


def _envelope(parsed: Parsed, answers: Answers, candidates: list[Any], usage: dict[str, Any]) -> dict[str, Any]:
    made = {
        "candidates": candidates,
        "usageMetadata": usage,
        "modelVersion": parsed.ask.model,
        "responseId": token(answers.id, 22),
    }
    return on_vertex(made, len(answers.choices)) if "vertex" in parsed.options else made


def _usage(ask: Ask, answers: Answers, candidates: int, thoughts: int) -> dict[str, Any]:
    usage: dict[str, Any] = {"promptTokenCount": answers.prompt_tokens}
    if candidates:
        usage["candidatesTokenCount"] = candidates
    usage["totalTokenCount"] = answers.prompt_tokens + candidates + thoughts
    usage["cachedContentTokenCount"] = answers.cached_tokens
    usage["promptTokensDetails"] = _modalities(ask, answers.prompt_tokens)
    if answers.cached_tokens:
        usage["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": answers.cached_tokens}]
    if thoughts:
        usage["thoughtsTokenCount"] = thoughts
    return usage


def _modalities(ask: Ask, prompt: int) -> list[dict[str, Any]]:
    images = 85 * sum(item.kind == "image" for turn in ask.turns for item in turn.media)
    found = [{"modality": "TEXT", "tokenCount": prompt - images}]
    return [*found, {"modality": "IMAGE", "tokenCount": images}] if images else found


def _candidate(index: int, answer: Answer, parsed: Parsed, answers: Answers) -> dict[str, Any]:
    parts = [part for _, _, part in _parts(answer, parsed, answers.id) if part is not None]
    return {"content": {"parts": parts, "role": "model"}, "finishReason": _FINISH[answer.finish], "index": index}


def _parts(answer: Answer, parsed: Parsed, nonce: str) -> Iterator[tuple[Part, bool, dict[str, Any] | None]]:
    """Each part of the answer, whether it is text that can be cut into chunks, and its JSON if it is shown.

    A call that the token limit cut is not shown: Gemini sends no half arguments.
    """
    signed = "signs" not in parsed.options
    for part in answer.parts:
        if part.kind == "reasoning":
            shown = {"text": part.text, "thought": True} if "thoughts" in parsed.options else None
            yield part, True, shown
        elif part.kind == "text":
            yield part, True, _signed({"text": part.text}, nonce, signed)
        elif part.cut:
            yield part, False, None
        else:
            yield part, False, _signed(_call(part, parsed), nonce, signed)
            signed = True


def _signed(part: dict[str, Any], nonce: str, already: bool) -> dict[str, Any]:
    return part if already else part | {"thoughtSignature": sign(signed_text(part), nonce, REALM)}


def _call(part: Part, parsed: Parsed) -> dict[str, Any]:
    call: dict[str, Any] = {"name": part.name, "args": object_or_empty(part.text)}
    return {"functionCall": call | ({"id": token(part.id, 8)} if "ids" in parsed.options else {})}


def _chunks(parsed: Parsed, answers: Answers) -> Iterator[tuple[dict[str, Any], int]]:
    """Each chunk with its tokens. The usage is cumulative; what is not shown is charged to the next chunk."""
    meter = _Meter(parsed.ask, answers)
    for index, answer in enumerate(answers.choices):
        for part, is_text, shown in _parts(answer, parsed, answers.id):
            if shown is None:
                meter.hide(part)
                continue
            for piece, tokens in _cut(part, shown, answers.burst) if is_text else [(shown, len(pieces(part.text)))]:
                usage, charged = meter.count(part, tokens)
                yield _envelope(parsed, answers, [_delta(index, [piece])], usage), charged
        usage, charged = meter.count(None, 0)
        # The last chunk of a candidate has an empty text, with the signature if there is one on the text.
        end = _delta(index, [{"text": ""} | _trailing(answer, parsed, answers.id)])
        end["finishReason"] = _FINISH[answer.finish]
        yield _envelope(parsed, answers, [end], usage), charged


def _delta(index: int, parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"content": {"parts": parts, "role": "model"}, "index": index}


def _trailing(answer: Answer, parsed: Parsed, nonce: str) -> dict[str, Any]:
    has_text = any(part.kind == "text" for part in answer.parts)
    return _signed({}, nonce, not (has_text and "signs" in parsed.options))


def _cut(part: Part, shown: dict[str, Any], burst: int) -> Iterator[tuple[dict[str, Any], int]]:
    extra = {"thought": True} if "thought" in shown else {}
    for text, tokens in bursts(part.text, max(burst, CHUNK)):
        yield {"text": text, **extra}, tokens


class _Meter:
    """The cumulative usage of a stream."""

    def __init__(self, ask: Ask, answers: Answers) -> None:
        self._ask = ask
        self._answers = answers
        self._candidates = 0
        self._thoughts = 0
        self._hidden = 0

    def hide(self, part: Part) -> None:
        """Tokens that no chunk shows."""
        hidden = len(pieces(part.text))
        self._hidden += hidden
        self._add(part, hidden)

    def count(self, part: Part | None, tokens: int) -> tuple[dict[str, Any], int]:
        """The usage after a chunk of `tokens`, and the tokens that the chunk takes time for."""
        if part is not None:
            self._add(part, tokens)
        charged, self._hidden = self._hidden + tokens, 0
        return _usage(self._ask, self._answers, self._candidates, self._thoughts), charged

    def _add(self, part: Part, tokens: int) -> None:
        if part.kind == "reasoning":
            self._thoughts += tokens
        else:
            self._candidates += tokens
