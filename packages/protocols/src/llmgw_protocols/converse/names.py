"""Tool names as Converse takes them: letters, digits, `_` and `-`, at most 64.

Another name gets an alias that is made of it alone, so that it is the same in every request of a conversation; what it
stands for is kept, because the model answers with the alias.
"""

from __future__ import annotations

import hashlib
import re

_LEGAL = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")
_HEAD, _DIGEST = 51, 12


class Names:
    """The names of one request; `aliases` maps each alias that was given to the client's name."""

    def __init__(self) -> None:
        self.aliases: dict[str, str] = {}

    def legal(self, name: str) -> str:
        """The name itself if it is legal, else its alias."""
        if _LEGAL.fullmatch(name):
            return name
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
        alias = f"{_ILLEGAL.sub('_', name)[:_HEAD]}_{digest}"
        self.aliases[alias] = name
        return alias
