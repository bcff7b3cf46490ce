"""A change of one record, as it travels: through the log, between nodes, from the spool.

A delta stands for itself: it can be applied at any time, in any order, any number of times. In the log it is an event
whose `node` and `hlc` are the delta's stamp, whose `subject` names the record, and whose body is the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from llmgw_crdt.clock import Stamp


@dataclass(frozen=True, slots=True)
class Delta:
    """`fields` were set, or the incarnation was deleted, at (`hlc`, `node`).

    `after` is the hlc of the author's previous delta (0: none). `incarnation` says which life of the record is meant:
    the stamp of its creation, which is this delta's own stamp if it creates. `fields` are JSON values, opaque;
    `previous` the stamps that the author saw on them before, for audit: merging does not look at it.
    """

    node: str
    hlc: int
    after: int
    kind: str
    id: str
    incarnation: Stamp
    fields: Mapping[str, object]
    previous: Mapping[str, Stamp]
    deleted: bool

    @property
    def stamp(self) -> Stamp:
        return self.hlc, self.node

    @property
    def subject(self) -> str:
        """`KIND/ID`; an id may hold slashes, a kind holds none."""
        return f"{self.kind}/{self.id}"

    def body(self) -> dict[str, object]:
        """The part of a delta that an event's body holds, as JSON values."""
        body: dict[str, object] = {"after": self.after, "incarnation": list(self.incarnation)}
        if not self.deleted:
            body["fields"] = dict(self.fields)
        body["previous"] = {name: list(stamp) for name, stamp in self.previous.items()}
        return body

    @classmethod
    def parse(cls, node: str, hlc: int, subject: str, deleted: bool, body: Mapping[str, object]) -> Delta:
        """The delta of an event. Unknown names in the body are left out. Raises ValueError, which says what's wrong."""
        kind, _, name = subject.partition("/")
        if not (kind and name):
            raise ValueError(f"a delta's subject is KIND/ID, not {subject!r}")
        try:
            after, incarnation = body["after"], parse_stamp(body["incarnation"])
            previous = {str(k): parse_stamp(v) for k, v in _mapping(body.get("previous", {})).items()}
            fields = {} if deleted else _mapping(body["fields"])
        except KeyError as missing:
            raise ValueError(f"the body of the delta of {subject} lacks {missing}") from None
        except ValueError as wrong:
            raise ValueError(f"the body of the delta of {subject}: {wrong}") from None
        if not (isinstance(after, int) and 0 <= after < hlc):
            raise ValueError(f"the delta of {subject} at {hlc} follows {after!r}, which is not before it")
        if incarnation[0] > hlc:
            raise ValueError(f"the delta of {subject} at {hlc} is for an incarnation that begins later: {incarnation}")
        return cls(node, hlc, after, kind, name, incarnation, fields, previous, deleted)

    def __repr__(self) -> str:
        # Names alone: values may be credentials.
        what = "deleted" if self.deleted else f"sets {', '.join(self.fields)}"
        return f"<Delta {self.node}@{self.hlc} after {self.after}: {self.subject}#{self.incarnation} {what}>"


def parse_stamp(value: object) -> Stamp:
    """A stamp from its JSON form, [hlc, node]. Raises ValueError."""
    if isinstance(value, list | tuple) and len(value) == 2:
        hlc, node = value
        if isinstance(hlc, int) and not isinstance(hlc, bool) and hlc >= 0 and isinstance(node, str):
            return hlc, node
    raise ValueError(f"a stamp is [hlc, node], not {value!r}")


def _mapping(value: object) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return cast("Mapping[str, Any]", value)
    raise ValueError(f"an object was expected, not {value!r}")
