from __future__ import annotations

import msgspec
import pytest

from llmgw_admin.api import resources
from llmgw_admin.api.resources import RESOURCES
from llmgw_control.views import KINDS, View
from llmgw_domain.errors import InvalidField

BY_KIND = {resource.kind: resource for resource in RESOURCES}


def test_every_kind_is_offered() -> None:
    """What can be administered can be administered here."""
    assert sorted(KINDS) == sorted(BY_KIND)


def test_a_record_is_one_flat_object() -> None:
    """Its fields as in the file, with the name that it has there, and what the gateway says of it."""
    view = View(kind="model", id="a/b", origin="file", version="v", fields={"targets": []}, shadows=True)
    assert {
        "id": "a/b",
        "name": "a/b",
        "targets": [],
        "origin": "file",
        "version": "v",
        "enabled": None,
        "drain": None,
        "quarantined": (),
        "shadows": True,
    } == resources.shown(BY_KIND["model"], view)


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("account", {"id": "a", "pool": "p"}, ("a", {"pool": "p"})),
        ("model", {"name": "m", "targets": []}, ("m", {"targets": []})),
        ("model", {"id": "m", "targets": []}, ("m", {"targets": []})),
        ("key", {"name": "ci"}, (None, {"name": "ci"})),
        ("account", {"id": "a", "drain": True}, ("a", {"drain": True})),
    ],
)
def test_the_id_is_taken_out_of_what_is_sent(kind: str, body: dict[str, object], expected: object) -> None:
    """A record's id is the field of that name, or for models the name; a key may leave it to the gateway."""
    assert expected == resources.sent(BY_KIND[kind], body)  # type: ignore[index]


@pytest.mark.parametrize("body", [{"id": "m", "name": "n"}, {"id": 1}, {"name": ["m"]}])
def test_an_id_that_is_none_is_refused(body: dict[str, object]) -> None:
    """Two ids that differ, or one that is no text."""
    with pytest.raises(InvalidField):
        resources.sent(BY_KIND["model"], body)


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.kind)
def test_a_patch_may_have_any_field_or_none(resource: resources.Resource) -> None:
    """In a merge patch nothing is required and everything can be null, but for the id, which stays."""
    schema = msgspec.json.schema_components([resources.patch_struct(resource)])[1]
    patch = schema[resource.kind.capitalize() + "Patch"]
    assert [] == patch["required"]
    assert {resource.named, "id"} & set(patch["properties"]) == set()
    assert [] == [name for name, kind in patch["properties"].items() if {"type": "null"} not in kind["anyOf"]]
