from __future__ import annotations

from typing import Any

import msgspec

from llmgw_control.testing import OWNER, Desk


def test_what_is_served(gateway: Any, running: Any) -> None:
    """The version and how many of each kind, as JSON too."""
    said = gateway("catalog")
    version = running.desk.catalog.version
    assert f"catalog {version}: 1 accounts, 0 models, 0 patterns, 0 keys, 1 policies, 0 prices\n" == said.out
    assert version == gateway("catalog", "--json").json["version"]


def test_what_is_in_quarantine_is_told_with_the_reason(gateway: Any, running: Any) -> None:
    """A record that another node wrote and this one can't serve."""
    [event] = Desk("n2").administration.create("key", "k", {}, OWNER).events
    newer = msgspec.structs.replace(event, body=msgspec.Raw(bytes(event.body).replace(b'"v":1', b'"v":9')))
    running.desk.receive([newer])
    said = gateway("catalog").out
    assert ("in quarantine" in said, "key/k" in said, "newer version" in said) == (True, True, True)
    assert "quarantined" == gateway("keys", "list").rows[1][4]


def test_a_trial_shows_each_field_that_differs(gateway: Any) -> None:
    """From what to what, and that nothing was done."""
    gateway("policies", "create", "p", "--models", "a")
    said = gateway("policies", "set", "p", "--models", "b", "--dry-run")
    assert ["policy/p", "models", "a", "b"] == said.rows[1]
    assert (0, "nothing was changed" in said.out) == (said.code, True)
    assert "nothing would change" in gateway("policies", "set", "p", "--models", "a", "--dry-run").out


def test_a_trial_that_would_be_refused_is_exit_code_1(gateway: Any) -> None:
    """With every reason, and as JSON for who asks for it."""
    arguments = ("keys", "create", "k", "--policy", "none", "--dry-run")
    said = gateway(*arguments)
    assert (1, True) == (said.code, "it would be refused:" in said.err and "'none'" in said.err)
    assert 1 == len(gateway(*arguments, "--json").json["reasons"])
