"""The catalog that is served: changes of the replica in, catalogs out, each published by one assignment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from llmgw_control import Changed, Compiler, Pace, revokes
from llmgw_domain import Catalog, Secret
from llmgw_domain.servers import Server


class Publisher:
    """Holds the compiler and the catalog of this process. `published` hears of each new one.

    It starts with an empty catalog, and `loaded` is False until the first `publish`.
    """

    def __init__(
        self,
        reveal: Callable[[str], Secret],
        published: Callable[[Catalog], None],
        clock: Callable[[], float],
        pace: Pace | None = None,
    ) -> None:
        """`reveal` turns a reference into its secret; `clock` gives monotonic seconds."""
        self._published = published
        self._clock = clock
        self._pace = pace or Pace()
        self._servers: tuple[Server, ...] = ()
        self.compiler = Compiler(reveal)
        self._catalog = self.compiler.compile()
        self._timer: asyncio.TimerHandle | None = None
        self.loaded = False

    def current(self) -> Catalog:
        """The catalog to serve the next request from. Keep it to the request's end."""
        return self._catalog

    def take(self, changed: Changed) -> None:
        """Takes in what changed, and publishes it now or within a tenth of a second; a revocation now."""
        if not changed:
            return
        self.compiler.feed(changed)
        self._pace.note(urgent=revokes(changed))
        self._due()

    def know(self, servers: Iterable[Server], everything: Callable[[], Changed]) -> None:
        """The servers that accounts may name. Others than before need all records compiled anew, which blocks."""
        known = tuple(servers)
        if known == self._servers:
            return
        self._servers = known
        self.compiler.know(known)
        self.compiler.feed(everything())
        self.publish(self.compiler.compile())

    def flush(self) -> None:
        """Publishes what was taken in, now. The first time there may be nothing, and that is loaded then."""
        self.publish(self.compiler.compile())

    def publish(self, catalog: Catalog) -> None:
        """Serves `catalog` from now on; requests in flight end on the one that they began with."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._pace.published(self._clock())
        self.loaded = True
        if catalog is not self._catalog:
            self._catalog = catalog
            self._published(catalog)

    def _due(self) -> None:
        wait = self._pace.due_in(self._clock())
        if wait == 0:
            self.flush()
        elif wait is not None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(wait, self.flush)

    def __repr__(self) -> str:
        return f"<Publisher {self._catalog!r}>"
