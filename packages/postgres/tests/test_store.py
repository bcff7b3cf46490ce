"""The store on a real server: the conformance suite, and what a server adds to it."""

from __future__ import annotations

import pytest

from llmgw_eventstore.testing import StoreConformance
from llmgw_postgres.pools import Pools
from llmgw_postgres.store import PgEventStore


class TestPgEventStore(StoreConformance):
    @pytest.fixture(autouse=True)
    async def other(self, database):
        async with Pools(database) as pools, PgEventStore(pools) as other:
            self._other = other
            yield

    async def beside(self, store):
        return self._other
