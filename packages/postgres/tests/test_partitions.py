from datetime import UTC, datetime

from llmgw_domain import uuid7
from llmgw_eventstore.testing import contents, make_event, make_events, read_all
from llmgw_postgres.partitions import Month, make_month, make_months, months


async def count(connection, table):
    row = await (await connection.execute(f"SELECT count(*) FROM llmgw.{table}".encode())).fetchone()
    return row[0]


def test_months_follow_each_other():
    """Also over the turn of a year, and backwards."""
    assert Month(2027, 1) == Month(2026, 12) + 1
    assert Month(2026, 11) == Month(2027, 1) + -2
    assert "2026-02" == str(Month(2026, 2))
    assert Month(2026, 2) == Month.of_partition(Month(2026, 2).partition)


def test_a_month_is_a_range_of_ids():
    """Every id of the month is in it, whatever its random part, and none of its neighbours'."""
    month = Month(2026, 2)
    first = datetime(2026, 2, 1, tzinfo=UTC).timestamp()
    end = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    assert month.low <= uuid7(first, 0) < uuid7(end - 0.001, (1 << 74) - 1) < (month + 1).low
    assert uuid7(first - 0.001, (1 << 74) - 1) < month.low


async def test_months_are_made_ahead_once(pools):
    """This month and the next ones; a second time there is nothing to make."""
    async with pools.writes.connection() as connection:
        there = await months(connection)
        assert 3 == len(there)
        assert [] == await make_months(connection)
        assert [there[-1] + 1] == await make_months(connection, ahead=3)
        assert [*there, there[-1] + 1] == await months(connection)


async def test_an_event_of_no_month_is_kept_and_moves_in_later(pools, store):
    """What came before its month was made is moved into it, and its position, order and uniqueness stay."""
    await store.append("fact", make_events(range(20)))
    before = await read_all(store, "fact")
    async with pools.writes.connection() as connection:
        assert (20, []) == (
            await count(connection, "fact_events_other"),
            [m for m in await months(connection) if m.year == 2023],
        )
        await make_month(connection, Month(2023, 11))
        await make_month(connection, Month(2023, 11))
        assert (0, 20) == (await count(connection, "fact_events_other"), await count(connection, "fact_events_2023_11"))
    assert before == await read_all(store, "fact")
    assert 1 == (await store.append("fact", make_events(range(15, 21)))).fresh
    assert contents([*(stored.event for stored in before), make_event(20)]) == contents(await read_all(store, "fact"))
