"""The kinds of records that the API offers, and how a record looks there.

A record is one flat object: its own fields under the names that they have in `gateway.toml`, and beside them what the
gateway says of it (`GIVEN`). So what works in the file works here, and what was read shows what may be sent.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from llmgw_control.records import AccountRecord, KeyRecord, ModelRecord, PolicyRecord, PriceRecord, TokenRecord
from llmgw_control.refusal import Reason
from llmgw_control.views import Committed, Kind, View
from llmgw_domain.errors import InvalidField

Switch = Literal["enable", "disable", "drain", "undrain"]


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of records: `plural` is its name in paths, `record` the struct of its fields, `named` the field that is
    its id. `secret`: creating one answers a text that is shown once. `unnamed`: the gateway makes up an id where none
    is sent. `unsent` are fields that the API does not take.
    """

    kind: Kind
    plural: str
    record: type[msgspec.Struct]
    named: str = "id"
    slashes: bool = False
    secret: bool = False
    unnamed: bool = False
    unsent: tuple[str, ...] = ()
    switches: tuple[Switch, ...] = ()


RESOURCES = (
    Resource(
        kind="account", plural="accounts", record=AccountRecord, switches=("enable", "disable", "drain", "undrain")
    ),
    Resource(kind="model", plural="models", record=ModelRecord, named="name", slashes=True),
    Resource(
        kind="key",
        plural="keys",
        record=KeyRecord,
        secret=True,
        unnamed=True,
        unsent=("value",),
        switches=("enable", "disable"),
    ),
    Resource(kind="policy", plural="policies", record=PolicyRecord),
    Resource(kind="price", plural="prices", record=PriceRecord, unnamed=True),
    Resource(
        kind="token",
        plural="tokens",
        record=TokenRecord,
        secret=True,
        unnamed=True,
        unsent=("hash",),
        switches=("enable", "disable"),
    ),
)


def takes_reason(resource: Resource, switch: Switch) -> bool:
    """Whether who throws the switch may say why."""
    return switch == "disable" and "disabled_reason" in resource.record.__struct_fields__


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway says of a record, beside its fields.

    `origin` is `log` for what the API made and `file` for what stands in the configuration file, where it may hide
    (`shadows`) one of the log. `version` changes with each change, and is the ETag. `enabled` is what counts, switches
    included; null for what can't be switched. `quarantined` says why a record is not in the catalog.
    """

    origin: Literal["log", "file"]
    version: str
    enabled: bool | None
    drain: bool | None
    quarantined: tuple[Reason, ...]
    shadows: bool


READ_ONLY = tuple(name for name in Given.__struct_fields__ if name != "enabled")
"""Names that may be read, but not sent: what they say is changed by other means."""

_OTHERWISE = {
    "drain": "POST to .../drain and .../undrain",
    "version": "send it as the header If-Match",
}


def shown(resource: Resource, view: View) -> dict[str, object]:
    """A record as the API answers it: with its `id`, also where the file calls that `name`."""
    given = {name: getattr(view, name) for name in Given.__struct_fields__}
    if given["enabled"] is None:
        # A kind without switches may have a field of this name.
        given["enabled"] = view.fields.get("enabled")
    return {"id": view.id, resource.named: view.id, **view.fields, **given}


def shown_with_secret(resource: Resource, committed: Committed) -> dict[str, object]:
    """A record that was just made; with the text of its secret, this once."""
    assert committed.view is not None
    record = shown(resource, committed.view)
    return record if committed.secret is None else {**record, "secret": committed.secret}


def sent(resource: Resource, body: dict[str, object], id: str | None = None) -> tuple[str | None, dict[str, object]]:
    """The id and the fields that a body gives for a record; `id` is the one in the path.

    Raises `InvalidField` for what can't be sent, and for an id that is none or another one than the path's.
    """
    for name in READ_ONLY:
        if name in body and name not in resource.record.__struct_fields__:
            raise InvalidField(f"{name!r} can't be set; {_OTHERWISE.get(name, 'the gateway says it')}.", param=name)
    fields = dict(body)
    found = id
    for name in dict.fromkeys(("id", resource.named)):
        given = fields.pop(name, found)
        if given is not None and not isinstance(given, str):
            raise InvalidField(f"{name!r} must be a string.", param=name)
        if found is not None and given != found:
            raise InvalidField(f"{name!r} is {found!r} and can't be changed; create another record.", param=name)
        found = given
    return found, fields


def sendable(resource: Resource) -> list[msgspec.structs.FieldInfo]:
    """The fields of a record that may be sent."""
    return [field for field in msgspec.structs.fields(resource.record) if field.name not in resource.unsent]


def created_struct(resource: Resource) -> type[msgspec.Struct]:
    """What a record of this kind is made of."""
    optional = ("id",) if resource.unnamed else ()
    fields = [_optional(f) if f.name in optional else _as_is(f) for f in sendable(resource)]
    return msgspec.defstruct(f"{_title(resource)}Create", fields, kw_only=True, forbid_unknown_fields=True)


def patch_struct(resource: Resource) -> type[msgspec.Struct]:
    """A merge patch (RFC 7396) of a record: every field optional, null for its default."""
    fields = [_optional(f) for f in sendable(resource) if f.name not in ("id", resource.named)]
    return msgspec.defstruct(f"{_title(resource)}Patch", fields, kw_only=True, forbid_unknown_fields=True)


def answer_struct(resource: Resource, *, secret: bool = False) -> type[msgspec.Struct]:
    """A record as it is answered."""
    given = {f.name: _as_is(f) for f in msgspec.structs.fields(Given)}
    own = {f.name: _optional(f) for f in msgspec.structs.fields(resource.record) if f.name != "id"}
    fields: dict[str, Any] = {"id": ("id", str), **own, **given}
    if secret:
        fields["secret"] = ("secret", str | msgspec.UnsetType, msgspec.UNSET)
    return msgspec.defstruct(_title(resource) + ("Created" if secret else ""), list(fields.values()), kw_only=True)


def page_struct(resource: Resource, item: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """A page of a list: `next` is the `after` of the following page, null at the end."""
    fields: list[Any] = [("data", list[item]), ("next", str | None)]  # type: ignore[valid-type]
    return msgspec.defstruct(f"{_title(resource)}Page", fields, kw_only=True)


def _title(resource: Resource) -> str:
    return resource.kind.capitalize()


def _as_is(field: msgspec.structs.FieldInfo) -> Any:
    if field.required:
        return (field.encode_name, field.type)
    default = field.default
    if field.default_factory is not msgspec.NODEFAULT:
        default = msgspec.field(default_factory=field.default_factory)
    return (field.encode_name, field.type, default)


def _optional(field: msgspec.structs.FieldInfo) -> Any:
    return (field.encode_name, field.type | None | msgspec.UnsetType, msgspec.UNSET)
