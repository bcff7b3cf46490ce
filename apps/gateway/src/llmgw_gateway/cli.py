"""The `gateway` command.

Exit codes: 0 done; 1 refused, with every problem on standard error; 2 the configuration file can't be read, or the
command line is wrong; 3 a verb for a running gateway (see `verbs`) can reach none.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from llmgw_gateway import console
from llmgw_gateway.check import examine, summary
from llmgw_gateway.config import Settings, read
from llmgw_gateway.keyring import PREVIOUS_FILE, PREVIOUS_VARIABLE, rotate
from llmgw_gateway.problems import Problem, Unreadable
from llmgw_gateway.sealing import FILE_NAME, VARIABLE, MasterKey, SealingError, find_master_key, make_master_key
from llmgw_gateway.verbs import add_verbs

OK, REFUSED, UNREADABLE = 0, 1, 2

_EXAMPLES = """\
examples:
  gateway                                    start with ./gateway.toml, or with the built-in simulator
  gateway serve --config /etc/gateway.toml   start with another file
  gateway check                              say what is wrong with the configuration, by line
  pass show openai | gateway seal            print a sealed value to put into the configuration
  gateway accounts list                      ask a running gateway for its accounts
  gateway keys create ci --policy default    make a client key; its text is printed this once

exit codes: 0 done; 1 refused, the reasons are on standard error; 2 the file can't be read, or wrong usage;
3 no running gateway can be reached

