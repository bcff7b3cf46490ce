from __future__ import annotations

import pytest

from llmgw_control import AccountRecord, Control, Records, Refused
from llmgw_domain import Secret

GOOD = Records(accounts=(AccountRecord(id="a", provider="openai", pool="openai", credential="env:A"),))
WRONG = Records(accounts=(AccountRecord(id="a", provider="none", pool="openai", credential="env:A"),))


def control() -> Control:
    return Control(lambda reference: Secret(reference))


def test_it_starts_empty_and_not_loaded() -> None:
    """Before the first load there is a catalog, which serves nothing and is not counted as loaded."""
    fresh = control()
    assert (False, "empty", 0) == (fresh.loaded, fresh.current().version, len(fresh.current().accounts))


def test_load_publishes_what_it_compiled() -> None:
    """The catalog that `load` gives is the one that is served from then on."""
    made = control()
    catalog = made.load(GOOD)
    assert (True, catalog) == (made.loaded, made.current())


def test_a_refused_load_changes_nothing() -> None:
    """What was served before a refused load goes on being served."""
    made = control()
    before = made.load(GOOD)
    with pytest.raises(Refused):
        made.load(WRONG)
    assert before is made.current()


def test_a_reader_keeps_its_catalog() -> None:
    """A catalog in use does not change when another one is published."""
    made = control()
    before = made.load(GOOD)
    made.load(Records())
    assert (1, 0) == (len(before.accounts), len(made.current().accounts))
