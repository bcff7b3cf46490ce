"""The months of the fact log: made ahead, and detached when their totals are facts themselves.

A month is a range of UUIDv7. What belongs to no month that exists goes to `fact_events_other`, so an append never fails
for want of a partition, and moves to its month when that is made.
"""

from __future__ import annotations

import calendar
from typing import Self

import msgspec

from llmgw_postgres.pools import Connection
from llmgw_postgres.queries import query

_AHEAD = 2
"""Months made before they begin: a gateway that is not looked after for weeks still finds its month."""


class Month(msgspec.Struct, frozen=True, order=True):
    """A month of UTC."""

    year: int
    month: int

    @classmethod
    def of_partition(cls, partition: str) -> Self:
        """From a partition's name."""
        _, year, month = partition.rsplit("_", 2)
        return cls(int(year), int(month))

    @property
    def partition(self) -> str:
        return f"fact_events_{self.year:04}_{self.month:02}"

    def __add__(self, months: int) -> Month:
        year, month = divmod(self.year * 12 + self.month - 1 + months, 12)
        return Month(year, month + 1)

    @property
    def began(self) -> int:
        """Seconds since 1970."""
        return calendar.timegm((self.year, self.month, 1, 0, 0, 0))

    @property
    def low(self) -> str:
        """Below every UUIDv7 of this month, above every one of the month before."""
        text = f"{self.began * 1000:012x}".ljust(32, "0")
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"


async def months(connection: Connection) -> list[Month]:
    """Those that have a partition, oldest first."""
    rows = await (await connection.execute(query("partitions", "list"))).fetchall()
    return [Month.of_partition(name) for (name,) in rows]


async def make_months(connection: Connection, ahead: int = _AHEAD) -> list[Month]:
    """Makes the partitions of this month and the next ones; gives those that were not there."""
    row = await (await connection.execute(query("partitions", "now"))).fetchone()
    assert row is not None
    this = Month(*row)
    there = set(await months(connection))
    made = [this + number for number in range(ahead + 1) if this + number not in there]
    for month in made:
        await make_month(connection, month)
    return made


async def make_month(connection: Connection, month: Month) -> None:
    """Makes the partition of a month unless it is there, and moves in what came for it."""
    statement = query("partitions", "make", partition=month.partition, low=month.low, high=(month + 1).low)
    await connection.execute(statement)
