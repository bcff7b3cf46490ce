"""What the providers say of their models, asked for in the background and kept for the calls.

A call never waits for it: `of` is one look-up in a dict that a round replaces as a whole, and until the first round, or
where a provider says nothing, models are what their names tell. A round that fails leaves what was known before.
Only accounts are asked whose provider's list says something; Claude at a cloud has no such list.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

import msgspec

from llmgw_domain import Account, Catalog, Deadlines
from llmgw_domain.advertised import Advertised
from llmgw_domain.errors import GatewayError
from llmgw_protocols import TargetFacts, dialect_for
from llmgw_protocols.advertised import MODEL_LISTS, Page
from llmgw_relay import Upstream, UpstreamRequest

_log = logging.getLogger(__name__)

_DEADLINES = Deadlines(connect=10.0, headers=30.0, first_event=30.0, gap=30.0, total=60.0)
_MAX_PAGE_BYTES = 8 * 1024 * 1024
_MOST_PAGES = 10
"""How far a list is read, should it never end."""


class ModelListsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[model_lists]`: the providers' lists of models, which tell what their models take."""

    refresh: bool = True
    hours: float = 6.0
    """Between two rounds; each is up to a tenth earlier or later, so that many gateways don't ask at once."""
    first_seconds: float = 30.0
    """From the start to the first round, at least; at most twice that."""

    def problems(self) -> list[tuple[str, str]]:
        """What is wrong, each with its field."""
        wrong = []
        if not 0 < self.hours < float("inf"):
            wrong.append(("hours", "must be more than 0 hours; to switch it off, say refresh = false"))
        if not 0 <= self.first_seconds < float("inf"):
            wrong.append(("first_seconds", "must be 0 or more seconds"))
        return wrong


class ModelLists:
    """Asks through `upstream` while it is open, and knows the answers. `rand` gives a number in [0, 1)."""

    def __init__(
        self,
        current: Callable[[], Catalog],
        upstream: Upstream,
        rand: Callable[[], float],
        config: ModelListsConfig | None = None,
    ) -> None:
        self._current = current
        self._upstream = upstream
        self._rand = rand
        self._config = config or ModelListsConfig()
        self._lists: dict[str, dict[str, Advertised]] = {}
        """By account, as read last."""
        self._known: dict[tuple[str, str], Advertised] = {}
        self._failing: set[str] = set()
        self._told: set[tuple[str, str, Advertised]] = set()
        self._task: asyncio.Task[None] | None = None

    def of(self, account: str, model: str) -> Advertised | None:
        """What the account's provider says of the model; None where it says nothing, or was not asked yet."""
        return self._known.get((account, model))

    async def __aenter__(self) -> Self:
        if self._config.refresh:
            # Owned by this object, which cancels it and waits for it in `close`.
            self._task = asyncio.get_running_loop().create_task(self._rounds())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the rounds, also in the middle of one. May be called again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _rounds(self) -> None:
        await asyncio.sleep(self._config.first_seconds * (1.0 + self._rand()))
        while True:
            try:
                await self.refresh()
            except Exception:
                _log.exception("the providers' lists of models could not be refreshed")
            await asyncio.sleep(self._config.hours * 3600 * (0.9 + 0.2 * self._rand()))

    async def refresh(self) -> None:
        """One round over the current catalog's accounts. It raises nothing that a provider can cause."""
        catalog = self._current()
        accounts = [a for a in catalog.accounts.values() if a.enabled and a.provider in MODEL_LISTS and not a.cloud]
        lists = {}
        for account in accounts:
            found = await self._list(account)
            lists[account.id] = self._lists.get(account.id, {}) if found is None else found
        self._lists = lists
        self._known = {(account, name): said for account, models in lists.items() for name, said in models.items()}
        self._warn(catalog)

    async def _list(self, account: Account) -> dict[str, Advertised] | None:
        """The account's models; None where they can't be read, which is told once until it works again."""
        found: dict[str, Advertised] = {}
        start: str | None = None
        try:
            for _ in range(_MOST_PAGES):
                page = await self._page(account, start)
                found = page.models | found
                start = page.next
                if start is None:
                    break
        except GatewayError as error:
            if account.id not in self._failing:
                self._failing.add(account.id)
                extra = {"account": account.id, "reason": error.code, "upstream_status": error.upstream_status}
                _log.warning(
                    "a provider's list of models can't be read; its models are taken by their names", extra=extra
                )
            return None
        self._failing.discard(account.id)
        return found

    async def _page(self, account: Account, start: str | None) -> Page:
        """Raises `GatewayError`."""
        of = MODEL_LISTS[account.provider]
        rendered = of.ask(start)
        request = UpstreamRequest(
            account=account,
            method="GET",
            path=rendered.path,
            query=rendered.query,
            headers=rendered.headers,
            body=b"",
            deadlines=_DEADLINES,
        )
        async with self._upstream.open(request) as reply:
            body = await reply.read(_MAX_PAGE_BYTES)
        if reply.status != 200:
            dialect = dialect_for(TargetFacts(provider=account.provider, model=""))
            raise dialect.fault(reply.status, reply.headers, body)
        return of.read(body)

    def _warn(self, catalog: Catalog) -> None:
        """Tells of each configured model whose end is announced, once as long as its provider says the same of it."""
        for name, account, target in _configured(catalog):
            said = self.of(account, target)
            if said is None or not said.is_leaving or (account, target, said) in self._told:
                continue
            self._told.add((account, target, said))
            extra = {
                "model": name,
                "account": account,
                "target": target,
                "lifecycle": said.lifecycle or None,
                "retires_at": said.retires_at or None,
            }
            _log.warning("a configured model is going to be retired by its provider", extra=extra)

    def __repr__(self) -> str:
        return f"<ModelLists {', '.join(f'{account}: {len(models)}' for account, models in self._lists.items())}>"


def _configured(catalog: Catalog) -> Iterator[tuple[str, str, str]]:
    """Each model with an account and a target that it leads to, as far as no client decides on that."""
    for model in (*catalog.models.values(), *catalog.patterns):
        for target in model.targets:
            if "*" not in target.model:
                for account in catalog.pools.get(target.pool, ()):
                    yield model.name, account.id, target.model
