"""`/v1/batches`: the requests of an uploaded file, carried out when somebody looks.

A batch is `completed` at the first look. Its metadata may say otherwise, in `simulate`: `polls=3` for three looks at
one `in_progress`, `status=expired` (or `failed`) for another end, or both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from llmgw_simulator.blobs import Blob
from llmgw_simulator.dialects._checks import json_object
from llmgw_simulator.dialects._rules import NEEDED_TEXT, OBJECT, Rule, check, json_body
from llmgw_simulator.opaque import token
from llmgw_simulator.openai.files import Files
from llmgw_simulator.openai.page import as_json, page_of
from llmgw_simulator.wire import Incoming, Product, Refusal, Reply

CarryOut = Callable[[str, bytes, str], Reply]
"""Answers a POST: path, body, owner."""

ENDPOINTS = (
    "/v1/responses",
    "/v1/chat/completions",
    "/v1/embeddings",
    "/v1/completions",
    "/v1/moderations",
    "/v1/images/generations",
)
_RULES = {
    "input_file_id": NEEDED_TEXT,
    "endpoint": Rule("string", ENDPOINTS, required=True),
    "completion_window": Rule("string", ("24h",), required=True),
    "metadata": OBJECT,
    "output_expires_after": OBJECT,
}
_DAY = 24 * 3600
_TIMES = (
    "in_progress_at",
    "finalizing_at",
    "completed_at",
    "failed_at",
    "expired_at",
    "cancelling_at",
    "cancelled_at",
)


class _Batch(msgspec.Struct):
    shown: dict[str, Any]
    polls: int
    end: str


class Batches:
    """The batches of all credentials."""

    def __init__(self, files: Files, carry_out: CarryOut) -> None:
        self._files = files
        self._carry_out = carry_out
        self._batches: dict[str, dict[str, _Batch]] = {}
        self._serial = 0

    def __repr__(self) -> str:
        return f"<Batches {sum(len(own) for own in self._batches.values())} batches>"

    def create(self, incoming: Incoming) -> Product:
        """Begin one."""
        body = json_body(incoming.body)
        check(body, _RULES)
        self._files.get(incoming.owner, body["input_file_id"])
        self._serial += 1
        key = f"{incoming.owner}/{self._serial}/{body['input_file_id']}"
        batch_id = f"batch_{token(key, 32).lower()}"
        now = int(incoming.now)
        shown = {
            "id": batch_id,
            "object": "batch",
            "endpoint": body["endpoint"],
            "model": None,
            "errors": None,
            "input_file_id": body["input_file_id"],
            "completion_window": body["completion_window"],
            "status": "validating",
            "output_file_id": None,
            "error_file_id": None,
            "created_at": now,
            "expires_at": now + _DAY,
            **dict.fromkeys(_TIMES),
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
            "usage": {
                "input_tokens": 0,
                "output_tokens": 0,
                "total_tokens": 0,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens_details": {"reasoning_tokens": 0},
            },
            "metadata": body.get("metadata"),
        }
        polls, end = _wishes((body.get("metadata") or {}).get("simulate"))
        self._batches.setdefault(incoming.owner, {})[batch_id] = _Batch(shown, polls, end)
        return as_json(shown)

    def list(self, incoming: Incoming) -> Product:
        """The batches of the owner, newest first."""
        own = self._batches.get(incoming.owner, {}).values()
        return as_json(page_of([batch.shown for batch in own], incoming.query, 20, 100))

    def retrieve(self, incoming: Incoming, batch_id: str) -> Product:
        """Look at one, which makes it go on."""
        batch = self._get(incoming.owner, batch_id)
        self._go_on(batch, incoming)
        return as_json(batch.shown)

    def cancel(self, incoming: Incoming, batch_id: str) -> Product:
        """Cancel one that has not ended: `cancelling` now, `cancelled` at the next look."""
        batch = self._get(incoming.owner, batch_id)
        if batch.shown["status"] not in ("validating", "in_progress", "finalizing"):
            raise Refusal(409, f"Cannot cancel a batch with status '{batch.shown['status']}'.")
        _enter(batch, "cancelling", incoming)
        return as_json(batch.shown)

    def _get(self, owner: str, batch_id: str) -> _Batch:
        found = self._batches.get(owner, {}).get(batch_id)
        if found is None:
            raise Refusal(404, f"No batch found with id '{batch_id}'.")
        return found

    def _go_on(self, batch: _Batch, incoming: Incoming) -> None:
        status = batch.shown["status"]
        if status == "cancelling":
            _enter(batch, "cancelled", incoming)
        if status not in ("validating", "in_progress"):
            return
        if status == "validating":
            errors = list(self._problems(batch, incoming.owner))
            if errors:
                batch.shown["errors"] = {"object": "list", "data": errors}
                _enter(batch, "failed", incoming)
                return
            _enter(batch, "in_progress", incoming)
        if batch.polls > 0:
            batch.polls -= 1
        elif batch.end == "completed":
            self._complete(batch, incoming)
        else:
            _enter(batch, batch.end, incoming)

    def _problems(self, batch: _Batch, owner: str) -> Iterator[dict[str, Any]]:
        """What is wrong with the input file; counts its lines."""
        seen: set[Any] = set()
        number = 0
        for number, line in enumerate(self._lines(batch, owner), 1):
            request = json_object(line)
            wrong = _wrong(request, batch.shown["endpoint"], seen)
            if wrong is not None:
                yield {"code": wrong[0], "message": wrong[1], "param": None, "line": number}
            elif batch.shown["model"] is None and request is not None:
                batch.shown["model"] = request["body"].get("model")
        batch.shown["request_counts"]["total"] = number
        if number == 0:
            yield {"code": "empty_file", "message": "The batch input file is empty.", "param": None, "line": None}

    def _complete(self, batch: _Batch, incoming: Incoming) -> None:
        """Carry out every request, and write what came of it into files."""
        good, bad = Blob(), Blob()
        counts = batch.shown["request_counts"]
        for line in self._lines(batch, incoming.owner):
            request = json_object(line) or {}
            reply = self._carry_out(request["url"], msgspec.json.encode(request["body"]), incoming.owner)
            served = reply.status < 400
            (good if served else bad).append(_outcome(batch, request, reply, counts) + b"\n")
            counts["completed" if served else "failed"] += 1
            _add_usage(batch.shown["usage"], reply.body)
        for blob, name in ((good, "output"), (bad, "error")):
            if blob.size:
                filename = f"{batch.shown['id']}_{name}.jsonl"
                file_id = self._files.add(incoming.owner, filename, "batch_output", blob, incoming.now, None)
                batch.shown[f"{name}_file_id"] = file_id
        _enter(batch, "finalizing", incoming)
        _enter(batch, "completed", incoming)

    def _lines(self, batch: _Batch, owner: str) -> Iterator[bytes]:
        return self._files.get(owner, batch.shown["input_file_id"]).blob.lines()


def _enter(batch: _Batch, status: str, incoming: Incoming) -> None:
    batch.shown["status"] = status
    batch.shown[f"{status}_at"] = int(incoming.now)


def _wishes(text: Any) -> tuple[int, str]:
    """Looks until the end, and the end."""
    pairs = dict(pair.partition("=")[::2] for pair in str(text or "").split(","))
    polls = pairs.get("polls", "")
    end = pairs.get("status", "")
    return int(polls) if polls.isdigit() else 0, end if end in ("failed", "expired") else "completed"


def _wrong(request: dict[str, Any] | None, endpoint: str, seen: set[Any]) -> tuple[str, str] | None:
    if request is None:
        return "invalid_json_line", "This line is not parseable as valid JSON."
    for name, kind in (("custom_id", str), ("method", str), ("url", str), ("body", dict)):
        if not isinstance(request.get(name), kind):
            return "missing_required_parameter", f"Missing required parameter: '{name}'."
    if request["url"] != endpoint:
        return "mismatched_url", "The URL provided for this request does not match the batch endpoint."
    if request["custom_id"] in seen:
        return "duplicate_custom_id", "The custom_id for this request is a duplicate of another request."
    seen.add(request["custom_id"])
    return None


def _add_usage(total: dict[str, Any], body: bytes) -> None:
    """Count what an answer cost, whichever names its endpoint has for it."""
    usage = (json_object(body) or {}).get("usage") or {}
    asked = usage.get("input_tokens", usage.get("prompt_tokens", 0))
    said = usage.get("output_tokens", usage.get("completion_tokens", 0))
    details = usage.get("output_tokens_details", usage.get("completion_tokens_details")) or {}
    total["input_tokens"] += asked
    total["output_tokens"] += said
    total["total_tokens"] += asked + said
    total["output_tokens_details"]["reasoning_tokens"] += details.get("reasoning_tokens", 0)


def _outcome(batch: _Batch, request: dict[str, Any], reply: Reply, counts: dict[str, int]) -> bytes:
    key = f"{batch.shown['id']}/{counts['completed'] + counts['failed']}"
    response = {
        "status_code": reply.status,
        "request_id": f"req_{token(key, 32).lower()}",
        "body": msgspec.Raw(reply.body),
    }
    line = {
        "id": f"batch_req_{token(key, 32).lower()}",
        "custom_id": request["custom_id"],
        "response": response,
        "error": None,
    }
    return msgspec.json.encode(line)
