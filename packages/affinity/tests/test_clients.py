"""What real clients send, turn by turn: each conversation keeps one key, and no two share one.

The bodies are written after what the clients were seen to send: the same carriers, the same things that change from
call to call.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llmgw_affinity import SessionKeys, carried, fingerprint
from llmgw_affinity.carriers import Carried, Form

KEYS = SessionKeys(b"secret")
Call = tuple[Form, dict[str, str], dict[str, Any]]
Client = Callable[[str, int], Call]
"""A client's call: of which conversation (by a word of its first message), and which turn of it."""


def key_of(call: Call, tenant: str = "t") -> str | None:
    form, headers, body = call
    fields = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in body.items()}
    model = str(body.get("model", "gemini"))
    named = carried(form, headers, fields) or fingerprint(form, model, fields)
    return KEYS.session(tenant, model, named)


def spoken(first: str, turn: int, model: str = "assistant") -> list[dict[str, Any]]:
    turns = [{"role": "user", "content": first}]
    for place in range(turn):
        turns += [{"role": model, "content": f"Answer {place}."}, {"role": "user", "content": f"Question {place}?"}]
    return turns


TOOL = {"type": "function", "function": {"name": "ls", "parameters": {"type": "object"}}}
MARK = {"type": "ephemeral"}


def sdk_chat(first: str, turn: int) -> Call:
    """openai, langchain, pydantic-ai, instructor, llm, AI SDK's .chat: nothing names the session."""
    messages = [{"role": "system", "content": "You are terse."}, *spoken(first, turn)]
    headers = {"user-agent": "OpenAI/Python 3.54.0", "x-stainless-retry-count": str(turn)}
    return "chat", headers, {"model": "gpt", "messages": messages, "stream": bool(turn % 2)}


def sdk_responses(first: str, turn: int) -> Call:
    """openai-agents and AI SDK: the whole history each turn."""
    items: list[dict[str, Any]] = [{"role": "user", "content": first}]
    for place in range(turn):
        items += [
            {"type": "reasoning", "encrypted_content": f"e{place}", "summary": []},
            {"type": "function_call", "call_id": f"c{place}", "name": "ls", "arguments": "{}"},
            {"type": "function_call_output", "call_id": f"c{place}", "output": "[]"},
        ]
    headers = {"user-agent": "Agents/Python 0.24.0"}
    return "responses", headers, {"model": "gpt", "instructions": "You are terse.", "input": items, "tools": [TOOL]}


def one_text_responses(first: str, turn: int) -> Call:
    """A first turn as a text, with a cache key of the application's."""
    items = first if not turn else spoken(first, turn)
    return "responses", {}, {"model": "gpt", "input": items, "prompt_cache_key": f"app-{first}"}


def sdk_messages(first: str, turn: int) -> Call:
    """anthropic, langchain-anthropic: the last message is marked, so its text is a list of one block."""
    messages = spoken(first, turn)
    messages[-1] = {
        "role": "user",
        "content": [{"type": "text", "text": messages[-1]["content"], "cache_control": MARK}],
    }
    system = [{"type": "text", "text": "You are terse.", "cache_control": MARK}]
    return "messages", {"anthropic-version": "2026-10-21"}, {"model": "claude", "system": system, "messages": messages}


def google_genai(first: str, turn: int) -> Call:
    """google-genai and @google/genai: parts in place of content."""
    contents = [{"role": t["role"], "parts": [{"text": t["content"]}]} for t in spoken(first, turn, "model")]
    body = {"contents": contents, "systemInstruction": {"parts": [{"text": "You are terse."}]}}
    return "gemini", {"user-agent": "google-genai-sdk/3.4.0 gl-python/3.11"}, body


def gemini_cli(first: str, turn: int) -> Call:
    """The first message holds date and directory; thought signatures come back."""
    contents: list[dict[str, Any]] = [{"role": "user", "parts": [{"text": "The date is today."}, {"text": first}]}]
    for place in range(turn):
        call = {"functionCall": {"name": "ls", "args": {}, "id": f"{place}"}, "thoughtSignature": "c2ln"}
        answer = {"functionResponse": {"name": "ls", "id": f"{place}", "response": {}}}
        contents += [{"role": "model", "parts": [call]}, {"role": "user", "parts": [answer]}]
    body = {
        "contents": contents,
        "systemInstruction": {"role": "user", "parts": [{"text": "You are an agent."}]},
        "tools": [{"functionDeclarations": [{"name": "ls"}]}],
    }
    return "gemini", {"user-agent": "GeminiCLI-tui/0.61.0/gemini (linux)"}, body


