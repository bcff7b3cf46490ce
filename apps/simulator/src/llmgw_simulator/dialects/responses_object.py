"""OpenAI Responses, the answer: the response object and its output items."""

from __future__ import annotations

import hashlib
from typing import Any

from llmgw_simulator.ask import Answer, Answers, Part
from llmgw_simulator.dialects._checks import free_text
from llmgw_simulator.dialects._families import version
from llmgw_simulator.dialects.responses_request import Draft
from llmgw_simulator.dialects.responses_tools import echoed
from llmgw_simulator.opaque import token
from llmgw_simulator.sealed import seal
from llmgw_simulator.tokens import pieces

_EPOCH = 1_790_000_000
_BEGUN_SEAL = 64
_LOGPROB = -0.105
"""Every token has a chance of nine in ten."""

SERVER_ERROR = {
    "code": "server_error",
    "message": "The server had an error while processing your request. Sorry about that!",
}


def identify(prefix: str, digest: str, index: int = 0) -> str:
    """An id in the provider's form."""
    return f"{prefix}_{hashlib.sha256(f'{digest}/{prefix}/{index}'.encode()).hexdigest()[:50]}"


def status_of(answer: Answer) -> str:
    """`completed`, or `incomplete` at the token limit."""
    return "incomplete" if answer.finish == "length" else "completed"


def response_object(
    draft: Draft, answers: Answers, status: str, output: list[dict[str, Any]], *, error: dict[str, str] | None = None
) -> dict[str, Any]:
    """The response in one of its states; `output` and usage come with the last."""
    body, created = draft.body, _EPOCH + int(answers.id[:5], 16)
    done = status in ("completed", "incomplete", "failed")
    cut = status == "incomplete"
    return {
        "id": identify("resp", answers.id),
        "object": "response",
        "created_at": created,
        "status": status,
        "background": draft.background,
        "completed_at": created + 1 if status == "completed" else None,
        "error": error,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        **{name: body.get(name) for name in _REPEATED},
        "model": draft.owner.model,
        "frequency_penalty": 0.0,
        "metadata": body.get("metadata") or {},
        "output": output,
        "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
        "presence_penalty": 0.0,
        "reasoning": _reasoning(draft),
        "service_tier": _tier(body, done),
        "store": body.get("store") is not False,
        "temperature": 1.0 if body.get("temperature") is None else body["temperature"],
        "text": {"verbosity": "medium", **(body.get("text") or {}), "format": _format(body)},
        "tool_choice": "auto" if body.get("tool_choice") is None else body["tool_choice"],
        "tools": echoed(body.get("tools") or []),
        "top_logprobs": body.get("top_logprobs") or 0,
        "top_p": 1.0 if body.get("top_p") is None else body["top_p"],
        "truncation": body.get("truncation") or "disabled",
        "usage": usage_of(answers) if done and error is None else None,
    }


_REPEATED = (
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "moderation",
    "previous_response_id",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "user",
)


def output_items(draft: Draft, answers: Answers) -> list[dict[str, Any]]:
    """All output items in their last state."""
    answer = answers.choices[0]
    return [item_of(draft, answers.id, index, part) for index, part in enumerate(answer.parts)]


def item_of(draft: Draft, digest: str, index: int, part: Part) -> dict[str, Any]:
    """One output item in its last state."""
    if part.kind == "reasoning":
        return {
            "id": identify("rs", digest, index),
            "type": "reasoning",
            "content": [],
            "summary": [{"type": "summary_text", "text": text} for text in summaries(draft, part)],
            "encrypted_content": seal(draft.owner.credential, draft.owner.model, part.text + digest),
        }
    status = "incomplete" if part.cut else "completed"
    if part.kind == "text":
        return _message(draft, digest, index, part, status)
    return _call(draft, digest, index, part, status)


