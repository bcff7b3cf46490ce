"""Why records can't become a catalog, and why a command of an administrator's changes nothing.

A refusal names every reason at once, each with the path of the value that is wrong. None of them quotes a secret.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from llmgw_domain import errors
from llmgw_domain.errors import GatewayError, NotFound, Unprocessable


class Reason(msgspec.Struct, frozen=True):
    """`path` is where the value stands (`accounts[0].pool`), `message` what is wrong there and what would be right.

    Of records that are administered one at a time the path is that inside of the record (`targets[0].pool`), with
    the record in front of it where that is another one than the command's own (`model/gpt-5: targets[0].pool`).
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class Refused(Unprocessable):
    """The configuration is not valid."""

    code = "configuration_refused"

    def __init__(self, reasons: Sequence[Reason]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("; ".join(map(str, self.reasons)) or None)


class Unrevealed(Exception):
    """A reference to a secret leads to none. The message says why, and never holds the secret or a piece of it."""


# --- commands ---------------------------------------------------------------------------------------------------------


class UnknownRecord(NotFound):
    """There is no such record."""

    code = "record_not_found"

    @classmethod
    def named(cls, kind: str, id: str) -> UnknownRecord:
        return cls(f"There is no {kind} {id[:200]!r}.")


class Conflict(errors.Conflict):
    """A record with this id exists already; change it instead, or choose another id."""

    code = "record_exists"
    retryable = False

    @classmethod
    def named(cls, kind: str, id: str) -> Conflict:
        return cls(f"There is a {kind} {id[:200]!r} already; change it instead, or choose another id.")


class Outdated(Conflict):
    """The record was changed since it was read: read it again, and decide again."""

    status = 412
    code = "version_differs"

    @classmethod
    def of(cls, kind: str, id: str, version: str) -> Outdated:
        return cls(f"The {kind} {id!r} was changed since it was read, its version is now {version}: read it again.")


class FromFile(Conflict):
    """The record stands in the configuration file: change it there."""

    code = "record_from_file"

    @classmethod
    def of(cls, kind: str, id: str, file: str) -> FromFile:
        return cls(f"The {kind} {id!r} stands in {file}: change it there; here it can only be enabled and drained.")


class NotWritable(GatewayError):
    """The gateway takes no changes now; what it serves goes on being served."""

    status = 503
    code = "not_writable"


class Forbidden(GatewayError):
    """This token's role may not do that."""

    status = 403
    type = "permission_error"
    code = "role_not_allowed"
    blame = "request"


class CannotSeal(Exception):
    """A secret can't be sealed here. The message says why and what to do, and never holds the secret."""
