"""`gateway sessions list`, `show`, `forget`: where sessions are, and letting one choose anew."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from llmgw_gateway.verbs import tables
from llmgw_gateway.verbs.client import Wrong, step
from llmgw_gateway.verbs.desk import Desk

COLUMNS = ("session", "tenant", "key", "model", "home", "current", "reason", "warm_until", "expected_cached_tokens")


def add(commands: Any, common: Callable[[argparse.ArgumentParser], None]) -> None:
    """Adds the command to argparse's subparsers; `common` adds what every verb takes."""
    parser = commands.add_parser(
        "sessions", help="where sessions are", description="Look at sessions, and let one choose its account anew."
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    verb = verbs.add_parser("list", help="list sessions")
    verb.set_defaults(verb=_list)
    verb.add_argument("--account", metavar="ID", help="those that this account served last")
    verb.add_argument("--tenant", metavar="TENANT", help="those of this tenant")
    verb.add_argument("--key", metavar="ID", help="those that were last placed for this client's key")
    verb.add_argument("--limit", type=int, metavar="N", help="how many at most (default: all)")
    verb.add_argument("--after", metavar="SESSION", help="those behind this one, in the order of their keys")
    common(verb)
    for name, run, text in (
        ("show", _show, "show all of a session"),
        ("forget", _forget, "forget where a session is: its next turn chooses anew"),
    ):
        verb = verbs.add_parser(name, help=text)
        verb.set_defaults(verb=run)
        verb.add_argument("session", metavar="SESSION", help="the session's key, as 'sessions list' shows it")
        common(verb)


def _list(desk: Desk, options: argparse.Namespace) -> None:
    if options.limit is not None and options.limit < 1:
        raise Wrong("--limit must be 1 or more")
    query = {name: getattr(options, name) for name in ("account", "tenant", "key", "after")}
    found = list(desk.client.pages("sessions", query, options.limit))
    if options.json:
        desk.say(tables.as_json(found))
    elif found:
        desk.say(tables.table(found, COLUMNS))
    else:
        desk.say("no sessions")


def _show(desk: Desk, options: argparse.Namespace) -> None:
    found = desk.client.call("GET", f"sessions/{step(options.session)}")
    desk.say(tables.as_json(found) if options.json else tables.record(found))


def _forget(desk: Desk, options: argparse.Namespace) -> None:
    desk.client.call("DELETE", f"sessions/{step(options.session)}")
    said = f"session {options.session}: forgotten; its next turn chooses anew"
    desk.say(tables.as_json({"forgotten": options.session}) if options.json else said)