def begun(item: dict[str, Any]) -> dict[str, Any]:
    """An item as it is when it begins: without its content.

    Reasoning has encrypted content already, as the provider's has, which is another than at the end; sent back it is
    refused, so that it shows who takes the wrong one.
    """
    empty: dict[str, Any] = {"content": [], "summary": [], "arguments": "", "input": ""}
    opened = {name: empty.get(name, value) for name, value in item.items()}
    if "encrypted_content" in item:
        opened["encrypted_content"] = item["encrypted_content"][:_BEGUN_SEAL]
    return opened | ({"status": "in_progress"} if "status" in item else {})


def summaries(draft: Draft, part: Part) -> list[str]:
    """The parts of the summary: none unless asked for, one, or one for each sentence if `detailed`."""
    wanted = (draft.body.get("reasoning") or {}).get("summary")
    if wanted is None:
        return []
    sentences = part.text.replace(". ", ".\n").split("\n")
    return sentences if wanted == "detailed" else [part.text]


def content_of(draft: Draft, part: Part) -> dict[str, Any]:
    """The one content part of a message."""
    if draft.refuses:
        return {"type": "refusal", "refusal": part.text}
    return {"type": "output_text", "annotations": [], "logprobs": logprobs(draft, part.text), "text": part.text}


def logprobs(draft: Draft, text: str) -> list[dict[str, Any]]:
    """The likelihood of each token, if asked for."""
    if not draft.includes("message.output_text.logprobs"):
        return []
    most = draft.body.get("top_logprobs") or 0
    return [_logprob(piece, most) for piece in pieces(text)]


def call_text(draft: Draft, part: Part) -> str:
    """What a call's deltas add up to: arguments as JSON, or a custom tool's free text."""
    return free_text(part.text) if draft.offered[part.name].kind == "custom" else part.text


def usage_of(answers: Answers) -> dict[str, Any]:
    """The usage."""
    return {
        "input_tokens": answers.prompt_tokens,
        "input_tokens_details": {"cached_tokens": answers.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": answers.tokens,
        "output_tokens_details": {"reasoning_tokens": answers.reasoning_tokens},
        "total_tokens": answers.prompt_tokens + answers.tokens,
    }


def _logprob(piece: str, most: int) -> dict[str, Any]:
    one = {"token": piece, "logprob": _LOGPROB, "bytes": list(piece.encode())}
    return {**one, "top_logprobs": [one] if most else []}


def _message(draft: Draft, digest: str, index: int, part: Part, status: str) -> dict[str, Any]:
    message = {
        "id": identify("msg", digest, index),
        "type": "message",
        "status": status,
        "content": [content_of(draft, part)],
        "role": "assistant",
    }
    return message | ({"phase": "final_answer"} if version(draft.owner.model) >= (5, 4) else {})


def _call(draft: Draft, digest: str, index: int, part: Part, status: str) -> dict[str, Any]:
    tool = draft.offered[part.name]
    custom = tool.kind == "custom"
    call = {
        "id": identify("ctc" if custom else "fc", digest, index),
        "type": "custom_tool_call" if custom else "function_call",
        "status": status,
        "input" if custom else "arguments": call_text(draft, part),
        "call_id": f"call_{token(part.id, 24)}",
        "name": tool.name,
    }
    return call | ({"namespace": tool.namespace} if tool.namespace else {})


def _reasoning(draft: Draft) -> dict[str, Any]:
    asked = draft.body.get("reasoning") or {}
    return {"effort": draft.effort, "summary": asked.get("summary")}


def _tier(body: dict[str, Any], done: bool) -> str:
    tier = body.get("service_tier") or "auto"
    return "default" if done and tier == "auto" else tier


def _format(body: dict[str, Any]) -> dict[str, Any]:
    wanted: dict[str, Any] = (body.get("text") or {}).get("format") or {"type": "text"}
    if wanted["type"] != "json_schema":
        return wanted
    return {"description": None, "strict": False, **wanted}
