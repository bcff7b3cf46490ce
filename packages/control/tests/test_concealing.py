from __future__ import annotations

from typing import Any

import pytest

from llmgw_control import AccountRecord
from llmgw_control._concealing import HIDDEN, key_id_of, resealed, sealed, shown, shown_record
from llmgw_control._report import Report


def seal(text: str) -> str:
    return f"sealed:v1:k1:<{text}>"


def given(fields: dict[str, Any], current: dict[str, Any] | None = None, kind: str = "account") -> dict[str, Any]:
    report = Report()
    made = sealed(report, kind, fields, current or {}, seal)
    assert [] == report.reasons
    return made


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("env:NAME", "env:NAME"),
        ("file:a/b", "file:a/b"),
        ("default", "default"),
        ("builtin:sim-openai", "builtin:sim-openai"),
        ("sealed:v1:abcd1234:DATA", "sealed:abcd1234"),
        ("sk-plain", HIDDEN),
        ("http://proxy:3128", "http://proxy:3128"),
        ("http://u:p@proxy:3128", HIDDEN),
        (None, None),
        (["sk"], HIDDEN),
        (
            {"access_key_id": "env:A", "secret_access_key": "sk"},
            {"access_key_id": "env:A", "secret_access_key": HIDDEN},
        ),
    ],
)
def test_only_references_are_shown(value: Any, expected: Any) -> None:
    """What is no reference may be the secret itself, put there by mistake or by a merge."""
    assert {"credential": expected, "pool": "p"} == shown("account", {"credential": value, "pool": "p"})


def test_hashes_and_addresses_are_shown_in_part() -> None:
    """Enough of a hash to tell keys apart; an address without a password."""
    assert {"hash": "sha256:01234567..."} == shown("key", {"hash": "sha256:0123456789abcdef"})
    assert {"base_url": HIDDEN} == shown("account", {"base_url": "https://u:p@host"})


def test_of_a_record_every_field_is_shown_of_a_broken_one_what_is_known() -> None:
    """A field that a newer version wrote may be a secret."""
    record = AccountRecord(id="a", provider="openai", pool="p")
    assert set(AccountRecord.__struct_fields__) - {"id"} == set(shown_record("account", record, {}))
    broken = {"v": 1, "pool": 7, "vault": "sk"}
    assert {"pool": 7, "vault": HIDDEN} == shown_record("account", None, broken)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("credential", "sk", seal("sk")),
        ("credential", "env:A", "env:A"),
        ("credential", "default", "default"),
        ("proxy", "default", seal("default")),
        ("proxy", "http://proxy:3128", "http://proxy:3128"),
        ("proxy", "http://u:p@proxy:3128", seal("http://u:p@proxy:3128")),
        ("credential", "http://proxy:3128", seal("http://proxy:3128")),
        ("ca", "-----BEGIN CERTIFICATE-----", seal("-----BEGIN CERTIFICATE-----")),
        ("credential", {"private_key": "k"}, seal('{"private_key":"k"}')),
        ("credential", {"access_key_id": "A", "other": "sk"}, {"access_key_id": seal("A"), "other": None}),
        ("credential", 7, 7),
        ("credential", None, None),
        ("pool", "sk", "sk"),
    ],
)
def test_what_is_given_in_plain_is_sealed(field: str, value: Any, expected: Any) -> None:
    """References stay references; what has a wrong type is left to the check of types."""
    assert {field: expected} == given({field: value})


def test_a_shown_form_means_as_it_is() -> None:
    """For each part by itself; of another value it is refused."""
    current = {"credential": {"access_key_id": "env:A", "secret_access_key": seal("old")}, "proxy": seal("x")}
    back = shown("account", current)
    assert current == given(back, current)
    changed = {"credential": {**back["credential"], "secret_access_key": "new"}}
    assert seal("new") == given(changed, current)["credential"]["secret_access_key"]
    for value in ("sealed:k1", HIDDEN):
        report = Report()
        sealed(report, "account", {"credential": value}, {}, seal)
        assert ["credential"] == [reason.path for reason in report.reasons]
    report = Report()
    sealed(report, "account", {"base_url": HIDDEN}, {}, seal)
    assert ["base_url"] == [reason.path for reason in report.reasons]


def test_hashes_are_kept_in_one_form() -> None:
    """In small letters; its shown form means as it is."""
    current = {"hash": "sha256:" + "ab" * 32}
    assert current == given({"hash": "sha256:" + "AB" * 32}, kind="key")
    assert current == given({"hash": shown("key", current)["hash"]}, current, kind="key")


def test_only_what_another_key_sealed_is_sealed_anew() -> None:
    """At any depth; everything else is left alone."""
    value = {"access_key_id": "env:A", "secret_access_key": "sealed:v1:old:x", "session_token": "sealed:v1:new:y"}
    assert {**value, "secret_access_key": "sealed:v1:new:<sealed:v1:old:x>"} == resealed(
        value, "new", lambda text: f"<{text}>", lambda text: f"sealed:v1:new:{text}"
    )
    assert None is resealed(None, "new", str, str)
    assert "old" == key_id_of("sealed:v1:old:x")
