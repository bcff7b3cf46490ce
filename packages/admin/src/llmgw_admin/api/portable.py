"""The state as a whole, out of a gateway and into another one: for moves, backups, and to leave the file behind."""

from __future__ import annotations

from typing import Annotated

import msgspec

from llmgw_admin.api.operations import Answer, Call, Operation
from llmgw_admin.api.records import ROOT
from llmgw_control import Administration
from llmgw_control.refusal import Forbidden
from llmgw_control.views import Portable
from llmgw_domain.errors import InvalidField

FORMAT = 1
MOST = 500
"""Records in one import: a longer file is sent in pieces, each of which is taken whole or not at all."""


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """Every record of the log. Secrets are sealed with the gateway's master key, keys and tokens are hashes."""

    format: int
    records: tuple[Portable, ...]


class Import(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Records of an export, at most 500 at a time. Or, with `file`, those of this node's own configuration file."""

    format: int = FORMAT
    records: Annotated[tuple[Portable, ...], msgspec.Meta(max_length=MOST)] = ()
    file: bool = False


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """`changed` counts the records that differ now."""

    changed: int
    catalog: str


def portable_operations(administration: Administration) -> list[Operation]:
    async def out(call: Call) -> Answer:
        _owner(call)
        return Answer(body=Export(format=FORMAT, records=tuple(administration.exported())))

    async def into(call: Call) -> Answer:
        _owner(call)
        wanted = _read(call.fields)
        if wanted.file:
            done = administration.adopt_file(call.actor)
        else:
            done = administration.import_records(wanted.records, call.actor)
        return Answer(body=Imported(changed=len(done.events), catalog=done.catalog))

    return [
        Operation(
            name="exportState",
            method="GET",
            path=f"{ROOT}/export",
            summary="Every record of the log, in one portable document",
            run=out,
            tag="state",
            answer=Export,
        ),
        Operation(
            name="importState",
            method="POST",
            path=f"{ROOT}/import",
            summary="Write exported records, or those of the configuration file, into the log",
            run=into,
            tag="state",
            answer=Imported,
            body=Import,
        ),
    ]


def _owner(call: Call) -> None:
    if call.actor.role != "owner":
        raise Forbidden("Only an owner may take the state out, or bring one in.")


def _read(fields: dict[str, object]) -> Import:
    try:
        wanted = msgspec.convert(fields, Import)
    except msgspec.ValidationError as error:
        said, _, where = str(error).partition(" - at `$")
        raise InvalidField(f"{where.strip('`.') or 'the body'}: {said}", param=where.strip("`.") or None) from None
    if wanted.format != FORMAT:
        raise InvalidField(f"the format is {wanted.format}, this release reads {FORMAT}", param="format")
    return wanted
