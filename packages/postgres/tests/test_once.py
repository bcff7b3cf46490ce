import asyncio

import pytest

from llmgw_eventstore import StoreAway
from llmgw_postgres.once import once_in_cluster


async def test_one_of_many_runs_the_job(pools):
    """While one holds a job, the others are told to leave it; another job is another lock."""
    async with once_in_cluster(pools, "retention") as first, once_in_cluster(pools, "retention") as second:
        assert first is not None
        assert second is None
        async with once_in_cluster(pools, "webhooks") as other:
            assert other is not None


async def test_a_job_is_free_when_its_holder_is_done(pools):
    """Also when the holder failed."""
    with pytest.raises(RuntimeError):
        async with once_in_cluster(pools, "retention"):
            raise RuntimeError
    for _ in range(20):
        async with once_in_cluster(pools, "retention") as next_one:
            assert next_one is not None


async def test_a_holder_that_lost_its_session_can_not_go_on(pools, server):
    """Its lock is free at once, and its own statements fail: two never do the job at the same time."""
    with pytest.raises(StoreAway):  # noqa: PT012  -- entering, losing and using it are one story
        async with once_in_cluster(pools, "retention") as first:
            backend = first.info.backend_pid
            await asyncio.to_thread(server.execute, f"SELECT pg_terminate_backend({backend}, 5000)")
            async with once_in_cluster(pools, "retention") as second:
                assert second is not None
            await first.execute("SELECT 1")
