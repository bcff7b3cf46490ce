"""What a client itself says of the session that a call belongs to.

Each carrier is a header or a field that keeps one value over a conversation and has another one in the next. They are
looked at from the most explicit to the least: what was made for gateways, then what agents send of their own accord,
then what was made for the provider. Measured in real clients; what looks like a carrier and is none is left out:
`x-client-request-id` and `turn_id` change with each call, `user`, `safety_identifier` and the `device_id` of Claude
Code name a person or a machine, whose conversations would all land on one account.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

Form = Literal["chat", "responses", "messages", "gemini", "completions"]
"""The shape of a call's body: whose API the client speaks."""

_LONGEST = 256
_LARGEST = 65_536
"""Bytes of a field that is looked into. A longer one names nothing."""


class Carried(msgspec.Struct, frozen=True):
    """A session's name, as a client gave it, and the header or field that it stood in.

    `value` has at most 256 characters: a longer one is its SHA-256.
    """

    carrier: str
    value: str

    @property
    def shared(self) -> bool:
        """Whether applications are known to give several conversations this one name: a cache key may stand for a kind
        of prompt. Such a name is trusted only while it is no crowd (`Crowd`)."""
        return self.carrier == "prompt_cache_key"


def carried(form: Form, headers: Mapping[str, str], fields: Mapping[str, msgspec.Raw]) -> Carried | None:
    """The first carrier that says something; None where the client names no session.

    `headers` are by lower-case name, `fields` the body's top level. Never raises: what has another shape than expected
    says nothing.
    """
    for name in _HEADERS:
        if value := _bounded(headers.get(name)):
            return Carried(name, value)
    for name, field, read in _FIELDS[form]:
        if field in fields and (value := _bounded(_read(read, fields[field]))):
            return Carried(name, value)
    return None


_HEADERS = (
    "x-session-id",  # the gateway's own; opencode
    "x-claude-code-session-id",  # Claude Code
    "session-id",  # Codex
    "session_id",  # Codex, before 2026
    "thread-id",  # Codex
    "x-session-affinity",  # opencode
    "x-litellm-session-id",  # applications that were written for LiteLLM,
    "x-bf-session-id",  # Bifrost,
    "x-merge-thread-id",  # and Merge
)


class _Metadata(msgspec.Struct):
    user_id: msgspec.Raw = msgspec.Raw(b"null")
    session_id: msgspec.Raw = msgspec.Raw(b"null")


class _Session(msgspec.Struct):
    session_id: str = ""


class _Identified(msgspec.Struct):
    id: str = ""


_text = msgspec.json.Decoder(str).decode
_metadata = msgspec.json.Decoder(_Metadata).decode
_session = msgspec.json.Decoder(_Session).decode
_conversation = msgspec.json.Decoder(str | _Identified).decode

_IN_USER_ID = re.compile(r"session_([0-9a-f-]{36})")
"""Claude Code until 2.1 wrote `user_<device>_account_<uuid>_session_<uuid>`."""


def _read(read: Callable[[msgspec.Raw], str], field: msgspec.Raw) -> str:
    if len(memoryview(field)) > _LARGEST:
        return ""
    try:
        return read(field)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""


def _of_user_id(field: msgspec.Raw) -> str:
    """The session in `metadata.user_id`, which is a JSON object in a string in Claude Code."""
    user_id = _text(_metadata(field).user_id)
    if user_id.lstrip().startswith("{"):
        return _session(user_id).session_id
    found = _IN_USER_ID.search(user_id)
    return found[1] if found else ""


def _of_metadata(field: msgspec.Raw) -> str:
    return _text(_metadata(field).session_id)


def _of_session(field: msgspec.Raw) -> str:
    return _session(field).session_id


def _of_conversation(field: msgspec.Raw) -> str:
    named = _conversation(field)
    return named if isinstance(named, str) else named.id


_Field = tuple[str, str, Callable[[msgspec.Raw], str]]

_ANY: tuple[_Field, ...] = (
    ("session_id", "session_id", _text),
    ("metadata.session_id", "metadata", _of_metadata),
    ("litellm_metadata.session_id", "litellm_metadata", _of_metadata),
    ("prompt_cache_key", "prompt_cache_key", _text),
)
_FIELDS: dict[Form, tuple[_Field, ...]] = {
    "chat": (("metadata.user_id", "metadata", _of_user_id), *_ANY),
    "completions": _ANY,
    "messages": (("metadata.user_id", "metadata", _of_user_id), *_ANY),
    "responses": (
        ("client_metadata.session_id", "client_metadata", _of_session),
        *_ANY,
        ("previous_response_id", "previous_response_id", _text),
        ("conversation", "conversation", _of_conversation),
    ),
    "gemini": _ANY,
}


def _bounded(value: str | None) -> str:
    value = value.strip() if value else ""
    if len(value) <= _LONGEST:
        return value
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
