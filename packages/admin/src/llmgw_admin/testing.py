"""In-memory form of what the admin listener is given: a history over a list of events."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from llmgw_admin.history import Filters, Slice, Write
from llmgw_domain import Event
from llmgw_domain.errors import BadRequest


class MemoryHistory:
    """A `History` over a list of events, oldest first, which may grow: a journal in memory is one."""

    def __init__(self, log: Sequence[Event] = ()) -> None:
        self.log = log

    async def events(self, after: str | None, limit: int, filters: Filters) -> Slice:
        end = len(self.log) if after is None else self._position(after)
        taken = [at for at in range(end - 1, -1, -1) if filters.take(self.log[at])]
        following = str(taken[limit - 1]) if len(taken) > limit else None
        return Slice(tuple(self.log[at] for at in taken[:limit]), following)

    async def written(self, writes: Collection[Write]) -> Mapping[Write, Event]:
        return {write: event for event in self.log if (write := (event.subject, event.hlc, event.node)) in writes}

    def _position(self, after: str) -> int:
        if not after.isdecimal() or int(after) > len(self.log):
            raise BadRequest(f"'after' must be the 'next' of a page, not {after[:40]!r}.", param="after")
        return int(after)

    def __repr__(self) -> str:
        return f"<MemoryHistory of {len(self.log)} events>"
