"""The four kinds of clients: what each sends in a turn, and how it reads the answer.

| kind | API | says which session it is by |
|---|---|---|
| `agent` | Anthropic Messages, streamed, with breakpoints as Claude Code sets them | `x-claude-code-session-id`, `metadata.user_id` |
| `keyed` | Chat Completions, streamed | `prompt_cache_key` |
| `plain` | Chat Completions, whole | nothing |
| `responses` | Responses, streamed, the whole history each time | nothing |

Tools are offered and not called (`tool_choice` is none), so that an answer is as long as the workload wants it.
"""  # noqa: E501

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from cache.workload import Plan, Session, Texts

CLAUDE, GPT = "claude-sonnet-4-5", "gpt-4.1"
_TOOL_TOKENS = 400


class Unfinished(Exception):
    """The answer is not whole: its text says what came instead."""


class Answer(NamedTuple):
    """What a model said; `tokens` is only known of an answer that came whole."""

    text: str
    tokens: int = 0


class Request(NamedTuple):
    """A POST. `read` makes the answer of a body, and raises `Unfinished`; `opening` is in the first event of a stream
    that says something.
    """

    path: str
    headers: dict[str, str]
    body: bytes
    read: Callable[[bytes], Answer]
    opening: bytes | None


def provider(session: Session) -> str:
    """Whose accounts serve it: `anthropic` or `openai`."""
    return "anthropic" if session.kind == "agent" else "openai"


class Conversation:
    """One session's side of it. `said` are the texts of the user and of the model in turn."""

    def __init__(self, plan: Plan, session: Session, texts: Texts) -> None:
        self.session = session
        self._texts = texts
        self._tenant = plan.tenants[session.tenant]
        self._system = texts.text(f"system of tenant {session.tenant}", self._tenant.system)
        self._said: list[str] = []

    @property
    def digest(self) -> str:
        """What the simulator's ledger calls it."""
        return hashlib.sha256(self._said[0].encode()).hexdigest()[:16]

    def ask(self, number: int) -> Request:
        """The request of the next turn."""
        turn = self.session.turns[number]
        self._said.append(self._texts.text(f"session {self.session.id}, turn {number}", turn.said))
        return _ASKS[self.session.kind](self, turn.wanted)

    def hear(self, text: str) -> None:
        """The answer of the turn has come."""
        self._said.append(text)

    def _tools(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Name, description and schema of each of the tenant's tools."""
        found = []
        for number in range(max(1, self._tenant.tools // _TOOL_TOKENS)):
            about = self._texts.text(f"tool {number} of tenant {self.session.tenant}", _TOOL_TOKENS)
            schema = {"type": "object", "properties": {"what": {"type": "string", "description": about}}}
            found.append((f"tool_{number}", f"Does {number}.", schema))
        return found

    def _messages(self, user: str, assistant: str) -> list[dict[str, Any]]:
        return [
            {"role": "assistant", "content": [{"type": assistant, "text": text}]}
            if at % 2
            else {"role": "user", "content": [{"type": user, "text": text}]}
            for at, text in enumerate(self._said)
        ]

    def agent(self, wanted: int) -> Request:
        messages = self._messages("text", "text")
        for message in messages[-1:] + messages[-3:-2]:
            message["content"][-1]["cache_control"] = {"type": "ephemeral"}
        name = str(uuid.UUID(hashlib.sha256(f"agent {self.session.id}".encode()).hexdigest()[:32]))
        user = {"device_id": f"device {self.session.tenant}", "account_uuid": "", "session_id": name}
        body = {
            "model": CLAUDE,
            "max_tokens": wanted,
            "stream": True,
            "metadata": {"user_id": msgspec.json.encode(user).decode()},
            "system": [{"type": "text", "text": self._system, "cache_control": {"type": "ephemeral"}}],
            "tools": [
                {"name": name, "description": about, "input_schema": schema} for name, about, schema in self._tools()
            ],
            "tool_choice": {"type": "none"},
            "messages": messages,
        }
        headers = {"anthropic-version": "2023-06-01", "x-claude-code-session-id": name}
        return Request("/v1/messages", headers, msgspec.json.encode(body), _read_messages, b"text_delta")

    def keyed(self, wanted: int) -> Request:
        stream = {"stream": True, "stream_options": {"include_usage": True}}
        return self._chat(wanted, {**stream, "prompt_cache_key": f"chat-{self.session.id}"}, _read_chat)

    def plain(self, wanted: int) -> Request:
        return self._chat(wanted, {}, _read_whole)._replace(opening=None)

    def _chat(self, wanted: int, more: dict[str, Any], read: Callable[[bytes], Answer]) -> Request:
        roles = ("user", "assistant")
        messages = [{"role": roles[at % 2], "content": text} for at, text in enumerate(self._said)]
        body = {
            "model": GPT,
            "max_completion_tokens": wanted,
            **more,
            "tools": [
                {"type": "function", "function": {"name": name, "description": about, "parameters": schema}}
                for name, about, schema in self._tools()
            ],
            "tool_choice": "none",
            "messages": [{"role": "system", "content": self._system}, *messages],
        }
        return Request("/v1/chat/completions", {}, msgspec.json.encode(body), read, b'"content":"')

    def responses(self, wanted: int) -> Request:
        body = {
            "model": GPT,
            "max_output_tokens": wanted,
            "stream": True,
            "store": False,
            "instructions": self._system,
            "tools": [
                {"type": "function", "name": name, "description": about, "parameters": schema, "strict": False}
                for name, about, schema in self._tools()
            ],
            "tool_choice": "none",
            "input": self._messages("input_text", "output_text"),
        }
        return Request("/v1/responses", {}, msgspec.json.encode(body), _read_responses, b"output_text.delta")


_ASKS = {
    "agent": Conversation.agent,
    "keyed": Conversation.keyed,
    "plain": Conversation.plain,
    "responses": Conversation.responses,
}


def _events(body: bytes) -> list[dict[str, Any]]:
    lines = (line[5:].strip() for line in body.splitlines() if line.startswith(b"data:"))
    return [msgspec.json.decode(line) for line in lines if line != b"[DONE]"]


def _read_messages(body: bytes) -> Answer:
    events = _events(body)
    if not events or events[-1].get("type") != "message_stop":
        raise Unfinished(_shown(body))
    deltas = (event["delta"] for event in events if event["type"] == "content_block_delta")
    return Answer("".join(delta.get("text", "") for delta in deltas))


def _read_chat(body: bytes) -> Answer:
    events = _events(body)
    choices = [choice for event in events for choice in event.get("choices") or ()]
    if not any(choice.get("finish_reason") in ("stop", "length") for choice in choices) or b"[DONE]" not in body:
        raise Unfinished(_shown(body))
    return Answer("".join(choice["delta"].get("content") or "" for choice in choices))


def _read_responses(body: bytes) -> Answer:
    events = _events(body)
    if not events or events[-1].get("type") not in ("response.completed", "response.incomplete"):
        raise Unfinished(_shown(body))
    return Answer("".join(event["delta"] for event in events if event["type"] == "response.output_text.delta"))


def _read_whole(body: bytes) -> Answer:
    answer = msgspec.json.decode(body)
    choice = answer["choices"][0]
    if choice["finish_reason"] not in ("stop", "length"):
        raise Unfinished(_shown(body))
    return Answer(str(choice["message"]["content"]), answer["usage"]["completion_tokens"])


def _shown(body: bytes) -> str:
    return body[-300:].decode("utf-8", "replace")
