"""`gateway requests` and `gateway explain`: what was asked, and why it went where it went."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from llmgw_gateway.verbs import story, tables
from llmgw_gateway.verbs.audit import moment
from llmgw_gateway.verbs.client import Wrong, step
from llmgw_gateway.verbs.desk import Desk

COLUMNS = ("at", "id", "model", "account", "outcome", "status", "attempts", "duration", "tokens", "session")

_FILTERS = ("tenant", "key", "account", "model", "outcome", "session")


def add(commands: Any, common: Callable[[argparse.ArgumentParser], None]) -> None:
    """Adds `requests list`, `requests get` and `explain` to argparse's subparsers."""
    requests = commands.add_parser("requests", help="what was asked", description="The request log.")
    verbs = requests.add_subparsers(required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="requests, newest first", description="Requests, newest first.")
    listing.set_defaults(verb=show)
    for name, text in (
        ("tenant", "of this tenant"),
        ("key", "with this client key, by its id"),
        ("account", "that this account served, or refused"),
        ("model", "for this model, by its configured name"),
        ("outcome", "that ended so: ok, refused, failed, cancelled, crashed; or open"),
        ("session", "turns of this session, by its key"),
    ):
        listing.add_argument(f"--{name}", metavar=name.upper(), help=text)
    listing.add_argument("--since", metavar="WHEN", help="from then on: 7d, 12h, 30min, 2026-01-31, or RFC 3339")
    listing.add_argument("--limit", type=int, default=50, metavar="N", help="how many at most (default 50)")
    common(listing)
    getting = verbs.add_parser("get", help="one request", description="One request, every field.")
    getting.set_defaults(verb=get)
    _add_id(getting)
    common(getting)
    explaining = commands.add_parser(
        "explain",
        help="why a request went where it went",
        description="Why a request went where it went: each attempt, what was known when its account was chosen, what "
        "came of it, and what that did to the session's cache.",
    )
    explaining.set_defaults(verb=explain)
    _add_id(explaining)
    common(explaining)


def _add_id(command: argparse.ArgumentParser) -> None:
    command.add_argument("id", metavar="ID", help="its id, or its x-request-id: then the newest that has it")


def show(desk: Desk, options: argparse.Namespace) -> None:
    """The newest requests that fit every filter, newest first."""
    if options.limit < 1:
        raise Wrong("--limit must be 1 or more")
    since = None if options.since is None else moment(options.since, datetime.fromtimestamp(time.time(), UTC))
    filters = {name: getattr(options, name) for name in _FILTERS}
    found = list(desk.client.pages("requests", {**filters, "since": since}, options.limit))
    if options.json:
        desk.say(tables.as_json(found))
    elif found:
        desk.say(tables.table([_row(request) for request in found], COLUMNS))
    else:
        desk.say("no requests")


def get(desk: Desk, options: argparse.Namespace) -> None:
    """One request, a field a line."""
    found = desk.client.call("GET", f"requests/{step(options.id)}")
    desk.say(tables.as_json(found) if options.json else tables.record(found))


def explain(desk: Desk, options: argparse.Namespace) -> None:
    """The story of one request."""
    found = desk.client.call("GET", f"requests/{step(options.id)}/explain")
    desk.say(tables.as_json(found) if options.json else story.told(found))


def _row(request: dict[str, Any]) -> dict[str, Any]:
    usage, session, seconds = request["usage"], request["session"], request["duration_seconds"]
    used = usage and f"{story.input_of(usage)} in ({usage['cache_read']} cached), {usage['output']} out"
    return {
        **request,
        "duration": None if seconds is None else story.seconds(seconds),
        "tokens": used,
        "session": session and f"{session['key'][:8]} {session['placement']}",
    }
