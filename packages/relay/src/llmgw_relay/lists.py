"""Lists of a tenant's own objects, put together from those of every account that holds some.

A provider's list holds the objects of all tenants, so it is read page by page and filtered; what comes out is sorted by
age, the latest first, and cut to the page that the client asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from llmgw_domain import Account, Candidate, Catalog
from llmgw_domain.errors import InvalidField, UpstreamMalformed
from llmgw_domain.models import Target
from llmgw_protocols import Rendered, dialect_for, place, resources
from llmgw_protocols.resources import Resource
from llmgw_relay.asking import facts_of
from llmgw_relay.objects import Owned
from llmgw_relay.parts import Parts
from llmgw_relay.ports import UpstreamRequest

_MOST = 100
"""Objects of a page, at the provider and here."""
_MOST_PAGES = 20
"""How far a provider's list is read: an account with thousands of objects must not be read to its end at every look."""
_MAX_PAGE_BYTES = 4 * 1024 * 1024


class _Page(msgspec.Struct):
    data: list[dict[str, msgspec.Raw]]
    has_more: bool = False
    last_id: str | None = None


class Lists:
    """One look at a list. `query` is the client's: `limit`, `after`, `order`, and what else the provider takes."""

    def __init__(self, parts: Parts, catalog: Catalog, query: Mapping[str, str]) -> None:
        self._parts = parts
        self._catalog = catalog
        self._query = query

    async def page(self, resource: Resource, owned: Sequence[Owned]) -> bytes:
        """The page that the client asked for. Raises `GatewayError` where an account can't be read."""
        limit = _limit(self._query)
        found: list[dict[str, msgspec.Raw]] = []
        # In one order at every look, or objects of the same second would change places between two pages.
        for account_id in sorted({o.account for o in owned}):
            account = self._catalog.accounts.get(account_id)
            # What is out of use is not asked, as one that is not configured any more can't be.
            if account is not None and account.enabled:
                here = [o for o in owned if o.account == account_id]
                items = await self._of(account, resource, {o.id for o in here})
                await self._note(items, here[0])
                found += items
        found.sort(key=_created, reverse=True)
        if self._query.get("order") == "asc":
            found.reverse()
        return msgspec.json.encode(_cut(found, self._query.get("after"), limit))

    async def _of(self, account: Account, resource: Resource, ids: set[str]) -> list[dict[str, msgspec.Raw]]:
        """The objects with these ids, as their account tells of them."""
        found: list[dict[str, msgspec.Raw]] = []
        after: str | None = None
        for _ in range(_MOST_PAGES):
            page = await self._read(account, resource, after)
            found += [item for item in page.data if _id(item) in ids]
            after = page.last_id or (_id(page.data[-1]) if page.data else None)
            if not page.has_more or after is None or len(found) == len(ids):
                break
        return found

    async def _note(self, items: Sequence[Mapping[str, msgspec.Raw]], like: Owned) -> None:
        """Remembers the files that listed batches have written: who waits by listing wants to read them."""
        for item in items:
            for made in resources.made(msgspec.json.encode(item)):
                if await self._parts.objects.find(made.id, like.tenant) is None:
                    added = msgspec.structs.replace(like, id=made.id, kind=made.kind, settled=False)
                    self._parts.objects.add(added)

    async def _read(self, account: Account, resource: Resource, after: str | None) -> _Page:
        candidate = Candidate(account, "", Target(pool=account.pool, model=""))
        facts = facts_of(candidate)
        query = {"limit": str(_MOST), "after": after, "purpose": self._query.get("purpose")}
        asked = urlencode({name: value for name, value in query.items() if value})
        rendered = place(Rendered(path=resource.path, query=asked, body=b""), "chat", facts, stream=False)
        request = UpstreamRequest(
            account=account,
            method="GET",
            path=rendered.path,
            query=rendered.query,
            body=b"",
            deadlines=account.deadlines,
        )
        # It counts where it can; a list is not kept waiting, nor does it keep anybody from an answer for long.
        lease = self._parts.balancer.take(candidate)
        try:
            async with self._parts.upstream.open(request) as reply:
                body = await reply.read(_MAX_PAGE_BYTES)
                if reply.status >= 400:
                    raise dialect_for(facts, "chat", "chat").fault(reply.status, reply.headers, body)
        finally:
            if lease is not None:
                lease.release()
        try:
            return msgspec.json.decode(body, type=_Page)
        except (msgspec.DecodeError, RecursionError):
            raise UpstreamMalformed(detail=f"account {account.id}: no list") from None


def items_page(items: Sequence[msgspec.Raw], query: Mapping[str, str]) -> bytes:
    """A page of a response's items, the latest first, as OpenAI pages them. Raises `InvalidField`."""
    found = [msgspec.json.decode(item, type=dict[str, msgspec.Raw]) for item in items]
    named = [{"id": msgspec.Raw(msgspec.json.encode(f"item_{i}")), **item} for i, item in enumerate(found)]
    ordered = named if query.get("order") == "asc" else named[::-1]
    return msgspec.json.encode(_cut(ordered, query.get("after"), _limit(query)))


def _limit(query: Mapping[str, str]) -> int:
    given = query.get("limit") or "20"
    if not (given.isascii() and given.isdigit() and int(given[:6]) >= 1):
        raise InvalidField("limit: must be a number above 0.", param="limit")
    return min(int(given[:6]), _MOST)


def _cut(found: list[dict[str, msgspec.Raw]], after: str | None, limit: int) -> dict[str, Any]:
    ids = [_id(item) for item in found]
    start = ids.index(after) + 1 if after in ids else 0
    page = found[start : start + limit]
    return {
        "object": "list",
        "data": page,
        "first_id": _id(page[0]) if page else None,
        "last_id": _id(page[-1]) if page else None,
        "has_more": start + limit < len(found),
    }


def _id(item: Mapping[str, msgspec.Raw]) -> str:
    return str(_value(item, "id") or "")


def _created(item: Mapping[str, msgspec.Raw]) -> float:
    created = _value(item, "created_at")
    return created if isinstance(created, int | float) else 0.0


def _value(item: Mapping[str, msgspec.Raw], name: str) -> Any:
    raw = item.get(name)
    return None if raw is None else msgspec.json.decode(raw)
