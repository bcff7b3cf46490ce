"""The holder of the catalog that is served now."""

from __future__ import annotations

from collections.abc import Callable

from llmgw_control.compile import compile_catalog
from llmgw_control.records import Records
from llmgw_domain import Catalog, Secret


class Control:
    """Compiles records and publishes catalogs. It starts with an empty one, and `loaded` is False until a `publish`.

    `reveal` turns a reference into its secret and raises `Unrevealed`.
    """

    def __init__(self, reveal: Callable[[str], Secret]) -> None:
        self._reveal = reveal
        self._catalog = Catalog.of(version="empty")
        self.loaded = False

    def current(self) -> Catalog:
        """The catalog to serve the next request from. Keep it to the request's end."""
        return self._catalog

    def publish(self, catalog: Catalog) -> None:
        """Serves `catalog` from now on; requests in flight end on the one that they began with."""
        self._catalog = catalog
        self.loaded = True

    def load(self, records: Records) -> Catalog:
        """Compiles and publishes. Raises `Refused` with every reason; what was served before goes on being served."""
        catalog = compile_catalog(records, self._reveal)
        self.publish(catalog)
        return catalog

    def __repr__(self) -> str:
        return f"<Control {self._catalog!r}>"
