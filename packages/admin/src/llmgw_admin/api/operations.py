"""What an operation of the API is: one row of the one table that requests are served by and that OpenAPI is made of.

A row says its method and path, its query and body as structs, what it answers and how it may be refused, and which
function does it. Nothing else is registered anywhere: what is not in the table is not served, and what is in it is
described.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from llmgw_admin.refusal import PathTakesOther
from llmgw_control.views import Actor
from llmgw_domain.errors import BadRequest, InvalidField, NotFound


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The query of an operation that takes none."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request, taken apart and checked for form. `id` is the one in the path, `fields` the body's object.

    `expected` are the versions in If-Match; None without the header, or where it is `*`.
    """

    actor: Actor
    id: str = ""
    query: Any = NoQuery()
    fields: dict[str, object] = {}
    expected: tuple[str, ...] | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What is answered: `body` as JSON, or nothing where it is UNSET."""

    status: int = 200
    body: object = msgspec.UNSET
    headers: Mapping[str, str] = {}


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path. `path` may hold `{id}`, which takes in slashes where `slashes` says so.

    `status` and `answer` are those of success, `refusals` the statuses of failure beyond those that every operation
    has, `headers` those of its answer; `types` the media types that a body may be declared as. `conditional`: If-Match
    is heeded.
    """

    name: str
    method: str
    path: str
    summary: str
    run: Callable[[Call], Awaitable[Answer]]
    tag: str
    status: int = 200
    answer: Any = None
    query: type[msgspec.Struct] = NoQuery
    body: Any = None
    types: tuple[str, ...] = ("application/json",)
    slashes: bool = False
    conditional: bool = False
    refusals: tuple[int, ...] = ()
    headers: tuple[str, ...] = ()

    @property
    def pattern(self) -> re.Pattern[str]:
        one = "(?P<id>.+)" if self.slashes else "(?P<id>[^/]+)"
        before, found, after = self.path.partition("{id}")
        return re.compile(re.escape(before) + (one if found else "") + re.escape(after))


class Table:
    """Operations by path and method. Of several that a path could mean, the first in the table is meant."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self.operations = tuple(operations)
        self._patterns = [(operation.pattern, operation) for operation in self.operations]

    def find(self, method: str, path: str) -> tuple[Operation, str]:
        """The operation and the id in the path. Raises `NotFound`, and `PathTakesOther` for another method."""
        found = [(operation, match) for pattern, operation in self._patterns if (match := pattern.fullmatch(path))]
        if not found:
            raise NotFound(f"There is nothing at {path[:200]!r}; /openapi.json says what there is.")
        for operation, match in found:
            if operation.method == ("GET" if method == "HEAD" else method):
                return operation, match.groupdict().get("id", "")
        raise PathTakesOther(method, tuple(dict.fromkeys(operation.method for operation, _ in found)))


def parse_query(text: bytes, kind: type[msgspec.Struct]) -> msgspec.Struct:
    """The query as a struct of this kind. Raises `BadRequest` for a name that is unknown or stands twice."""
    pairs = parse_qsl(text.decode("latin-1"), keep_blank_values=True)
    names = [field.encode_name for field in msgspec.structs.fields(kind)]
    for name, _ in pairs:
        if name not in names:
            there_are = f"it takes {', '.join(names)}" if names else "it takes none"
            raise BadRequest(f"There is no parameter {name[:100]!r} here; {there_are}.", param=name[:100])
        if sum(name == other for other, _ in pairs) > 1:
            raise BadRequest(f"The parameter {name!r} stands twice.", param=name)
    try:
        return msgspec.convert(dict(pairs), kind, strict=False)
    except msgspec.ValidationError as error:
        said, _, where = str(error).partition(" - at `$")
        raise InvalidField(f"{said}: {where.strip('`.')}", param=where.strip("`.") or None) from None


def parse_if_match(value: str | None) -> tuple[str, ...] | None:
    """The versions in an If-Match header (RFC 9110, 13.1.1). Weak ones match nothing, as the RFC wants it.

    Raises `BadRequest` where it is malformed: taking no notice would let the change through.
    """
    if value is None or value.strip() == "*":
        return None
    tags = re.findall(r'\s*(W/)?"([^"]*)"\s*(?:,|$)', value)
    if not re.fullmatch(r'(\s*(W/)?"[^"]*"\s*(,|$))+', value):
        raise BadRequest('If-Match must be the ETag of the record as it was answered, e.g. If-Match: "abc".')
    return tuple(version for weak, version in tags if not weak)
