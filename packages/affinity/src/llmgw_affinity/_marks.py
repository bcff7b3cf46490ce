"""Marks that clients put into a prompt for the cache's sake: found and taken out of raw JSON, without parsing it.

They move from turn to turn (the last message is marked, which is another one each time) while the prompt stays what it
was. A mark is a member `"cache_control": {...}` or `"prompt_cache_breakpoint": {...}`. Its name can't be mistaken:
inside a JSON string its quotes would be escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_NAMES = (b'"cache_control"', b'"prompt_cache_breakpoint"')
_VALUE = re.compile(rb"\s*:\s*(\{[^{}]*\}|null)")
_COMMA = re.compile(rb"\s*, ?")
_MOST = 256
"""Marks that are taken out of one value. Providers take four; a body of nothing else must not cost more than
reading."""


def _marks(raw: bytes) -> Iterator[tuple[int, int]]:
    """Where each mark of a raw JSON value starts and ends."""
    for name in _NAMES:
        at = len(raw)
        for _ in range(_MOST):
            # From the end: that is more than twice as fast as from the beginning.
            at = raw.rfind(name, 0, at)
            if at < 0:
                break
            if found := _VALUE.match(raw, at + len(name)):
                yield at, found.end()


def last_mark(raw: bytes) -> bytes | None:
    """The value of the mark that stands last, which covers the most of the prompt."""
    at, length = max((raw.rfind(name), len(name)) for name in _NAMES)
    found = _VALUE.match(raw, at + length) if at >= 0 else None
    return found[1] if found else None


def unmarked(raw: bytes) -> bytes:
    """The same without its marks, each with one of the commas next to it."""
    kept: list[bytes] = []
    at = 0
    for start, end in sorted(_marks(raw)):
        before = raw[at:start].rstrip()
        if before.endswith(b","):
            before = before[:-1]
        elif comma := _COMMA.match(raw, end):
            end = comma.end()
        kept.append(before)
        at = end
    kept.append(raw[at:])
    return b"".join(kept) if at else raw
