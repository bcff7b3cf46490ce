from __future__ import annotations

from typing import Any

import msgspec
import pytest

from llmgw_control.records import AccountRecord, ModelRecord, PolicyRecord, PriceRecord
from llmgw_gateway.verbs.client import Wrong
from llmgw_gateway.verbs.values import described, parse, repeats

KINDS = {
    (record, field.name): field.type
    for record in (AccountRecord, ModelRecord, PolicyRecord, PriceRecord)
    for field in msgspec.structs.fields(record)
}


def value(record: Any, name: str, text: str, typed: str = "") -> object:
    """The value of a field of a record; `typed` is what standard input has."""
    return parse(name, KINDS[record, name], text, lambda _: typed)


@pytest.mark.parametrize(
    ("record", "name", "text", "expected"),
    [
        (AccountRecord, "pool", "p=q,[x]", "p=q,[x]"),
        (AccountRecord, "pool", "", ""),
        (AccountRecord, "max_concurrency", "7", 7),
        (AccountRecord, "weight", "0.5", 0.5),
        (AccountRecord, "enabled", "False", False),
        (AccountRecord, "deployments", "gpt=a,o3=b=c", {"gpt": "a", "o3": "b=c"}),
        (AccountRecord, "deployments", '{ "gpt 5" = "a" }', {"gpt 5": "a"}),
        (AccountRecord, "deadlines", "gap_seconds=30, total_seconds=0", {"gap_seconds": 30.0, "total_seconds": 0.0}),
        (AccountRecord, "deadlines", '{"gap_seconds": 30}', {"gap_seconds": 30}),
        (AccountRecord, "credential", "env:K", "env:K"),
        (AccountRecord, "credential", "default", "default"),
        (AccountRecord, "credential", "-", "typed"),
        (
            AccountRecord,
            "credential",
            "access_key_id=env:A,secret_access_key=-",
            {"access_key_id": "env:A", "secret_access_key": "typed"},
        ),
        (AccountRecord, "credential", '{access_key_id = "env:A"}', {"access_key_id": "env:A"}),
        (AccountRecord, "proxy", "http://proxy:3128", "http://proxy:3128"),
        (ModelRecord, "targets", "pool=p,model=m,priority=2", [{"pool": "p", "model": "m", "priority": 2}]),
        (ModelRecord, "targets", '[{pool = "p", model = "m"}]', [{"pool": "p", "model": "m"}]),
        (ModelRecord, "fallbacks", "model=b,on=overloaded", [{"model": "b", "on": ["overloaded"]}]),
        (
            ModelRecord,
            "fallbacks",
            '[{model = "b", on = ["overloaded", "refused"]}]',
            [{"model": "b", "on": ["overloaded", "refused"]}],
        ),
        (PolicyRecord, "models", "a/*, b", ["a/*", "b"]),
        (PolicyRecord, "models", '["a,b"]', ["a,b"]),
        (PolicyRecord, "models", "", []),
        (PolicyRecord, "stream_errors", "raise", "raise"),
        (PriceRecord, "prices", "uncached_input=3000,output=15000", {"uncached_input": 3000, "output": 15000}),
    ],
)
def test_values(record: Any, name: str, text: str, expected: object) -> None:
    """Each kind in its short form, and in that of the configuration file or of JSON."""
    assert expected == value(record, name, text, "typed")


@pytest.mark.parametrize(
    ("record", "name", "text", "said"),
    [
        (AccountRecord, "max_concurrency", "many", "must be N"),
        (AccountRecord, "enabled", "yes", "must be true"),
        (AccountRecord, "deadlines", "gap=30", "it takes connect_seconds"),
        (AccountRecord, "deadlines", "30", "name=value"),
        (AccountRecord, "deadlines", "{gap", "neither a TOML nor a JSON"),
        (ModelRecord, "targets", "p/m", "name=value"),
        (ModelRecord, "targets", "pool=p,priority=first", "priority: must be N"),
    ],
)
def test_what_is_no_value_is_wrong_usage(record: Any, name: str, text: str, said: str) -> None:
    """With the field's name and what would be right."""
    with pytest.raises(Wrong, match=said):
        value(record, name, text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("credential", "sk-canary"),
        ("credential", "access_key_id=AKIA,secret_access_key=sk-canary"),
        ("credential", '{secret_access_key = "sk-canary"}'),
        ("credential", '{"secret_access_key": "sk-canary"}'),
        ("proxy", "http://user:sk-canary@proxy:3128"),
        ("ca", "sk-canary"),
    ],
)
def test_a_secret_is_not_taken_from_an_argument(name: str, text: str) -> None:
    """In no form, and the refusal does not repeat it."""
    with pytest.raises(Wrong) as refused:
        value(AccountRecord, name, text)
    assert (False, True) == ("canary" in str(refused.value), "standard input" in str(refused.value))


def test_an_empty_standard_input_is_no_secret() -> None:
    """An account without a credential by accident would be found out late."""
    with pytest.raises(Wrong, match="empty"):
        value(AccountRecord, "credential", "-", "")


def test_options_say_what_they_take() -> None:
    """Every field of every record has a short form to put into its help, and lists may stand several times."""
    kinds = {name: (described(kind), repeats(kind)) for (_, name), kind in KINDS.items()}
    assert {
        "pool": ("TEXT", False),
        "weight": ("X", False),
        "max_concurrency": ("N", False),
        "hide_accounts": ("true|false", False),
        "endpoints": ("A,B", True),
        "models": ("A,B", True),
        "targets": ("pool=...,model=...", True),
        "deployments": ("NAME=VALUE,...", False),
    }.items() <= kinds.items()
