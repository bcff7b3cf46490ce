"""OpenAI's dialects as Azure serves them: another key, the deployment in the path, other errors, and filter results.

Azure looks at every prompt and every answer, and says what it found: `prompt_filter_results`, which are the first chunk
of a stream, and `content_filter_results` in each choice; in Responses `content_filters`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from llmgw_simulator.ask import Answers
from llmgw_simulator.dialects._checks import json_object
from llmgw_simulator.wire import Dialect, Frame, Incoming, Parsed, Refusal, Reply, bearer, rejected

_SAFE = {"filtered": False, "severity": "safe"}
_UNSEEN = {"filtered": False, "detected": False}
_FOUR = {"hate": _SAFE, "self_harm": _SAFE, "sexual": _SAFE, "violence": _SAFE}
_OF_PROMPT = {"hate": _SAFE, "jailbreak": _UNSEEN, **dict.fromkeys(("self_harm", "sexual", "violence"), _SAFE)}
_OF_ANSWER = {**_FOUR, "protected_material_code": _UNSEEN, "protected_material_text": _UNSEEN}
_DENIED = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an "
    "active subscription and use a correct regional API endpoint for your resource."
)
_NO_DEPLOYMENT = (
    "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, "
    "please wait a moment and try again."
)
_BUSY = (
    "Requests to the API have exceeded call rate limit of your current OpenAI S0 pricing tier. Please retry after "
    "{seconds:g} seconds. Please contact Azure support service if you would like to further increase the default rate "
    "limit."
)


class Azure:
    """`inner`, a dialect of OpenAI's, behind an Azure resource. The log calls it by the inner name."""

    def __init__(self, inner: Dialect) -> None:
        self._inner = inner
        self.name = inner.name

    def credential(self, incoming: Incoming) -> str | None:
        """From `api-key`, or a bearer token of Entra."""
        return incoming.headers.get("api-key") or bearer(incoming.headers)

    def authenticate(self, incoming: Incoming) -> None:
        """Check the credential. Raises `Refusal`."""
        credential = self.credential(incoming)
        if credential is None or rejected(credential):
            raise Refusal(401, _DENIED, code="401")

    def parse(self, incoming: Incoming) -> Parsed | Reply:
        """Check the request; the deployment in the path is the model. Raises `Refusal`."""
        return self._inner.parse(deployed(incoming))

    def headers(self, incoming: Incoming, parsed: Parsed) -> dict[str, str]:
        """The headers of a 200."""
        return {
            **self._inner.headers(incoming, parsed),
            "x-ms-region": "Sweden Central",
            "apim-request-id": _request_id(incoming),
        }

    def whole(self, parsed: Parsed, answers: Answers) -> bytes:
        """The answer with filter results."""
        body = msgspec.json.decode(self._inner.whole(parsed, answers))
        return msgspec.json.encode(_filtered(body))

    def frames(self, parsed: Parsed, answers: Answers) -> Iterator[Frame]:
        """The events with filter results; a chat begins with those of the prompt."""
        if self.name in ("chat", "completions"):
            yield Frame(_data({"choices": [], "created": 0, "id": "", "model": "", "object": "", **_prompt_results()}))
        for frame in self._inner.frames(parsed, answers):
            yield msgspec.structs.replace(frame, data=_refit(frame.data))

    def refuse(self, refusal: Refusal, incoming: Incoming) -> Reply:
        """Azure's own errors for keys, paths, deployments and limits; OpenAI's for what is wrong with a request."""
        reply = self._inner.refuse(_in_own_words(refusal), incoming)
        headers = {**reply.headers, "apim-request-id": _request_id(incoming)}
        if refusal.status not in (401, 404, 429) or refusal.param is not None:
            return Reply(reply.status, headers, reply.body)
        own = _in_own_words(refusal)
        return Reply(reply.status, headers, msgspec.json.encode({"error": {"code": own.code, "message": own.message}}))

    def canned(self, status: int) -> Refusal:
        """The usual words for a status."""
        usual = self._inner.canned(status)
        if status == 401:
            return Refusal(401, _DENIED, code="401")
        if status == 429:
            message = _BUSY.format(seconds=usual.retry_after or 0.0)
            return Refusal(429, message, code="429", retry_after=usual.retry_after)
        return usual

    def broken_frame(self, parsed: Parsed, kind: str) -> bytes:
        """The same as OpenAI's."""
        return self._inner.broken_frame(parsed, kind)


def deployed(incoming: Incoming) -> Incoming:
    """The request with the deployment of its path as the model of its body."""
    body = json_object(incoming.body) if incoming.model else None
    if body is None:
        return incoming
    return msgspec.structs.replace(incoming, body=msgspec.json.encode({**body, "model": incoming.model}))


def no_resource() -> Refusal:
    """What Azure says to a path that it doesn't know, or one without its version."""
    return Refusal(404, "Resource not found", code="404")


def _in_own_words(refusal: Refusal) -> Refusal:
    if refusal.code == "model_not_found" and refusal.status == 404:
        return Refusal(404, _NO_DEPLOYMENT, code="DeploymentNotFound")
    if refusal.status == 429:
        return Refusal(429, refusal.message, code="429", retry_after=refusal.retry_after)
    return refusal


def _prompt_results() -> dict[str, Any]:
    return {"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": _OF_PROMPT}]}


def _filtered(body: dict[str, Any]) -> dict[str, Any]:
    if body.get("object") == "response":
        return {**body, "content_filters": _filters(body)}
    if "choices" not in body:
        return body
    choices = [{**choice, "content_filter_results": _OF_ANSWER} for choice in body["choices"]]
    return {**body, "choices": choices, **_prompt_results()}


def _filters(response: dict[str, Any]) -> list[dict[str, Any]]:
    """In Responses there is one for the prompt, and with the last state one for the answer."""
    pairs = [("prompt", _OF_PROMPT)] + ([("completion", _OF_ANSWER)] if response.get("output") else [])
    return [
        {
            "blocked": False,
            "source_type": source,
            "content_filter_raw": [],
            "content_filter_results": results,
            "content_filter_offsets": {"start_offset": 0, "end_offset": 0, "check_offset": 0},
        }
        for source, results in pairs
    ]


def _refit(frame: bytes) -> bytes:
    """A frame with filter results put into its JSON."""
    head, found, raw = frame.partition(b"data: ")
    value = json_object(raw.strip()) if found else None
    if value is None:
        return frame
    if "response" in value:
        value["response"]["content_filters"] = _filters(value["response"])
    for choice in value.get("choices") or []:
        says = (choice.get("delta") or {}).get("content") or choice.get("text")
        choice["content_filter_results"] = _OF_ANSWER if says else {}
    return head + _data(value)


def _data(value: Any) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def _request_id(incoming: Incoming) -> str:
    digits = f"{incoming.serial:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
