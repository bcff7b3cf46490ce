"""The catalog that this process serves: changes of the replica in, catalogs out, each published by one assignment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from llmgw_control import Compiler
from llmgw_control.publishing import Publisher
from llmgw_control.sources import Changed
from llmgw_domain import Catalog, Secret
from llmgw_domain.servers import Server


class Served:
    """Holds the compiler and the catalog of this process. `published` hears of each new one.

    It starts with an empty catalog, and `loaded` is False until the first `publish`.
    """

    def __init__(
        self,
        reveal: Callable[[str], Secret],
        published: Callable[[Catalog], None],
        clock: Callable[[], float],
        held_up: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        """`reveal` turns a reference into its secret; `clock` gives monotonic seconds. `held_up` is told how long each
        change has kept the loop from everything else.
        """
        self._published = published
        self._held_up = held_up
        self._clock = clock
        self.compiler = Compiler(reveal)
        self._publisher = Publisher(self.compiler, self.publish)
        self._catalog = self.compiler.compile()
        self._timer: asyncio.TimerHandle | None = None
        self.loaded = False

    def current(self) -> Catalog:
        """The catalog to serve the next request from. Keep it to the request's end."""
        return self._catalog

    def take(self, changed: Changed) -> None:
        """Takes in what changed, and publishes it now or within a tenth of a second; a revocation now."""
        began = self._clock()
        self._wait(self._publisher.take(changed, began))
        self._held_up(self._clock() - began)

    def know(self, servers: Iterable[Server]) -> None:
        """The servers that accounts may name, before the overlay that names them."""
        self.compiler.know(servers)

    def flush(self) -> None:
        """Publishes what was taken in, now. The first time there may be nothing, and that is loaded then."""
        self.publish(self.compiler.compile())

    def publish(self, catalog: Catalog) -> None:
        """Serves `catalog` from now on; requests in flight end on the one that they began with."""
        self.loaded = True
        if catalog is not self._catalog:
            self._catalog = catalog
            self._published(catalog)

    def _wait(self, seconds: float | None) -> None:
        if seconds is not None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._due)

    def _due(self) -> None:
        self._timer = None
        began = self._clock()
        self._wait(self._publisher.publish_due(began))
        self._held_up(self._clock() - began)

    def __repr__(self) -> str:
        return f"<Served {self._catalog!r}>"
