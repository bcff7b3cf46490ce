"""What of a record is secret: how it is shown, and what becomes of a secret that is given in plain.

A credential that an administrator gives is sealed before anything else sees it: no draft, event, error or view ever
holds its text. What is shown of a record can be given back as it is, and means then that nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from llmgw_control._credentials import DEFAULT
from llmgw_control._report import Report
from llmgw_control.records import ID_FIELDS, SECRET_FIELDS, STRUCTS, AwsKeysRecord, Record
from llmgw_control.sources import BORN

Seal = Callable[[str], str]

SEALED = "sealed:v1:"
HIDDEN = "***"
_REFERENCES = ("env:", "file:", SEALED, "builtin:")
_PEM = "-----BEGIN CERTIFICATE-----"
_HASH_SHOWN = len("sha256:") + 8
_CREDENTIAL_PARTS = AwsKeysRecord.__struct_fields__


def key_id_of(sealed: str) -> str:
    """The id of the master key that a text is sealed with."""
    return sealed.removeprefix(SEALED).partition(":")[0]


# --- shown ------------------------------------------------------------------------------------------------------------


def shown(kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields with nothing in them that is secret."""
    secret = SECRET_FIELDS.get(kind, ())
    made = {name: _shown(value) if name in secret else value for name, value in fields.items()}
    if "@" in str(made.get("base_url", "")):
        # A password in an address is refused; where one was written all the same it is not shown on the way.
        made["base_url"] = HIDDEN
    if kind in ("key", "token") and isinstance(made.get("hash"), str):
        made["hash"] = made["hash"][:_HASH_SHOWN] + "..."
    return made


def shown_record(kind: str, record: Record | None, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Every field of a record, defaults included. Where the fields make none, those that there are; what a field means
    that is not known here is not known either, so that it is hidden.
    """
    if record is not None:
        whole = msgspec.to_builtins(record)
        del whole[ID_FIELDS[kind]]
        return shown(kind, whole)
    names = STRUCTS[kind].__struct_fields__
    return shown(kind, {n: value if n in names else HIDDEN for n, value in fields.items() if n != BORN})


def _shown(value: Any) -> Any:
    match value:
        case str():
            return _shown_text(value)
        case AwsKeysRecord():
            return _shown(msgspec.to_builtins(value))
        case Mapping():
            return {name: _shown(part) for name, part in value.items()}
        case None:
            return None
    return HIDDEN


def _shown_text(text: str) -> str:
    if text.startswith(SEALED):
        return f"sealed:{key_id_of(text)}"
    is_address = text.startswith(("http://", "https://")) and "@" not in text
    # Anything else is no reference, and so it may be the secret itself, in a place where it should not be.
    return text if text == DEFAULT or is_address or text.startswith(_REFERENCES) else HIDDEN


# --- given ------------------------------------------------------------------------------------------------------------


def sealed(
    report: Report, kind: str, fields: Mapping[str, Any], current: Mapping[str, Any], seal: Seal
) -> dict[str, Any]:
    """Fields as they may be written down. `current` are those of the record as it is; `seal` seals a text."""
    made = dict(fields)
    for name in SECRET_FIELDS.get(kind, ()):
        if name in made:
            made[name] = _sealed(report.at(name), name, made[name], current.get(name), seal)
    if made.get("base_url") == HIDDEN:
        report.at("base_url").add("is how another value is shown, not a value")
    if "hash" in made and "hash" in current and made["hash"] == shown(kind, current).get("hash"):
        made["hash"] = current["hash"]
    if isinstance(made.get("hash"), str):
        # One form of a hash, so that equal ones are found by comparing texts.
        made["hash"] = made["hash"].lower()
    return made


def _sealed(report: Report, name: str, value: Any, current: Any, seal: Seal) -> Any:
    if current is not None and value == _shown(current):
        return current
    if isinstance(value, str):
        return _sealed_text(report, name, value, seal)
    if name != "credential" or not isinstance(value, Mapping):
        return value
    if "private_key" in value:
        # What a cloud's console gives as a file of JSON, put there as it is.
        return seal(msgspec.json.encode(value).decode())
    old = current if isinstance(current, Mapping) else {}
    return {
        part: _sealed(report.at(part), part, text, old.get(part), seal) if part in _CREDENTIAL_PARTS else None
        for part, text in value.items()
    }


def _sealed_text(report: Report, name: str, text: str, seal: Seal) -> str:
    if text == HIDDEN or (text.startswith("sealed:") and not text.startswith(SEALED)):
        report.add(
            "is how another value is shown, not a value: give the secret itself, or a reference such as env:NAME"
        )
        return ""
    is_plain_address = name == "proxy" and text.startswith(("http://", "https://")) and "@" not in text
    is_default = name == "credential" and text == DEFAULT
    if is_plain_address or is_default or text.startswith(_REFERENCES):
        return text
    return seal(text)


def resealed(value: Any, key_id: str, reveal: Callable[[str], str], seal: Seal) -> Any:
    """A field's value with every sealed text in it sealed anew, but for those that are sealed with `key_id` already."""
    if isinstance(value, str) and value.startswith(SEALED) and key_id_of(value) != key_id:
        return seal(reveal(value))
    if isinstance(value, Mapping):
        return {name: resealed(part, key_id, reveal, seal) for name, part in value.items()}
    return value
