"""What goes in and out of `Administration`: who asks, what is asked, and records as they are shown.

Nothing here ever holds the text of a credential, but for `Committed.secret`, which is given out once.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import msgspec

from llmgw_control._concealing import HIDDEN as HIDDEN
from llmgw_control._concealing import shown_record as shown_record
from llmgw_control.refusal import Reason
from llmgw_domain import Event

Role = Literal["viewer", "operator", "owner"]
"""A viewer reads; an operator also enables, drains, and makes and changes keys; an owner does everything."""

Kind = Literal["account", "model", "key", "policy", "price", "token"]
"""What can be administered. A model's id is its name."""

KINDS: tuple[Kind, ...] = get_args(Kind)

Origin = Literal["log", "file"]


class Actor(msgspec.Struct, frozen=True):
    """Who gives a command, as events name it: `admin:ID` for the token ID, `system` for the gateway itself."""

    id: str
    role: Role


SYSTEM = Actor("system", "owner")
"""The gateway itself, e.g. when it makes the first owner's token."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A record as it is shown. `fields` are all of its fields, defaults included, with secrets in their shown form.

    A credential's shown form is its reference (`env:NAME`, `file:PATH`), `default`, or `sealed:KEYID`; a key's or
    token's hash is cut to its first digits. Given back unchanged, a shown form means "as it is".
    """

    kind: str
    id: str
    origin: Origin
    version: str
    """Changes with each change; fit for an ETag."""
    fields: dict[str, Any]
    enabled: bool | None = None
    """None for kinds that can't be switched off."""
    drain: bool | None = None
    """None for kinds that can't be drained."""
    quarantined: tuple[Reason, ...] = ()
    """Why it, or a part of it, is not in the catalog; paths inside of the record."""
    shadows: bool = False
    """It stands in the file, and hides a record of the log with the same id."""


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """What a command did. `events` are in the journal; `catalog` is the version that has the change."""

    view: View | None
    """None after a deletion."""
    events: tuple[Event, ...]
    catalog: str
    secret: str | None = None
    """The text of a new key or token: kept nowhere, shown this once."""

    def __repr__(self) -> str:
        what = f"{self.view.kind}/{self.view.id}" if self.view else "deleted"
        return f"<Committed {what} catalog={self.catalog}{' with a secret' if self.secret else ''}>"


PORTABLE_KINDS = ("policy", "account", "model", "key", "price", "token", "switch")
"""What is exported, in an order in which each record finds those that it needs."""


class Portable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A record of the log as it leaves a gateway and comes into another: secrets are sealed, keys are hashes."""

    kind: str
    id: str
    fields: dict[str, Any]

    def __repr__(self) -> str:
        return f"<Portable {self.kind}/{self.id}>"


class Proposal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One change of a dry run. `fields` are those of `create` and `patch`; they may hold secrets."""

    action: Literal["create", "patch", "delete"]
    kind: Kind
    id: str
    fields: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<Proposal {self.action} {self.kind}/{self.id}>"


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """How one record would change: its shown fields before and after; None where there is no record."""

    kind: str
    id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """What a dry run found. The changes would be refused if `reasons` is not empty."""

    catalog: str
    """The version that the catalog would have."""
    differences: tuple[Difference, ...]
    reasons: tuple[Reason, ...]
    """What would be wrong that is right now."""
    cured: tuple[Reason, ...] = ()
    """What is wrong now and would be right."""
