"""The texts of keys and tokens: 200 random bits behind a prefix that says what they are. What is kept is their SHA-256.

So much chance needs no slow hash: nobody finds a text by trying. Base32, because it is the same in either case and has
no letters that look like digits.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from llmgw_domain import ClientKey

KEY_PREFIX = "gw-"
TOKEN_PREFIX = "gwa-"  # noqa: S105 - says what a token is, and is none

_BYTES = 25

Rand = Callable[[int], bytes]
"""That many bytes, from a source fit for secrets."""


def new_text(prefix: str, rand: Rand) -> str:
    return prefix + base64.b32encode(rand(_BYTES)).decode().lower()


def new_id(kind: str, rand: Rand) -> str:
    """A name for a record that was given none."""
    return f"{kind}-{base64.b32encode(rand(5)).decode().lower()}"


def hash_of(text: str) -> str:
    """As records hold it: `sha256:` and 64 hex digits."""
    return f"sha256:{ClientKey.digest_of(text).hex()}"
