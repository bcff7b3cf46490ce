"""What was learned of models: the repairs that made an account take a request for one, kept so that the next request is
right at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from llmgw_protocols.repairs import Repair


class Learned:
    """Lasting repairs by account and model, each for `ttl` seconds; at most `limit` models, the oldest dropped first.

    They end, because providers change what their models take, and a request should not go without a field for good.
    """

    def __init__(self, clock: Callable[[], float], *, limit: int = 4096, ttl: float = 3600.0) -> None:
        self._clock = clock
        self._limit = limit
        self._ttl = ttl
        self._kept: OrderedDict[tuple[str, str], dict[Repair, float]] = OrderedDict()

    def learn(self, account: str, model: str, repair: Repair) -> None:
        """Takes note of a repair that helped; one that does not last is not kept."""
        if not repair.lasting:
            return
        known = self._kept.setdefault((account, model), {})
        known[repair] = self._clock() + self._ttl
        self._kept.move_to_end((account, model))
        while len(self._kept) > self._limit:
            self._kept.popitem(last=False)

    def of(self, account: str, model: str) -> tuple[Repair, ...]:
        """What a request for this model needs, in the order in which it was learned."""
        known = self._kept.get((account, model))
        if known is None:
            return ()
        now = self._clock()
        for repair in [repair for repair, until in known.items() if until < now]:
            del known[repair]
        return tuple(known)

    def __repr__(self) -> str:
        return f"<Learned of {len(self._kept)} models>"
