"""`gateway sessions` on a terminal and for programs."""

from __future__ import annotations

from typing import Any

import msgspec

from llmgw_admin.testing import a_session

ONE, TWO = a_session(1), a_session(2)


def test_sessions_are_listed(gateway: Any) -> None:
    """A line each, by account, tenant and key; or whole, as JSON."""
    said = gateway("sessions", "list")
    assert ["SESSION", "TENANT", "KEY", "MODEL", "HOME", "CURRENT", "REASON"] == said.rows[0][:7]
    assert [[ONE.session, "acme"], [TWO.session, "emca"]] == [row[:2] for row in said.rows[1:]]
    assert [[TWO.session]] == [[row[0] for row in gateway("sessions", "list", "--account", "b").rows[1:]]]
    assert [msgspec.to_builtins(ONE)] == gateway("sessions", "list", "--tenant", "acme", "--json").json
    assert "no sessions\n" == gateway("sessions", "list", "--key", "web").out
    assert 1 == len(gateway("sessions", "list", "--limit", "1", "--json").json)
    assert 2 == gateway("sessions", "list", "--limit", "0").code


def test_a_session_is_shown_and_forgotten(gateway: Any, running: Any) -> None:
    """Afterwards there is none."""
    assert ["session", ONE.session] == gateway("sessions", "show", ONE.session).rows[0]
    assert msgspec.to_builtins(ONE) == gateway("sessions", "show", ONE.session, "--json").json
    said = gateway("sessions", "forget", ONE.session)
    assert (0, f"session {ONE.session}: forgotten; its next turn chooses anew\n") == (said.code, said.out)
    assert [(ONE.session, "admin:owner")] == running.sessions.forgotten
    gone = gateway("sessions", "show", ONE.session)
    assert (1, True) == (gone.code, "no such session" in gone.err)
    assert {"forgotten": TWO.session} == gateway("sessions", "forget", TWO.session, "--json").json
