"""A secret that goes in comes out at the account that it is for alone: in no event, view, repr or error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from llmgw_control import AccountRecord, Records
from llmgw_control.testing import OPERATOR, OWNER, VIEWER, Desk, ReversedSealing
from llmgw_control.views import Committed, Diff, Proposal

CANARY = "sk-canary-0123456789"
SEALED = (CANARY, CANARY[::-1])

TABLE = {"access_key_id": "AKIA", "secret_access_key": CANARY, "session_token": CANARY}
SERVICE = {"type": "service_account", "client_email": "a@b", "private_key": f"-----BEGIN PRIVATE KEY-----{CANARY}"}
PROXIED = {"credential": CANARY, "proxy": f"http://user:{CANARY}@proxy:3128"}

ACCOUNTS: list[dict[str, Any]] = [
    {"provider": "openai", "pool": "p", "credential": CANARY},
    {"provider": "openai", "pool": "p", **PROXIED},
    {"provider": "bedrock", "pool": "b", "credential": TABLE, "region": "eu-west-1"},
    {"provider": "vertex", "pool": "v", "credential": SERVICE, "project": "p", "location": "eu"},
    {
        "provider": "vertex",
        "pool": "v",
        "credential": msgspec.json.encode(SERVICE).decode(),
        "project": "p",
        "location": "eu",
    },
]
WRONG: list[dict[str, Any]] = [
    {"credential": CANARY},
    {"provider": "openai", "pool": "p", "credential": f"{CANARY} {CANARY}"},
    {"provider": "openai", "pool": "p", "credential": [CANARY]},
    {"provider": "openai", "pool": "p", "credential": {"token": CANARY}},
    {"provider": "openai", "pool": "p", "credential": {"access_key_id": CANARY, "secret_access_key": {"x": CANARY}}},
    {"provider": "openai", "pool": "p", "api_key": CANARY},
    {"provider": "openai", "pool": "p", "base_url": f"https://user:{CANARY}@host"},
    {"provider": "openai", "pool": "p", "credential": "env:A", "proxy": CANARY},
    {"provider": "openai", "pool": "p", "credential": "env:A", "ca": CANARY},
    {"provider": "openai", "pool": "p", "credential": "env:A", "weight": CANARY},
    {"provider": "openai", "pool": "p", "credential": "env:A", "deadlines": {"gap_seconds": CANARY}},
    {"provider": "vertex", "pool": "v", "credential": "{" + CANARY},
    {"provider": "vertex", "pool": "v", "credential": {"private_key": CANARY}},
    {"provider": "bedrock", "pool": "b", "credential": f"{CANARY}:", "region": "eu-west-1"},
]


def calls(desk: Desk) -> Iterator[Callable[[], Any]]:
    """Every way in, with what is right and what is wrong, and every way out."""
    admin = desk.administration
    for i, fields in enumerate(ACCOUNTS):
        yield lambda i=i, fields=fields: admin.create("account", f"a{i}", fields, OWNER)  # type: ignore[misc]
        yield lambda i=i, fields=fields: admin.create("account", f"a{i}", fields, OWNER)  # type: ignore[misc]
        yield lambda i=i, fields=fields: admin.create("account", f"b{i}", fields, VIEWER)  # type: ignore[misc]
        yield lambda i=i, fields=fields: admin.patch("account", f"a{i}", fields, OWNER, "another version")  # type: ignore[misc]
    for fields in (*ACCOUNTS, *WRONG):
        yield lambda fields=fields: admin.create("account", "w", fields, OWNER)  # type: ignore[misc]
        yield lambda fields=fields: admin.patch("account", "a0", fields, OWNER)  # type: ignore[misc]
        yield lambda fields=fields: admin.patch("account", "none", fields, OWNER)  # type: ignore[misc]
        yield lambda fields=fields: admin.create("account", "filed", fields, OWNER)  # type: ignore[misc]
        yield lambda fields=fields: admin.try_out(  # type: ignore[misc]
            [
                Proposal(action="create", kind="account", id="t", fields=fields),
                Proposal(action="patch", kind="account", id="a0", fields=fields),
            ]
        )
        yield lambda fields=fields: Proposal(action="create", kind="account", id="t", fields=fields)  # type: ignore[misc]
    for kind in ("key", "token", "policy", "model", "price"):
        for field in ("value", "hash", "credential", "role", "stream_errors", "targets", "prices"):
            yield lambda kind=kind, field=field: admin.create(kind, "x", {field: CANARY}, OWNER)  # type: ignore[misc]
    yield lambda: admin.patch("key", "k", {"value": CANARY}, OPERATOR)
    yield lambda: admin.actor_of(CANARY)
    yield lambda: admin.reseal(desk.sealing, ReversedSealing("k2"), OWNER)
    yield lambda: admin.adopt_file(OWNER)
    yield lambda: desk.replica.apply(desk.journal.events)
    yield lambda: [admin.list(kind) for kind in ("account", "key", "token")]
    yield lambda: (
        desk,
        desk.compiler,
        desk.compiler.compile(),
        desk.replica,
        desk.replica.everything(),
        admin.quarantine(),
    )
    yield lambda: [desk.replica.get("account", each) for each in desk.replica.ids("account")]
    yield lambda: (desk.compiler.compile().accounts, desk.compiler.compile().routes)


def texts_of(result: Any, desk: Desk) -> Iterator[str]:
    """What anybody could see of a result."""
    yield repr(result)
    yield str(result)
    if isinstance(result, BaseException):
        yield repr(result.__cause__)
        yield repr(getattr(result, "reasons", ""))
    if isinstance(result, Committed | Diff | tuple):
        yield msgspec.json.encode(result, enc_hook=repr).decode()
    for event in desk.journal.events:
        yield msgspec.json.encode(event).decode()
    yield msgspec.json.encode(desk.replica.dump()).decode()


@pytest.mark.parametrize("trouble", ["", "full", "broken"])
def test_no_secret_is_seen_anywhere(trouble: str) -> None:
    """Through every command and every refusal, with a journal that is full and a seal that is broken too."""
    file = Records(accounts=(AccountRecord(id="filed", provider="openai", pool="f", credential="env:X"),))
    desk = Desk(file=file)
    desk.administration.create("key", "k", {}, OWNER)
    desk.administration.create("account", "a0", {"provider": "openai", "pool": "p", "credential": CANARY}, OWNER)
    outcomes = {"done": 0, "refused": 0}
    for call in calls(desk):
        desk.journal.full, desk.sealing.broken = trouble == "full", trouble == "broken"
        try:
            result = call()
            outcomes["done"] += 1
        except Exception as error:
            result = error
            outcomes["refused"] += 1
        for text in texts_of(result, desk):
            assert not any(secret in text for secret in SEALED), call
    assert min(outcomes.values()) > 10
    assert CANARY in str([account.secrets() for account in desk.catalog.accounts.values()])
