"""Every key of the configuration by its environment name.

`GATEWAY_` and the path, in capitals, its steps joined by two underscores: `GATEWAY_SERVER__DATA_BIND`,
`GATEWAY_ACCOUNTS__0__ID`. A name may also stop at a table or an array and give all of it as one TOML or JSON value:
`GATEWAY_ACCOUNTS='[{id = "a", ...}]'`. An empty variable counts as not set, as container tools make them. A name that
leads nowhere is an error, as an unknown key in the file is.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from llmgw_gateway.convert import fields_of, items_of, struct_of, takes_text
from llmgw_gateway.problems import Origins, Problem

PREFIX = "GATEWAY_"

RESERVED = {
    "GATEWAY_CONFIG",
    "GATEWAY_ADMIN_TOKEN",
    "GATEWAY_ADMIN_URL",
    "GATEWAY_MASTER_KEY",
    "GATEWAY_MASTER_KEY_PREVIOUS",
    "GATEWAY_CLUSTER_SECRET",
    "GATEWAY_PRINT_SECRETS",
}
"""Variables that are no keys of the configuration."""

ALIASES = {"GATEWAY_DATA_DIR": "GATEWAY_SERVER__DATA_DIR"}
"""Short names; they win over the long ones."""

# Kubernetes puts these into every container beside a service whose name begins with "gateway".
_SERVICE_LINK = re.compile(
    r"GATEWAY_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)

_REFERENCE = re.compile(r"\benv:(\w+)")

Step = str | int


def overlay(
    raw: dict[str, Any], environ: Mapping[str, str], schema: type[msgspec.Struct], origins: Origins
) -> list[Problem]:
    """Puts the values of the environment over those in `raw`, and notes in `origins` which came from where."""
    problems: list[Problem] = []
    for steps, name in _ordered(_given(environ, raw)):
        try:
            value = _parse(environ[name], _kind_at(steps, schema))
            _put(raw, steps, value, name, origins)
        except ValueError as error:
            problems.append(Problem(source=name, message=str(error)))
    return problems


def env_name(path: str) -> str:
    """The environment name of a path: `accounts[0].id` is `GATEWAY_ACCOUNTS__0__ID`."""
    return PREFIX + "__".join(re.findall(r"[^.\[\]]+", path)).upper()


# --- names ------------------------------------------------------------------------------------------------------------


def _given(environ: Mapping[str, str], raw: object) -> Iterator[tuple[tuple[Step, ...], str]]:
    """The steps that each variable names. What the configuration refers to as a secret is nobody's key."""
    ours = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    secrets = set(_references([raw, list(ours.values())]))
    for name, value in ours.items():
        if not value or name in RESERVED or name in secrets or _SERVICE_LINK.fullmatch(name):
            continue
        steps = ALIASES.get(name, name).removeprefix(PREFIX).lower().split("__")
        yield tuple(int(s) if re.fullmatch(r"\d{1,4}", s) else s for s in steps), name


def _ordered(given: Iterator[tuple[tuple[Step, ...], str]]) -> list[tuple[tuple[Step, ...], str]]:
    """Whole tables before what is in them, lower indices first, short names last."""
    return sorted(
        given,
        key=lambda g: (
            len(g[0]),
            [(isinstance(s, str), s if isinstance(s, int) else 0, str(s)) for s in g[0]],
            g[1] in ALIASES,
        ),
    )


def _references(raw: object) -> Iterator[str]:
    if isinstance(raw, dict):
        for value in raw.values():
            yield from _references(value)
    elif isinstance(raw, list):
        for value in raw:
            yield from _references(value)
    elif isinstance(raw, str):
        yield from _REFERENCE.findall(raw)


def _kind_at(steps: tuple[Step, ...], schema: type[msgspec.Struct]) -> Any:
    """The kind of value at these steps. Raises ValueError where they lead nowhere, with the nearest name."""
    kind: Any = schema
    for depth, step in enumerate(steps):
        item = items_of(kind)
        struct = struct_of(kind)
        fields = fields_of(struct) if struct else {}
        if item is not None and isinstance(step, int):
            kind = item
        elif step in fields:
            kind = fields[str(step)].type
        else:
            raise ValueError(_nowhere(steps, depth, list(fields) or ["0"] * (item is not None)))
    return kind


def _nowhere(steps: tuple[Step, ...], depth: int, names: list[str]) -> str:
    """Only the wrong step is compared: the rest of the name is shared, so that every name would seem near."""
    found = difflib.get_close_matches(str(steps[depth]), names, n=1)
    right = [*steps[:depth], *found, *steps[depth + 1 :]]
    hint = f"; did you mean {PREFIX}{'__'.join(map(str, right)).upper()}?" if found else ""
    return f"there is no such key{hint}"


# --- values -----------------------------------------------------------------------------------------------------------


def _parse(text: str, kind: Any) -> Any:
    """The value of a variable. Where plain text is wanted it is the text; else TOML, or JSON."""
    table = struct_of(kind) is not None
    if takes_text(kind) and not (table and text.lstrip().startswith("{")):
        return text
    if kind is bool:
        text = text.lower()
    for parse in (_toml, msgspec.json.decode):
        try:
            return parse(text)
        except (ValueError, RecursionError):
            continue
    # Left as text, which is of the wrong kind, so that it is refused in the same words as in a file.
    if kind in (bool, int, float) or not (table or items_of(kind)):
        return text
    raise ValueError("is neither a TOML nor a JSON value")


def _toml(text: str) -> Any:
    parsed = tomllib.loads(f"value = {text}")
    if list(parsed) != ["value"]:
        raise ValueError("more than one value")
    return parsed["value"]


def _put(raw: dict[str, Any], path: tuple[Step, ...], value: Any, name: str, origins: Origins) -> None:
    at: Any = raw
    spelt = ""
    for step, following in zip(path, (*path[1:], None), strict=True):
        spelt = f"{spelt}[{step}]" if isinstance(step, int) else f"{spelt}.{step}" if spelt else step
        new = (isinstance(step, int) and step >= len(at)) or (isinstance(step, str) and step not in at)
        if isinstance(step, int) and step > len(at):
            raise ValueError(f"there is no {spelt}: the next free index is {len(at)}")
        if following is None:
            content = value
        else:
            wanted: type = list if isinstance(following, int) else dict
            content = at[step] if not new and isinstance(at[step], wanted) else wanted()
        if isinstance(step, int) and step == len(at):
            at.append(content)
        else:
            at[step] = content
        if new or following is None:
            origins.names[spelt] = name
        at = at[step]
