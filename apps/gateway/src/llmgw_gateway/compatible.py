"""The OpenAI-compatible servers that accounts may name: those that come with the gateway, and the operator's own.

A server is a file of facts, `NAME.toml`. Ours are in `servers/` beside this module, the operator's in `servers.d/`
beside the configuration file, or `[[servers]]` tables in that file. They are read in this order, and a later one of the
same name changes only the keys that it gives: a fact that has become wrong is corrected in one line, a new provider is
added without code.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from llmgw_control import server_problems
from llmgw_domain.servers import Server
from llmgw_gateway import documents
from llmgw_gateway.convert import convert
from llmgw_gateway.locate import Lines
from llmgw_gateway.problems import ConfigError, Origins, Problem

FOLDER = "servers.d"

Facts = dict[str, Any]


def complete(raw: dict[str, Any], folder: Path | None) -> tuple[tuple[Server, ...], list[Problem]]:
    """Puts under each `[[servers]]` table in `raw` what is known of its name already.

    Gives the servers that no table names, and what is wrong with the files of `folder`, which need not be there.
    """
    known = dict(_builtin())
    others = {server.name: server for server in builtin()}
    problems: list[Problem] = []
    for path in sorted(folder.glob("*.toml")) if folder and folder.is_dir() else ():
        server, facts, wrong = _read(path, known)
        problems += wrong
        others[server.name] = server
        known[server.name] = facts
    for table in _tables(raw):
        name = table.get("name")
        if isinstance(name, str) and name in known:
            given = dict(table)
            table.update({**known[name], **given})
            others.pop(name, None)
    return tuple(others.values()), problems


@functools.cache
def builtin() -> tuple[Server, ...]:
    """The servers that come with the gateway, by name."""
    return tuple(convert(Server, facts)[0] for facts in _builtin().values())


@functools.cache
def _builtin() -> Mapping[str, Facts]:
    """Their facts by name, which nobody changes: they are read once."""
    folder = files("llmgw_gateway") / "servers"
    found = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=_file_name)
    names = [file.name.removesuffix(".toml") for file in found]
    return {
        name: {"name": name, **tomllib.loads(file.read_text("utf-8"))} for name, file in zip(names, found, strict=True)
    }


def _file_name(file: Traversable) -> str:
    return file.name


def _read(path: Path, known: dict[str, Facts]) -> tuple[Server, Facts, list[Problem]]:
    """One file of the operator's. Of one with problems only its name counts, so that nothing else is told twice."""
    bare = Server(name=path.stem), {"name": path.stem}
    try:
        text = documents.text_of(path)
        given = documents.parsed(text, path)
    except ConfigError as error:
        return *bare, list(error.problems)
    origins = Origins(file=str(path), lines=Lines.of(text))
    if given.get("name", path.stem) != path.stem:
        return *bare, [origins.problem("name", f"must be the file's own name, {path.stem!r}; it can be left out")]
    facts = {**known.get(path.stem, {}), **given, "name": path.stem}
    server, wrong = convert(Server, facts)
    reasons = wrong or [(reason.path, reason.message) for reason in server_problems(server)]
    if reasons:
        return *bare, [origins.problem(path_, message) for path_, message in reasons]
    return server, facts, []


def _tables(raw: dict[str, Any]) -> list[dict[str, Any]]:
    """The tables that the configuration has; anything else is told where it is converted."""
    found = raw.get("servers")
    return [table for table in found if isinstance(table, dict)] if isinstance(found, list) else []
