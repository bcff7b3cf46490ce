"""What was learned of models: the repairs that made an account take a request for one, kept so that the next request is
right at once.
"""

from __future__ import annotations

from collections.abc import Callable

from llmgw_protocols.repairs import Repair
from llmgw_relay.shelf import Shelf


class Learned:
    """Lasting repairs by account and model, for `ttl` seconds after the last one; of `limit` models at most.

    They end, because providers change what their models take, and a request should not go without a field for good.
    """

    def __init__(self, clock: Callable[[], float], *, limit: int = 4096, ttl: float = 3600.0) -> None:
        self._kept: Shelf[tuple[str, str], tuple[Repair, ...]] = Shelf(clock, limit=limit, ttl=ttl)

    def learn(self, account: str, model: str, repair: Repair) -> None:
        """Takes note of a repair that helped; one that does not last is not kept."""
        known = self.of(account, model)
        if repair.lasting and repair not in known:
            self._kept.put((account, model), (*known, repair))

    def of(self, account: str, model: str) -> tuple[Repair, ...]:
        """What a request for this model needs, in the order in which it was learned."""
        return self._kept.get((account, model)) or ()

    def __repr__(self) -> str:
        return f"<Learned of {len(self._kept)} models>"
