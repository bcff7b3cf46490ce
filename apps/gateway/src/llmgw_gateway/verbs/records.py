"""`gateway accounts list`, `gateway keys create`, ...: the same verbs for every kind of records."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from llmgw_admin.api.resources import RESOURCES, Resource, Switch, sendable, takes_reason
from llmgw_gateway.verbs import catalog, tables, values
from llmgw_gateway.verbs.client import Wrong, step
from llmgw_gateway.verbs.desk import Desk

_SWITCHED: dict[Switch, str] = {
    "enable": "enabled",
    "disable": "disabled",
    "drain": "draining: it gets nothing new, what is in flight ends",
    "undrain": "no longer draining",
}

# --- the command line -------------------------------------------------------------------------------------------------


def add(kinds: Any, common: Callable[[argparse.ArgumentParser], None]) -> None:
    """Adds a command for each kind of records to the subparsers `kinds`; `common` adds what every verb takes."""
    for resource in RESOURCES:
        parser = kinds.add_parser(
            resource.plural, help=f"list and change {resource.plural}", description=f"Administer {resource.plural}."
        )
        verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
        _add_reading(verbs, resource, common)
        _add_changing(verbs, resource, common)
        for switch in resource.switches:
            verb = verbs.add_parser(switch, help=f"{switch} {_a(resource)}")
            verb.set_defaults(verb=partial(_switch, resource, switch))
            _id(verb, resource)
            if takes_reason(resource, switch):
                verb.add_argument("--reason", metavar="TEXT", help="why, for whoever looks at it until it is enabled")
            common(verb)


def _add_reading(verbs: Any, resource: Resource, common: Callable[[argparse.ArgumentParser], None]) -> None:
    verb = verbs.add_parser("list", help=f"list {resource.plural}")
    verb.set_defaults(verb=partial(_list, resource))
    verb.add_argument("--limit", type=int, metavar="N", help="how many at most (default: all)")
    verb.add_argument("--after", metavar="ID", help="those behind this one, in the order of their ids")
    common(verb)
    verb = verbs.add_parser("get", help=f"show all of {_a(resource)}")
    verb.set_defaults(verb=partial(_get, resource))
    _id(verb, resource)
    common(verb)


def _add_changing(verbs: Any, resource: Resource, common: Callable[[argparse.ArgumentParser], None]) -> None:
    verb = verbs.add_parser("create", help=f"make {_a(resource)}")
    verb.set_defaults(verb=partial(_create, resource))
    _id(verb, resource, optional=resource.unnamed)
    _fields(verb, resource)
    common(verb)
    verb = verbs.add_parser("patch", aliases=["set"], help=f"change {_a(resource)}")
    verb.set_defaults(verb=partial(_patch, resource))
    _id(verb, resource)
    _fields(verb, resource)
    verb.add_argument("--unset", action="append", default=[], metavar="FIELD", help="back to the field's default")
    verb.add_argument("--if-version", metavar="VERSION", help="only if the record still is of this version")
    common(verb)
    verb = verbs.add_parser("delete", help=f"delete {_a(resource)}")
    verb.set_defaults(verb=partial(_delete, resource))
    _id(verb, resource)
    verb.add_argument("--dry-run", action="store_true", help="say what it would do, and do nothing")
    verb.add_argument("--if-version", metavar="VERSION", help="only if the record still is of this version")
    common(verb)


def _id(verb: argparse.ArgumentParser, resource: Resource, *, optional: bool = False) -> None:
    text = f"the {resource.kind}'s {resource.named}" + (" (default: the gateway makes one)" if optional else "")
    verb.add_argument("id", metavar=resource.named.upper(), help=text, nargs="?" if optional else None)


def _fields(verb: argparse.ArgumentParser, resource: Resource) -> None:
    """An option for each field of the record, named as in the configuration file."""
    group = verb.add_argument_group("fields", "as in gateway.toml; lists as a,b, tables as name=value,name=value")
    for field in sendable(resource):
        if field.name in ("id", resource.named):
            continue
        secret = " a reference, or - to read it from standard input" if field.name in values.SECRETS else ""
        group.add_argument(
            f"--{field.encode_name.replace('_', '-')}",
            dest=f"field.{field.encode_name}",
            metavar=values.described(field.type),
            action="append" if values.repeats(field.type) else "store",
            help=secret.strip() or None,
        )
    group.add_argument(
        "--file", type=Path, metavar="FILE", help="fields as a TOML or JSON document; - is standard input"
    )
    group.add_argument("--dry-run", action="store_true", help="say what it would do, and do nothing")


def _a(resource: Resource) -> str:
    return f"{'an' if resource.kind[0] in 'aeiou' else 'a'} {resource.kind}"


# --- the verbs --------------------------------------------------------------------------------------------------------


def _list(resource: Resource, desk: Desk, options: argparse.Namespace) -> None:
    if options.limit is not None and options.limit < 1:
        raise Wrong("--limit must be 1 or more")
    found = list(desk.client.pages(resource.plural, {"after": options.after}, options.limit))
    if options.json:
        desk.say(tables.as_json(found))
    elif found:
        desk.say(tables.table(found, tables.COLUMNS[resource.kind]))
    else:
        desk.say(f"no {resource.plural}")


def _get(resource: Resource, desk: Desk, options: argparse.Namespace) -> None:
    _show(desk, options, desk.client.call("GET", _path(resource, options.id)))


def _create(resource: Resource, desk: Desk, options: argparse.Namespace) -> None:
    body = fields_of(resource, options, desk)
    if options.id is not None:
        body[resource.named] = options.id
    if options.dry_run:
        _try(resource, desk, options, "create", body)
        return
    made = desk.client.call("POST", resource.plural, body)
    secret = made.get("secret")
    _show(desk, options, made)
    if secret is not None and not options.json:
        desk.say("\nKeep the secret now: it is stored nowhere and shown this once.")


def _patch(resource: Resource, desk: Desk, options: argparse.Namespace) -> None:
    body = {**fields_of(resource, options, desk), **{name.replace("-", "_"): None for name in options.unset}}
    if not body:
        raise Wrong(f"nothing to change: give a field, e.g. 'gateway {resource.plural} patch --help'")
    if options.dry_run:
        _try(resource, desk, options, "patch", body)
        return
    headers = _if_match(options)
    _show(desk, options, desk.client.call("PATCH", _path(resource, options.id), body, headers=headers))


def _delete(resource: Resource, desk: Desk, options: argparse.Namespace) -> None:
    if options.dry_run:
        _try(resource, desk, options, "delete", {})
        return
    desk.client.call("DELETE", _path(resource, options.id), headers=_if_match(options))
    desk.say(tables.as_json({"deleted": options.id}) if options.json else f"{resource.kind} {options.id}: deleted")


def _switch(resource: Resource, switch: Switch, desk: Desk, options: argparse.Namespace) -> None:
    query = {"reason": getattr(options, "reason", None)}
    done = desk.client.call("POST", f"{_path(resource, options.id)}/{switch}", query=query)
    desk.say(tables.as_json(done) if options.json else f"{resource.kind} {options.id}: {_SWITCHED[switch]}")


def _try(resource: Resource, desk: Desk, options: argparse.Namespace, action: str, body: dict[str, Any]) -> None:
    record_id = options.id or body.get(resource.named) or body.get("name") or "new"
    fields = {name: value for name, value in body.items() if name not in ("id", resource.named)}
    change = {"action": action, "kind": resource.kind, "id": record_id, "fields": fields}
    catalog.trial(desk, options, desk.client.call("POST", "catalog/try", {"changes": [change]}))


def _show(desk: Desk, options: argparse.Namespace, record: dict[str, Any]) -> None:
    desk.say(tables.as_json(record) if options.json else tables.record(record))


def _path(resource: Resource, record_id: str) -> str:
    return f"{resource.plural}/{step(record_id)}"


def _if_match(options: argparse.Namespace) -> dict[str, str]:
    return {} if options.if_version is None else {"if-match": f'"{options.if_version}"'}


# --- fields -----------------------------------------------------------------------------------------------------------


def fields_of(resource: Resource, options: argparse.Namespace, desk: Desk) -> dict[str, Any]:
    """The fields that a command line gives: those of its file, and over them those of its options. Raises `Wrong`."""
    fields = _of_file(options.file, desk) if options.file is not None else {}
    for field in sendable(resource):
        given = getattr(options, f"field.{field.encode_name}", None)
        if isinstance(given, list):
            parts = [values.parse(field.encode_name, field.type, text, desk.ask) for text in given]
            fields[field.encode_name] = [item for part in parts for item in _listed(part)]
        elif given is not None:
            fields[field.encode_name] = values.parse(field.encode_name, field.type, given, desk.ask)
    return fields


def _listed(part: object) -> list[object]:
    return part if isinstance(part, list) else [part]


def _of_file(path: Path, desk: Desk) -> dict[str, Any]:
    text = desk.read(path)
    found: Any = None
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError:
        try:
            found = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise Wrong(f"{path}: is neither JSON nor TOML: {error}") from None
    if not isinstance(found, dict):
        raise Wrong(f"{path}: must be a table of fields")
    return found
