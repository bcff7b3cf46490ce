import psycopg
import pytest
from psycopg import errors

from llmgw_eventstore import StoreAway
from llmgw_postgres.errors import StatementRefused, meaning, moved, translated


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("connection refused"),
        psycopg.InterfaceError("the connection is closed"),
        errors.AdminShutdown("terminating connection"),
        errors.CannotConnectNow("the database system is starting up"),
        errors.DiskFull("could not extend file"),
        errors.QueryCanceled("canceling statement due to statement timeout"),
        errors.DeadlockDetected("deadlock detected"),
        errors.TooManyConnections("sorry, too many clients already"),
        errors.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction"),
        errors.IdleInTransactionSessionTimeout("terminating connection due to idle-in-transaction timeout"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_passes_by_itself_is_a_store_that_is_away(error):
    """Whatever a later attempt can cure is `StoreAway`, with the server's own words."""
    assert isinstance(meaning(error), StoreAway)
    assert f"PostgreSQL is away: {error}" == str(meaning(error))


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (errors.UndefinedTable("relation does not exist"), "run `gateway migrate`"),
        (errors.InsufficientPrivilege("permission denied"), "give the database's role this right"),
        (errors.SyntaxError("syntax error"), "report this as a defect"),
    ],
)
def test_what_repeating_does_not_cure_is_refused_with_advice(error, advice):
    """A refusal names the SQLSTATE and what to do."""
    with pytest.raises(StatementRefused) as refusal, translated():
        raise error
    assert error.sqlstate == refusal.value.sqlstate
    assert f"({error.sqlstate})" in str(refusal.value)
    assert advice in str(refusal.value)


def test_only_a_lost_server_condemns_its_other_connections():
    """A slow statement or a full disk says nothing about them; a shutdown or a lost connection does."""
    assert [True, True, True] == [
        moved(error)
        for error in (errors.AdminShutdown(), psycopg.OperationalError("lost"), errors.ReadOnlySqlTransaction())
    ]
    assert [False, False] == [moved(error) for error in (errors.QueryCanceled(), errors.DiskFull())]


def test_details_that_quote_rows_are_left_out(server):
    """The server's message goes on, its detail does not: it quotes what was written."""
    with pytest.raises(StatementRefused) as refusal, translated():
        server.execute(
            "DO $$ BEGIN CREATE TEMP TABLE t (k text PRIMARY KEY); INSERT INTO t VALUES ('canary'), ('canary'); END $$"
        )
    assert "duplicate key value" in str(refusal.value)
    assert "canary" not in str(refusal.value)
