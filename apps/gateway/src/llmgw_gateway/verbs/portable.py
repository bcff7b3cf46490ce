"""`gateway export`, `gateway import`, `gateway replay`: the state as a whole, and what the log says of it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import msgspec

from llmgw_gateway.verbs import tables
from llmgw_gateway.verbs.client import TurnedAway, Wrong
from llmgw_gateway.verbs.desk import Desk

_AT_ONCE = 500
"""Records of one request: each is taken whole or not at all."""


def add(commands: Any, common: Any) -> None:
    """Adds the three commands to argparse's subparsers."""
    out = commands.add_parser(
        "export",
        help="the whole state in one file",
        description="Write everything that is administered (not what stands in gateway.toml) to a file. Secrets in it "
        "are sealed with the gateway's master key, so it is of no use without that.",
    )
    out.add_argument("file", metavar="FILE", help="where to; it must not exist yet")
    into = commands.add_parser(
        "import",
        help="an exported state, or the configuration file's records, into the log",
        description="Bring in an exported state: records that are not there are made, of the others the fields that "
        "differ are set, nothing is deleted. With another master key than the exporting gateway's, give that one as "
        "GATEWAY_MASTER_KEY_PREVIOUS; at the next start everything is sealed anew. Without FILE the records of the "
        "gateway's own gateway.toml are copied into the log, where they count once they are gone from the file.",
    )
    into.add_argument("file", metavar="FILE", nargs="?", help="an exported state")
    again = commands.add_parser(
        "replay",
        help="rebuild every projection from the log, and compare",
        description="Fold the whole log anew and report where the request log and the usage differ from it. Exit code "
        "1 if they do.",
    )
    again.add_argument("--repair", action="store_true", help="put the new tables in the place of those that differ")
    for command, verb in ((out, export), (into, bring), (again, replay)):
        command.set_defaults(verb=verb)
        common(command)


def export(desk: Desk, options: argparse.Namespace) -> None:
    """Writes the state to a new file that only its owner can read. Raises `Wrong` if it can't be written."""
    found = desk.client.call("GET", "export")
    try:
        descriptor = os.open(options.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(found), indent=1))
    except OSError as error:
        raise Wrong(f"{options.file} can't be written: {error.strerror}") from None
    desk.say(f"{len(found['records'])} records in {options.file}")


def bring(desk: Desk, options: argparse.Namespace) -> None:
    """Brings a state in, piece by piece. Raises `Wrong` for a file that is none."""
    if options.file is None:
        done = desk.client.call("POST", "import", {"file": True})
        desk.say(f"{done['changed']} records of the configuration file are in the log; catalog {done['catalog']}")
        return
    try:
        state = msgspec.json.decode(Path(options.file).read_bytes())
        version, records = state["format"], state["records"]
    except OSError as error:
        raise Wrong(f"{options.file} can't be read: {error.strerror}") from None
    except (msgspec.DecodeError, KeyError, TypeError):
        raise Wrong(f"{options.file} is no exported state: `gateway export` makes one") from None
    changed = 0
    for start in range(0, len(records), _AT_ONCE):
        body = {"format": version, "records": records[start : start + _AT_ONCE]}
        changed += desk.client.call("POST", "import", body)["changed"]
    desk.say(f"{changed} of {len(records)} records differed, and are in the log now")


def replay(desk: Desk, options: argparse.Namespace) -> None:
    """Says what differs. Raises `TurnedAway` if anything does and stays so."""
    found = desk.client.call("POST", "replay", {"repair": options.repair})
    if options.json:
        desk.say(tables.as_json(found))
    elif not found["differences"]:
        desk.say("no difference: the request log and the usage are what the log says")
    elif found["repaired"]:
        desk.say("\n".join([*found["differences"], "repaired"]))
    if found["differences"] and not found["repaired"]:
        lines = () if options.json else found["differences"]
        raise TurnedAway(200, (*lines, "differences: run with --repair to put the new tables in their place"))
