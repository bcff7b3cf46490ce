"""Texts that stand in for what a provider has no place for, in one wording whatever the dialect."""

from __future__ import annotations

NO_RESULT = "[no result provided]"
"""The result of a call that the client left unanswered; every provider refuses a call without one."""


def orphan(call_id: str, text: str) -> str:
    """The result of a call that is not in the conversation, as text, because a result without its call is refused."""
    return f"[tool {call_id}] {text}".rstrip()


def system_note(text: str) -> str:
    """System text from the middle of a conversation, for a place in the user's turn."""
    return f"<system>{text}</system>"


def result_media(name: str) -> str:
    """What stands before the media of a tool's result, where these can't stand inside of it."""
    return f"[media of the result of {name}]"
