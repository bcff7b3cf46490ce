"""`gateway events`: who changed what, when, from what to what."""

from __future__ import annotations

import argparse
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from llmgw_gateway.verbs import tables
from llmgw_gateway.verbs.client import Wrong
from llmgw_gateway.verbs.desk import Desk

_AGO = re.compile(r"(\d{1,6})(s|min|h|d|w)")
_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}

COLUMNS = ("at", "actor", "action", "subject", "changes")


def add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--kind", metavar="KIND", help="of records of this kind, e.g. account")
    command.add_argument("--subject", metavar="KIND/ID", help="of this record, e.g. account/anthropic-a")
    command.add_argument("--actor", metavar="ACTOR", help="by this actor, e.g. admin:ci")
    command.add_argument("--since", metavar="WHEN", help="from then on: 7d, 12h, 30min, 2026-01-31, or RFC 3339")
    command.add_argument("--limit", type=int, default=100, metavar="N", help="how many at most (default 100)")


def show(desk: Desk, options: argparse.Namespace) -> None:
    """The newest changes that fit every filter, newest first."""
    if options.limit < 1:
        raise Wrong("--limit must be 1 or more")
    since = None if options.since is None else moment(options.since, datetime.fromtimestamp(time.time(), UTC))
    filters = {"kind": options.kind, "subject": options.subject, "actor": options.actor, "since": since}
    found = list(desk.client.pages("events", filters, options.limit))
    if options.json:
        desk.say(tables.as_json(found))
    elif found:
        desk.say(tables.table([_row(change) for change in found], COLUMNS))
    else:
        desk.say("no events")


def moment(text: str, now: datetime) -> str:
    """A moment as the API takes it: `7d` is so long before `now`, a date its beginning in UTC. Raises `Wrong`."""
    ago = _AGO.fullmatch(text)
    try:
        given = now - timedelta(**{_UNITS[ago[2]]: int(ago[1])}) if ago else datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise Wrong(f"--since must be like 7d, 12h, 30min, 2026-01-31 or 2026-01-31T12:00:00Z, not {text!r}") from None
    return (given if given.tzinfo else given.replace(tzinfo=UTC)).isoformat()


def _row(change: dict[str, Any]) -> dict[str, Any]:
    return {**change, "changes": [_told(part, change["action"]) for part in change["changes"]]}


def _told(part: dict[str, Any], action: str) -> str:
    to = tables.shown("to", part)
    return f"{part['field']}: {to}" if action == "created" else f"{part['field']}: {tables.shown('from', part)} → {to}"
