"""What is served now, what of the records is not, and what changes would make of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from llmgw_admin.api.operations import Answer, Call, Operation
from llmgw_admin.api.records import ROOT
from llmgw_control import Administration
from llmgw_control.refusal import Reason
from llmgw_control.views import Diff, Proposal
from llmgw_domain import Catalog
from llmgw_domain.errors import InvalidField


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How many of each kind the catalog has. Patterns are models with a star."""

    accounts: int
    models: int
    patterns: int
    keys: int
    policies: int
    prices: int


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """A record that is not in the catalog, or not whole: what is wrong with it, and what would be right."""

    kind: str
    id: str
    reasons: tuple[Reason, ...]


class CatalogAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`version` is a digest of the content: gateways that say the same serve the same."""

    version: str
    counts: Counts
    quarantined: tuple[Quarantined, ...]


class Trial(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes that are tried out together, in their order."""

    changes: Annotated[tuple[Proposal, ...], msgspec.Meta(min_length=1, max_length=1000)]


def catalog_operations(administration: Administration, current: Callable[[], Catalog]) -> list[Operation]:
    async def get(_: Call) -> Answer:
        return Answer(body=_answer(current(), administration))

    async def try_out(call: Call) -> Answer:
        return Answer(body=administration.try_out(_trial(call.fields).changes))

    return [
        Operation(
            name="getCatalog",
            method="GET",
            path=f"{ROOT}/catalog",
            summary="What is served now, and which records are not",
            run=get,
            tag="catalog",
            answer=CatalogAnswer,
        ),
        Operation(
            name="tryCatalog",
            method="POST",
            path=f"{ROOT}/catalog/try",
            summary="Try changes out: what would differ, and why it would be refused; nothing is changed",
            run=try_out,
            tag="catalog",
            answer=Diff,
            body=Trial,
            refusals=(404, 409),
        ),
    ]


def _trial(fields: dict[str, Any]) -> Trial:
    try:
        return msgspec.convert(fields, Trial)
    except msgspec.ValidationError as error:
        said, _, where = str(error).partition(" - at `$")
        raise InvalidField(f"{where.strip('`.') or 'the body'}: {said}", param=where.strip("`.") or None) from None


def _answer(catalog: Catalog, administration: Administration) -> CatalogAnswer:
    return CatalogAnswer(
        version=catalog.version,
        counts=Counts(
            accounts=len(catalog.accounts),
            models=len(catalog.models),
            patterns=len(catalog.patterns),
            keys=len(catalog.keys),
            policies=len(catalog.policies),
            prices=len(catalog.prices),
        ),
        quarantined=tuple(
            Quarantined(kind=kind, id=name, reasons=reasons)
            for (kind, name), reasons in administration.quarantine().items()
        ),
    )
