"""SQL in files: each query under its name, with a comment on why, read once.

A query begins at a line `-- name: NAME` and ends before the next one. Parameters are psycopg's (`%(name)s`); what can't
be a parameter (which log, which table) stands in braces and is filled in from names of this package alone.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


@cache
def queries(file: str) -> dict[str, bytes]:
    """The queries of `sql/FILE.sql` by name."""
    text = resources.files("llmgw_postgres").joinpath("sql", f"{file}.sql").read_text()
    parts = _NAME.split(text)[1:]
    return {name: query.strip().encode() for name, query in zip(parts[::2], parts[1::2], strict=True)}


@cache
def query(file: str, name: str, **names: str) -> bytes:
    """One query with the names in braces filled in; raises KeyError for one that is not there."""
    found = queries(file)[name]
    for key, value in names.items():
        found = found.replace(f"{{{key}}}".encode(), value.encode())
    return found
