"""Why records can't become a catalog: every reason at once, each with the path of the value that is wrong."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from llmgw_domain.errors import Unprocessable


class Reason(msgspec.Struct, frozen=True):
    """`path` is where the value stands (`accounts[0].pool`), `message` what is wrong there and what would be right."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class Refused(Unprocessable):
    """The configuration is not valid."""

    code = "configuration_refused"

    def __init__(self, reasons: Sequence[Reason]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("; ".join(map(str, self.reasons)) or None)


class Unrevealed(Exception):
    """A reference to a secret leads to none. The message says why, and never holds the secret or a piece of it."""
