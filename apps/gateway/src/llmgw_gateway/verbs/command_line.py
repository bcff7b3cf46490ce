"""The verbs' part of the command line, and what their failures become."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from functools import partial
from typing import Any

from llmgw_gateway import console
from llmgw_gateway.verbs import audit, catalog, portable, records, requests, sessions, where
from llmgw_gateway.verbs.client import Client, TurnedAway, Unreachable, Wrong
from llmgw_gateway.verbs.desk import Desk

DONE, REFUSED, USAGE, UNREACHABLE = 0, 1, 2, 3

Verb = Callable[[Desk, argparse.Namespace], None]


def add_verbs(commands: Any) -> None:
    """Adds the commands for a running gateway to argparse's subparsers."""
    records.add(commands, _common)
    sessions.add(commands, _common)
    events = commands.add_parser(
        "events", help="who changed what, when", description="Who changed what, when, from what to what; newest first."
    )
    events.set_defaults(verb=audit.show)
    audit.add_options(events)
    _common(events)
    served = commands.add_parser(
        "catalog", help="what is served, and what is not", description="What a running gateway serves, and what not."
    )
    served.set_defaults(verb=catalog.show)
    _common(served)
    requests.add(commands, _common)
    portable.add(commands, _common)


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON, for programs")
    where.add_options(command)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    """Runs a verb; its exit code. Raises `Unreadable` for a configuration that can't be read."""
    verb: Verb = options.verb
    try:
        client = Client(where.find(options, os.environ))
        verb(Desk(client, partial(_line, console.say)), options)
    except Wrong as error:
        _line(console.complain, str(error))
        return USAGE
    except Unreachable as error:
        _line(console.complain, str(error))
        return UNREACHABLE
    except TurnedAway as error:
        for line in error.lines:
            _line(console.complain, line)
        return REFUSED
    return DONE


def _line(write: Callable[[str], None], text: str) -> None:
    write(f"{text}\n")
