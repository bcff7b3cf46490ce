"""`gateway catalog`: what is served, what is not, and what a file of changes would make of it."""

from __future__ import annotations

import argparse
from typing import Any

from llmgw_gateway.verbs import tables
from llmgw_gateway.verbs.client import TurnedAway
from llmgw_gateway.verbs.desk import Desk


def show(desk: Desk, options: argparse.Namespace) -> None:
    """What the gateway serves now, and which records it does not."""
    found = desk.client.call("GET", "catalog")
    if options.json:
        desk.say(tables.as_json(found))
        return
    counts = ", ".join(f"{count} {kind}" for kind, count in found["counts"].items())
    desk.say(f"catalog {found['version']}: {counts}")
    rows = [
        {"record": f"{record['kind']}/{record['id']}", "why not": reason["message"], "field": reason["path"] or "-"}
        for record in found["quarantined"]
        for reason in record["reasons"]
    ]
    if rows:
        desk.say("\nin quarantine, not served:\n" + tables.table(rows, ("record", "field", "why not")))


def trial(desk: Desk, options: argparse.Namespace, found: dict[str, Any]) -> None:
    """What changes would make of the catalog. Raises `TurnedAway` if they would be refused."""
    if options.json:
        desk.say(tables.as_json(found))
    else:
        rows = [row for difference in found["differences"] for row in _rows(difference)]
        if rows:
            desk.say(tables.table(rows, ("record", "field", "from", "to")))
        else:
            desk.say("nothing would change")
    if found["reasons"]:
        reasons = (": ".join(part for part in (r["path"], r["message"]) if part) for r in found["reasons"])
        raise TurnedAway(400, ("it would be refused:", *(f"  {reason}" for reason in reasons)))
    if not options.json:
        desk.say(f"it would be served as catalog {found['catalog']}; nothing was changed")


def _rows(difference: dict[str, Any]) -> list[dict[str, Any]]:
    before, after = difference["before"] or {}, difference["after"] or {}
    name = f"{difference['kind']}/{difference['id']}"
    if not before and not after:
        return [{"record": name, "field": "-"}]
    return [
        {"record": name, "field": field, "from": before.get(field), "to": after.get(field)}
        for field in dict.fromkeys((*before, *after))
    ]
