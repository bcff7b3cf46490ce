"""The one place where credentials are taken out of what is logged.

It works on texts, whatever field they stand in, by the shapes that credentials have, and on fields by their names. It
is the last line: nothing should log a credential in the first place. A wrongly masked word costs little.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

MASK = "***"

_SHAPES = re.compile(
    r"""
      (?P<scheme> \b (?i:bearer|basic) \s+ ) [A-Za-z0-9._~+/=-]{6,}
    | (?P<field> (?i: api[-_]?key | \b(?:authorization|password|passwd|secret|access_token|client_secret) | [?&]key )
        ["']? \s* [:=] \s* ["']? ) (?! (?i:bearer|basic)\b | \*\*\* ) [^\s"'&,;]+
    | (?P<user> :// [^\s/:@]* : ) [^\s/@]+ (?=@)
    | (?P<short> \b (?:sk|pk|rk)[-_] ) [A-Za-z0-9_-]{8,}
    | (?P<long> \b (?: (?:gw|xai|pplx|nvapi|glpat)- | (?:gw|gsk|hf|r8|gh[oprsu]|github_pat)_ | ya29\. ) )
        [A-Za-z0-9_.-]{16,}
    | (?P<fixed> \b (?: AIza | AKIA | ASIA ) ) [A-Za-z0-9_-]{12,}
    | \b eyJ [A-Za-z0-9_-]{10,} \. [A-Za-z0-9_-]{10,} (?: \. [A-Za-z0-9_-]* )?
    """,
    re.VERBOSE,
)

_NAMES = re.compile(r"(?i)authorization|api[-_]?key|credential|password|passwd|secret|access_token|cookie")


def redact(text: str) -> str:
    """The text with everything that looks like a credential masked; what names its kind stays, for the reader.

    Half characters, which no encoder takes, become question marks.
    """
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return _SHAPES.sub(_masked, text)


@lru_cache(maxsize=4096)
def redact_known(text: str) -> str:
    """As `redact`, remembered: for short texts that come again and again, such as the names of clients."""
    return redact(text)


def redact_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """The same for named values, at any depth; a field whose name says that it holds a credential is masked whole."""
    return {str(name): _value(name, item) for name, item in fields.items()}


def _value(name: object, value: Any) -> Any:
    if value is None or isinstance(value, (int, float)):
        return value
    if _NAMES.search(str(name)):
        return MASK
    if isinstance(value, dict):
        return redact_fields(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_value("", item) for item in value]
    return redact(str(value))


def _masked(found: re.Match[str]) -> str:
    return f"{found[found.lastgroup]}{MASK}" if found.lastgroup else MASK
