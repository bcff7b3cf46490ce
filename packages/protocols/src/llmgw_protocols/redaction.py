"""Taking credentials out of a provider's words before a client sees them: providers quote the key that they refuse."""

from __future__ import annotations

import re

_SECRET = re.compile(r"\b(?:(?:sk|gsk|xai|pk|org|proj)[-_][A-Za-z0-9_*-]{8,}|AIza[A-Za-z0-9_-]{20,})")
_HIDDEN = "[hidden]"


def hide_secrets(text: str) -> str:
    """The text without what looks like a key or the id of an organisation or project."""
    return _SECRET.sub(_HIDDEN, text)


def holds_secret(body: bytes) -> bool:
    """Whether a body may not go to a client as it is."""
    return _SECRET.search(body.decode("utf-8", "replace")) is not None