def litellm_gemini(first: str, turn: int) -> Call:
    """Snake case, and the first turn without a role."""
    form, headers, body = google_genai(first, turn)
    del body["contents"][0]["role"]
    return form, headers, {"contents": body["contents"], "system_instruction": body["systemInstruction"]}


def claude_code(first: str, turn: int) -> Call:
    """A header and a JSON text in metadata; without them its content, where version and marks change."""
    headers = {"x-claude-code-session-id": f"id-{first}", "anthropic-beta": "claude-code-20250219"}
    form, more, body = claude_code_unnamed(first, turn)
    user_id = msgspec.json.encode({"device_id": "d", "account_uuid": "", "session_id": f"id-{first}"}).decode()
    return form, {**headers, **more}, {**body, "metadata": {"user_id": user_id}}


def claude_code_body_only(first: str, turn: int) -> Call:
    """Behind a proxy that drops headers which it does not know."""
    form, _, body = claude_code(first, turn)
    return form, {}, body


def claude_code_unnamed(first: str, turn: int) -> Call:
    version = f"x-anthropic-billing-header: cc_version=2.1.197.{turn:03x}; cc_entrypoint=sdk-cli; cch={turn:05d};"
    blocks = [{"type": "text", "text": "<system-reminder>Be good.</system-reminder>"}, {"type": "text", "text": first}]
    messages: list[dict[str, Any]] = [{"role": "user", "content": blocks}]
    for place in range(turn):
        messages += [
            {"role": "assistant", "content": [{"type": "tool_use", "id": f"t{place}", "name": "ls", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": f"t{place}", "content": "[]"}]},
            {"role": "system", "content": "<system-reminder>Go on.</system-reminder>"},
        ]
    last = next(m for m in reversed(messages) if m["role"] == "user")
    last["content"][-1] = {**last["content"][-1], "cache_control": {**MARK, "ttl": "1h"}}
    system = [
        {"type": "text", "text": version},
        {"type": "text", "text": "You are an agent.", "cache_control": MARK},
        {"type": "text", "text": "git status: clean", "cache_control": MARK},
    ]
    tools = [{"name": f"tool{i}", "input_schema": {"type": "object"}} for i in range(24)]
    return "messages", {}, {"model": "claude", "system": system, "messages": messages, "tools": tools}


def codex(first: str, turn: int) -> Call:
    """A header, a cache key, and client metadata whose keys come in another order each call."""
    thread = f"thread-{first}"
    metadata = [("turn_id", f"{turn}"), ("session_id", thread), ("installation_id", "i")]
    headers = {
        "session-id": thread,
        "thread-id": thread,
        "x-client-request-id": thread,
        "x-codex-window-id": f"{thread}:{turn}",
        "x-codex-turn-metadata": f"{turn}",
    }
    items = [{"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be good."}]}]
    items += [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": first}]}] * (turn + 1)
    body = {
        "model": "gpt",
        "input": items,
        "store": False,
        "prompt_cache_key": thread,
        "client_metadata": dict(metadata[turn % 3 :] + metadata[: turn % 3]),
    }
    return "responses", headers, body


def codex_body_only(first: str, turn: int) -> Call:
    form, _, body = codex(first, turn)
    return form, {}, body


def opencode(first: str, turn: int) -> Call:
    """Two headers; a parallel call for the title has another prompt and the same headers."""
    headers = {"x-session-affinity": f"ses_{first}", "x-session-id": f"ses_{first}"}
    system = "You are an agent." if turn else "Write a title."
    messages = [{"role": "system", "content": system}, *spoken(first, turn)]
    return "chat", headers, {"model": "gpt", "messages": messages, **({"tools": [TOOL]} if turn else {})}


def aider(first: str, turn: int) -> Call:
    """Examples as turns of the system prompt; marks that make lists of texts."""
    messages = [{"role": "system", "content": [{"type": "text", "text": "Edit files.", "cache_control": MARK}]}]
    messages += spoken(first, turn)
    spot = messages[-1]
    spot["content"] = [{"type": "text", "text": spot["content"], "cache_control": MARK}]
    return "chat", {"user-agent": "OpenAI/Python 2.20.0"}, {"model": "gpt", "messages": messages}


CLIENTS: list[Client] = [
    sdk_chat, sdk_responses, one_text_responses, sdk_messages, google_genai, gemini_cli, litellm_gemini, claude_code,
    claude_code_body_only, claude_code_unnamed, codex, codex_body_only, opencode, aider,
]  # fmt: skip


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
def test_a_conversation_keeps_its_key(client: Client) -> None:
    """Over its turns, whatever changes in them."""
    keys = {key_of(client("one", turn)) for turn in range(6)}
    assert 1 == len(keys)
    assert None not in keys


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
def test_conversations_tenants_and_models_have_keys_of_their_own(client: Client) -> None:
    """Two conversations of one client differ in their first message, or in what names them."""
    other_model = copy.deepcopy(client("one", 1))
    other_model[2]["model"] = "another"
    calls = [key_of(client("one", 1)), key_of(client("two", 1)), key_of(client("one", 1), "u"), key_of(other_model)]
    assert 4 == len(set(calls))


@pytest.mark.parametrize(
    ("client", "carrier"),
    [
        (claude_code, "x-claude-code-session-id"),
        (claude_code_body_only, "metadata.user_id"),
        (codex, "session-id"),
        (codex_body_only, "client_metadata.session_id"),
        (opencode, "x-session-id"),
        (one_text_responses, "prompt_cache_key"),
        (sdk_chat, None),
        (claude_code_unnamed, None),
        (gemini_cli, None),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_the_carrier_of_each_client(client: Client, carrier: str | None) -> None:
    """What is read is what the client keeps constant."""
    form, headers, body = client("one", 0)
    found = carried(form, headers, {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in body.items()})
    assert carrier == (found.carrier if isinstance(found, Carried) else None)


def test_one_session_has_one_key_by_any_of_its_carriers() -> None:
    """A proxy on the way may drop a header; what is left says the same."""
    assert key_of(claude_code("one", 0)) == key_of(claude_code_body_only("one", 3))
    assert key_of(codex("one", 0)) == key_of(codex_body_only("one", 3))


# --- recorded traffic -------------------------------------------------------------------------------------------------

RECORDINGS = Path(__file__).resolve().parents[4] / "shared" / "recordings"
FOLDERS: dict[str, Form] = {
    "openai/chat_completions": "chat",
    "openrouter/chat_completions": "chat",
    "groq/chat_completions": "chat",
    "openai/responses": "responses",
    "xai/responses": "responses",
    "anthropic/messages": "messages",
    "google/generateContent": "gemini",
    "google/streamGenerateContent": "gemini",
    "openai/completions": "completions",
}
ANSWER: dict[Form, tuple[str, dict[str, Any]]] = {
    "chat": ("messages", {"role": "assistant", "content": "Well."}),
    "responses": ("input", {"type": "message", "role": "assistant", "content": "Well."}),
    "messages": ("messages", {"role": "assistant", "content": "Well."}),
    "gemini": ("contents", {"role": "model", "parts": [{"text": "Well."}]}),
}


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not beside the tree")
@pytest.mark.parametrize("folder", FOLDERS)
def test_recorded_requests_keep_their_keys_when_they_go_on(folder: str) -> None:
    """Every recorded body, and the same with an answer and a question more."""
    form = FOLDERS[folder]
    bodies = [
        body
        for path in sorted((RECORDINGS / folder).glob("*.json"))
        if isinstance(body := msgspec.json.decode(path.read_bytes())["request"]["body"], dict)
    ]
    assert bodies
    for body in bodies:
        key = key_of((form, {}, body))
        field, answer = ANSWER.get(form, ("", {}))
        if has_user(form, body.get(field)):
            question = {"role": "user", "content": "And?", "parts": [{"text": "And?"}]}
            assert key is not None
            assert key == key_of((form, {}, {**body, field: [*body[field], answer, question]}))


def has_user(form: Form, turns: object) -> bool:
    unsaid = "user" if form == "gemini" else ""
    return isinstance(turns, list) and any(isinstance(t, dict) and t.get("role", unsaid) == "user" for t in turns)
