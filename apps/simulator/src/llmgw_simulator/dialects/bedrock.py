"""Amazon Bedrock's runtime API: Converse, ConverseStream, CountTokens and embeddings; signatures, frames, errors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec

from llmgw_simulator.ask import Answer, Answers, Part
from llmgw_simulator.dialects._checks import json_object
from llmgw_simulator.dialects.bedrock_side import count_tokens, embed
from llmgw_simulator.dialects.converse_request import parse_converse
from llmgw_simulator.dialects.messages_thinking import realm, sealed_realm
from llmgw_simulator.engine import object_or_empty
from llmgw_simulator.eventstream import event, exception
from llmgw_simulator.opaque import sign, token
from llmgw_simulator.sigv4 import SignatureError, access_key, verify
from llmgw_simulator.tokens import bursts, pieces
from llmgw_simulator.wire import Frame, Incoming, Parsed, Refusal, Reply, bearer, rejected

_FINISH = {"stop": "end_turn", "stop_sequence": "stop_sequence", "length": "max_tokens", "calls": "tool_use"}
_KINDS = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    413: "RequestEntityTooLargeException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
_AUTHENTICATION = frozenset(
    {
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "IncompleteSignatureException",
        "MissingAuthenticationTokenException",
        "ExpiredTokenException",
    }
)
_CANNED = {
    400: Refusal(
        400,
        "The model returned the following errors: Malformed input request, please reformat your input and try again.",
    ),
    401: Refusal(401, "The security token included in the request is invalid.", kind="UnrecognizedClientException"),
    403: Refusal(403, "You don't have access to the model with the specified model ID."),
    404: Refusal(404, "Could not resolve the foundation model from the provided model identifier."),
    408: Refusal(408, "The request took too long to process. Processing time exceeded the model timeout length."),
    413: Refusal(413, "Request size exceeded the limit of 20 MB."),
    424: Refusal(424, "The request failed due to an error while processing the model."),
    429: Refusal(429, "Too many requests, please wait before trying again."),
    500: Refusal(500, "The system encountered an unexpected error during processing. Try your request again."),
    503: Refusal(503, "Bedrock is unable to process your request."),
    529: Refusal(529, "Bedrock is unable to process your request.", kind="ServiceUnavailableException"),
}
_PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_encode = msgspec.json.encode


class Bedrock:
    """The dialect `bedrock`."""

    name = "bedrock"

    def credential(self, incoming: Incoming) -> str | None:
        """The access key id of a signature, or an API key."""
        return access_key(incoming.headers.get("authorization", "")) or bearer(incoming.headers)

    def authenticate(self, incoming: Incoming) -> None:
        """Check the signature or the API key. Raises `Refusal`."""
        authorization = incoming.headers.get("authorization")
        if not authorization:
            raise Refusal(403, "Missing Authentication Token", kind="MissingAuthenticationTokenException")
        if (key := bearer(incoming.headers)) is not None:
            if rejected(key):
                raise Refusal(403, "Authentication failed: Please make sure your API Key is valid.")
            return
        _verify(incoming)

    def parse(self, incoming: Incoming) -> Parsed | Reply:
        """Check the request. Raises `Refusal`."""
        body = json_object(incoming.body)
        if body is None:
            raise Refusal(400, "Unexpected character or end of input in the JSON body", kind="SerializationException")
        headers = {"content-type": "application/json", **_common(incoming)}
        if incoming.action == "count-tokens":
            return Reply(200, headers, _encode({"inputTokens": count_tokens(body, incoming.model)}))
        if incoming.action == "invoke":
            made, tokens = embed(body, incoming.model)
            latency = {"x-amzn-bedrock-invocation-latency": "12", "x-amzn-bedrock-input-token-count": str(tokens)}
            return Reply(200, headers | latency, _encode(made))
        return parse_converse(body, incoming.model, stream=incoming.action == "converse-stream")

    def headers(self, incoming: Incoming, parsed: Parsed) -> dict[str, str]:
        """The headers of a 200."""
        kind = "application/vnd.amazon.eventstream" if parsed.stream else "application/json"
        return {"content-type": kind, **_common(incoming)}

    def whole(self, parsed: Parsed, answers: Answers) -> bytes:
        """A ConverseResponse."""
        answer = answers.choices[0]
        content = [_block(part, answers, parsed) for part in answer.parts]
        made = {
            "metrics": {"latencyMs": _latency(answers)},
            "output": {"message": {"content": content, "role": "assistant"}},
            "usage": _usage(answers, parsed),
        }
        return _encode(made | _stop(answer, parsed), order="sorted")

    def frames(self, parsed: Parsed, answers: Answers) -> Iterator[Frame]:
        """The events; every payload is padded by a different length, as Bedrock does it against eavesdroppers."""
        for count, (kind, payload, tokens) in enumerate(_events(parsed, answers)):
            length = int(hashlib.sha256(f"{answers.id}{count}".encode()).hexdigest()[:4], 16) % len(_PADDING)
            yield Frame(event(kind, payload | {"p": _PADDING[: 1 + length]}), tokens)

    def refuse(self, refusal: Refusal, incoming: Incoming) -> Reply:
        """An AWS error: the exception is in a header, the message in the body."""
        kind = refusal.kind or _KINDS.get(refusal.status, "InternalFailure")
        service = "coral.service" if kind in _AUTHENTICATION or kind == "SerializationException" else "bedrock"
        headers = {
            "content-type": "application/json",
            "x-amzn-errortype": f"{kind}:http://internal.amazon.com/coral/com.amazon.{service}/",
            **_common(incoming),
        }
        if refusal.retry_after is not None:
            headers["retry-after"] = f"{refusal.retry_after:g}"
        # Bedrock's own answer to a bad API key, before the service sees the request, spells it with a capital.
        name = "Message" if refusal.message.startswith("Authentication failed") else "message"
        return Reply(refusal.status, headers, _encode({name: refusal.message}))

    def canned(self, status: int) -> Refusal:
        """The usual words for a status."""
        return _CANNED.get(status) or Refusal(status, f"The request failed with status {status}.")

    def broken_frame(self, parsed: Parsed, kind: str) -> bytes:
        """A frame that is sound but for its JSON, or an exception."""
        if kind == "malformed":
            return event("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"te')
        return exception("serviceUnavailableException", {"message": _CANNED[503].message})


def _verify(incoming: Incoming) -> None:
    try:
        verify(
            incoming.method,
            incoming.target or incoming.path,
            incoming.headers,
            incoming.body,
            service="bedrock",
            keyring=incoming.keyring,
            now=incoming.now,
        )
    except SignatureError as error:
        raise Refusal(403, error.message, kind=error.kind) from None


def _common(incoming: Incoming) -> dict[str, str]:
    digest = hashlib.sha256(str(incoming.serial).encode()).hexdigest()
    return {"x-amzn-requestid": f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"}


def _latency(answers: Answers) -> int:
    return 100 + 10 * answers.tokens


def _usage(answers: Answers, parsed: Parsed) -> dict[str, Any]:
    counts = {"inputTokens": answers.fresh_tokens, "outputTokens": answers.tokens}
    total = answers.prompt_tokens + answers.tokens
    usage: dict[str, Any] = counts | {"totalTokens": total, "serverToolUsage": {}}
    if "caches" in parsed.options:
        for kind, tokens in (("Read", answers.cached_tokens), ("Write", answers.written_tokens)):
            usage |= {f"cache{kind}InputTokens": tokens, f"cache{kind}InputTokenCount": tokens}
    if answers.written_tokens:
        hour = answers.written_hour_tokens
        lives = {"1h": hour, "5m": answers.written_tokens - hour}
        usage["cacheDetails"] = [{"ttl": ttl, "inputTokens": tokens} for ttl, tokens in lives.items() if tokens]
    return usage


def _stop(answer: Answer, parsed: Parsed) -> dict[str, Any]:
    stop: dict[str, Any] = {"stopReason": _FINISH[answer.finish]}
    if "stop_sequence" in parsed.options:
        stop["additionalModelResponseFields"] = {"stop_sequence": answer.stop_sequence}
    return stop


def _call(part: Part) -> dict[str, Any]:
    return {"toolUseId": f"tooluse_{token(part.id, 22)}", "name": part.name}


def _shown(part: Part, parsed: Parsed) -> str:
    return "" if "omitted" in parsed.options else part.text


def _sealed(answers: Answers, parsed: Parsed) -> dict[str, Any]:
    return {"redactedContent": sign("", answers.id, sealed_realm(parsed.ask.model))}


def _signature(text: str, answers: Answers, parsed: Parsed) -> dict[str, Any]:
    return {"signature": sign(text, answers.id, realm(parsed.ask.model))} if "signs" in parsed.options else {}


def _block(part: Part, answers: Answers, parsed: Parsed) -> dict[str, Any]:
    if part.kind == "reasoning":
        if "sealed" in parsed.options:
            return {"reasoningContent": _sealed(answers, parsed)}
        text = _shown(part, parsed)
        return {"reasoningContent": {"reasoningText": {"text": text, **_signature(text, answers, parsed)}}}
    if part.kind == "text":
        return {"text": part.text}
    return {"toolUse": {**_call(part), "input": object_or_empty(part.text)}}


def _events(parsed: Parsed, answers: Answers) -> Iterator[tuple[str, dict[str, Any], int]]:
    """Each event with the tokens it stands for. Only tool calls have a start."""
    answer = answers.choices[0]
    yield "messageStart", {"role": "assistant"}, 0
    for index, part in enumerate(answer.parts):
        place = {"contentBlockIndex": index}
        if part.kind == "call":
            yield "contentBlockStart", {**place, "start": {"toolUse": _call(part)}}, 0
        for delta, tokens in _deltas(part, answers, parsed):
            yield "contentBlockDelta", {**place, "delta": delta}, tokens
        yield "contentBlockStop", place, 0
    yield "messageStop", _stop(answer, parsed), 0
    yield "metadata", {"usage": _usage(answers, parsed), "metrics": {"latencyMs": _latency(answers)}}, 0


def _deltas(part: Part, answers: Answers, parsed: Parsed) -> Iterator[tuple[dict[str, Any], int]]:
    if part.kind == "reasoning":
        yield from _reasoning_deltas(part, answers, parsed)
    elif part.kind == "text":
        for piece, tokens in bursts(part.text, answers.burst):
            yield {"text": piece}, tokens
    else:
        yield {"toolUse": {"input": ""}}, 0
        for piece, tokens in bursts(part.text, answers.burst):
            yield {"toolUse": {"input": piece}}, tokens


def _reasoning_deltas(part: Part, answers: Answers, parsed: Parsed) -> Iterator[tuple[dict[str, Any], int]]:
    """Reasoning that is not shown still takes its time, which is charged to what closes it."""
    if "sealed" in parsed.options:
        yield {"reasoningContent": _sealed(answers, parsed)}, len(pieces(part.text))
        return
    shown, hidden = _shown(part, parsed), 0
    for piece, tokens in bursts(part.text, answers.burst):
        if shown:
            yield {"reasoningContent": {"text": piece}}, tokens
        else:
            hidden += tokens
    if "signs" in parsed.options:
        yield {"reasoningContent": _signature(shown, answers, parsed)}, hidden