Every key of the file has an environment name too: server.data_bind is GATEWAY_SERVER__DATA_BIND.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and gives its exit code."""
    console.open_missing()
    try:
        return _run(arguments)
    finally:
        console.finish()


def _run(arguments: Sequence[str] | None) -> int:
    options = _parser().parse_args(_with_default(list(sys.argv[1:] if arguments is None else arguments)))
    try:
        code: int = options.run(options)
    except Unreadable as error:
        _complain(*error.problems)
        return UNREADABLE
    except SealingError as error:
        _complain(str(error))
        return REFUSED
    return code


def _with_default(arguments: list[str]) -> list[str]:
    """`gateway` and `gateway --config F` are `gateway serve ...`."""
    if arguments and (not arguments[0].startswith("-") or arguments[0] in ("-h", "--help", "--version")):
        return arguments
    return ["serve", *arguments]


# --- commands ---------------------------------------------------------------------------------------------------------


def _serve(options: argparse.Namespace) -> int:
    settings, problems = _read(options)
    problems = examine(settings, problems)
    if problems:
        _complain(*problems)
        return REFUSED
    # Composition brings in every server and client library; the other commands do without.
    if settings.config.server.workers == 0:
        from llmgw_gateway.build import serve

        return serve(settings)
    from llmgw_gateway.processes.running import supervise

    return supervise(settings, _given(options))


def _process(options: argparse.Namespace) -> int:
    """One of the processes that `gateway serve` starts."""
    settings, problems = _read(options)
    problems = examine(settings, problems)
    if problems:
        _complain(*problems)
        return REFUSED
    from llmgw_gateway.processes.running import run_child

    return run_child(settings, options.role)


_FLAGS = ("data_bind", "admin_bind", "data_dir", "time_scale")
"""Options that are keys of `[server]`."""


def _given(options: argparse.Namespace) -> list[str]:
    """The options of this command line, for another one."""
    given = {name: getattr(options, name) for name in ("config", "master_key", *_FLAGS)}
    return [f"--{name.replace('_', '-')}={value}" for name, value in given.items() if value is not None]


def _check(options: argparse.Namespace) -> int:
    settings, problems = _read(options)
    problems = examine(settings, problems)
    if problems:
        _complain(*problems)
        return REFUSED
    _say(summary(settings))
    return OK


def _seal(options: argparse.Namespace) -> int:
    # A configuration that is not valid yet may be waiting for the very value that is about to be sealed.
    settings, _ = _read(options)
    secret = _ask()
    if not secret:
        _complain("nothing to seal: the secret is empty")
        return REFUSED
    _say(_master_key(settings).seal(secret))
    return OK


def _rotate(options: argparse.Namespace) -> int:
    settings, _ = _read(options)
    if settings.master_key is not None or settings.environ.get(VARIABLE):
        _complain(
            f"the master key is given by {settings.master_key or VARIABLE}: give the new one there, and the old one as "
            f"{PREVIOUS_VARIABLE}; the next start seals anew. Nothing was changed"
        )
        return REFUSED
    ring = rotate(settings.data_dir)
    _say(
        f"made master key {ring.current.id} in {settings.data_dir / FILE_NAME}; the one before is in {PREVIOUS_FILE}. "
        "Restart the gateway: it seals anew what is administered. Back up both, and remove the previous one after 30 "
        "days, when nothing that is kept for clients is sealed with it any more. Values in the configuration that "
        "`gateway seal` printed need it too: seal them anew"
    )
    return OK


def _migrate(options: argparse.Namespace) -> int:
    settings, problems = _read(options)
    if problems:
        _complain(*problems)
        return REFUSED
    from llmgw_gateway.migrating import Unmigrated, bring_up

    try:
        applied = bring_up(settings)
    except Unmigrated as error:
        _complain(str(error))
        return REFUSED
    _say(f"applied {', '.join(applied)}" if applied else "the schema is up to this release")
    return OK


def _version(_: argparse.Namespace) -> int:
    _say(f"llmgw {version('llmgw-gateway')}")
    return OK


def _master_key(settings: Settings) -> MasterKey:
    found = find_master_key(settings.master_key, settings.environ, settings.data_dir)
    if found is not None:
        return found
    made = make_master_key(settings.data_dir)
    _complain(
        f"made master key {made.id} in {settings.data_dir / 'master.key'}: back it up, apart from the configuration"
    )
    return made


def _ask() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Secret (not shown): ")
    return sys.stdin.read().removesuffix("\n").removesuffix("\r")


# --- the command line -------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gateway",
        description="A self-hosted gateway for LLM traffic.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"llmgw {version('llmgw-gateway')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    serve = commands.add_parser("serve", help="start the gateway (the default)", description="Start the gateway.")
    serve.set_defaults(run=_serve)
    process = commands.add_parser("process", description="One process of a running gateway, for its own use.")
    process.set_defaults(run=_process)
    process.add_argument("role", choices=("control", "worker"))
    for command in (serve, process):
        command.add_argument("--data-bind", metavar="HOST:PORT", help="where clients connect (default 127.0.0.1:8080)")
        command.add_argument(
            "--admin-bind", metavar="HOST:PORT", help="where the dashboard is (default 127.0.0.1:8081)"
        )
        command.add_argument(
            "--time-scale",
            type=float,
            metavar="N",
            help="for benchmarks: let the clocks of sessions, pauses and limits run N times faster",
        )
    check = commands.add_parser(
        "check", help="validate the configuration", description="Say all that is wrong with the configuration, by line."
    )
    check.set_defaults(run=_check)
    seal = commands.add_parser(
        "seal",
        help="encrypt a secret for the configuration",
        description="Read a secret from standard input, or ask for it, and print its sealed form. Without a master key "
        "one is made in the data folder; an existing one is never replaced.",
    )
    seal.set_defaults(run=_seal)
    rotating = commands.add_parser(
        "rotate-master-key",
        help="make a new master key in the data folder",
        description="Make a new master key in the data folder, and keep the old one beside it, which still opens. The "
        "next start of the gateway seals anew what is administered.",
    )
    rotating.set_defaults(run=_rotate)
    migrating = commands.add_parser(
        "migrate",
        help="bring a database's schema up to this release",
        description="Bring the schema of the database at database.url up to this release. Every start does it too.",
    )
    migrating.set_defaults(run=_migrate)
    for command in (serve, process, check, seal, rotating, migrating):
        _common(command)
    add_verbs(commands)
    commands.add_parser("version", help="print the version").set_defaults(run=_version)
    return parser


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config", metavar="FILE", type=Path, help="configuration file (default $GATEWAY_CONFIG, then ./gateway.toml)"
    )
    command.add_argument(
        "--data-dir", metavar="DIR", help="data folder (default $GATEWAY_DATA_DIR, then ~/.local/share/llmgw)"
    )
    command.add_argument(
        "--master-key",
        metavar="REF",
        help="env:NAME or file:PATH of the master key (default $GATEWAY_MASTER_KEY, then DIR/master.key)",
    )


def _read(options: argparse.Namespace) -> tuple[Settings, list[Problem]]:
    flags = {f"server.{name}": getattr(options, name, None) for name in _FLAGS}
    given = {path: value for path, value in flags.items() if value is not None}
    return read(options.config, os.environ, given, options.master_key)


def _say(text: str) -> None:
    console.say(f"{text}\n")


def _complain(*problems: Problem | str) -> None:
    for problem in problems:
        console.complain(f"{problem}\n")
