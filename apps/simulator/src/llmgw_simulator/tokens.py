"""A tokeniser that is deterministic and quick, and whose counts are of a plausible size.

Output is cut into pieces of up to five characters that keep the space before a word; input is only counted, at four
characters a token, because prompts are long and nobody sees their pieces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_PIECE = re.compile(r"\s?\S{1,5}|\s+")


def pieces(text: str) -> list[str]:
    """`text` cut into tokens; joined they are `text` again."""
    return _PIECE.findall(text)


def bursts(text: str, most: int) -> Iterator[tuple[str, int]]:
    """`text` cut into what an event holds of it, up to `most` tokens, with their number."""
    words = pieces(text)
    for start in range(0, len(words), most):
        some = words[start : start + most]
        yield "".join(some), len(some)


def count(text: str) -> int:
    """Input tokens of `text`."""
    return (len(text) + 3) // 4
