"""What a failure of PostgreSQL means: the one place where psycopg's errors become the store's.

Either the store is away (the server is down, starting, full, overloaded, demoted, or too slow: repeat later), or the
statement itself was refused, which is a defect of this release or of the database's set-up. Messages carry the server's
own first line and never its details, which quote rows, nor an address, which may hold a password.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from llmgw_eventstore import StoreAway, StoreError


class StatementRefused(StoreError):
    """PostgreSQL refused a statement: a defect of this release or of the database's set-up; repeating does not help."""

    def __init__(self, message: str, sqlstate: str | None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


_MOVED = (errors.ReadOnlySqlTransaction, errors.AdminShutdown, errors.CrashShutdown, errors.CannotConnectNow)
"""The server goes down, comes up, or has become a standby: its other connections are as useless as this one."""

_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, errors.IdleInTransactionSessionTimeout, *_MOVED)

_ADVICE = {
    "42501": "give the database's role this right, or name another role in database.url",
    "42P01": "the schema is not there: run `gateway migrate`",
    "3F000": "the schema is not there: run `gateway migrate`",
}


@contextmanager
def translated() -> Iterator[None]:
    """Raises `StoreAway` or `StatementRefused` for every error of psycopg."""
    try:
        yield
    except psycopg.Error as error:
        raise meaning(error) from error


def meaning(error: psycopg.Error) -> StoreAway | StatementRefused:
    """What the error is to a user of the store."""
    text = first_line(error)
    if isinstance(error, _AWAY):
        return StoreAway(f"PostgreSQL is away: {text}")
    advice = _ADVICE.get(error.sqlstate or "", "report this as a defect")
    return StatementRefused(f"PostgreSQL refused a statement ({error.sqlstate}): {text}; {advice}", error.sqlstate)


def moved(error: psycopg.Error) -> bool:
    """Whether every connection to that server has to be made anew."""
    return isinstance(error, (*_MOVED, psycopg.InterfaceError)) or (
        # An error without SQLSTATE came from the connection, not from the server.
        isinstance(error, psycopg.OperationalError) and error.sqlstate is None
    )


def first_line(error: psycopg.Error) -> str:
    """The server's message without detail, hint and context."""
    return error.diag.message_primary or (str(error).strip().splitlines() or [type(error).__name__])[0]
