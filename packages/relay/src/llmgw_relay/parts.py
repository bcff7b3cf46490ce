"""What a call is carried with: the relay's own parts, which every call of a worker shares."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import msgspec

from llmgw_affinity import Crowd, SessionKeys
from llmgw_balancer import Balancer
from llmgw_domain import Catalog, StreamErrors
from llmgw_relay.candidates import Chosen
from llmgw_relay.conversations import Conversations, MemoryConversations
from llmgw_relay.learned import Learned
from llmgw_relay.objects import MemoryObjects, Objects
from llmgw_relay.pins import MemoryPins, Pins
from llmgw_relay.ports import AdvertisedBy, Facts, Fetch, Upstream
from llmgw_relay.queue import Queue
from llmgw_relay.retry import RetryBudget
from llmgw_relay.stash import MemoryStash, Stash


class RelayConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`max_answer_bytes` bounds an answer that is not a stream: it is held whole until it is known to be complete.

    A call waits for an account for at most `max_wait_seconds`, beside at most `max_waiting` others, and a second of it
    is worth `wait_tokens_per_second` that would be read anew elsewhere. Where another model may stand in for an
    overloaded one, it waits `fallback_wait_seconds` for the first. Second attempts are at most `retry_share` of
    the calls. `time_scale` is how much faster than time the balancer's clock and that of sessions run.
    """

    max_attempts: int = 3
    max_answer_bytes: int = 64 * 1024 * 1024
    stream_errors: StreamErrors = StreamErrors.FINISH
    max_wait_seconds: float = 30.0
    max_waiting: int = 10_000
    fallback_wait_seconds: float = 2.0
    wait_tokens_per_second: float = 1000.0
    retry_share: float = 0.1
    time_scale: float = 1.0


def _none_yet() -> SessionKeys | None:
    return None


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """`current` is one attribute read; `clock` gives monotonic seconds, `wall` Unix seconds, `rand` a number in [0, 1).

    `objects` knows whose the files, batches and stored responses at providers are; `stash` keeps the reasoning that
    clients leave out, `conversations` the responses that no provider keeps, `learned` what models refuse. Without
    `fetch` no address in a request is fetched.

    Sessions have a clock of their own, `session_wall` in Unix seconds, and `stamp`, the readings of a hybrid logical
    clock of this `node`. Until there are `session_keys` no session is pinned.
    """

    current: Callable[[], Catalog]
    upstream: Upstream
    balancer: Balancer
    queue: Queue[Chosen]
    budget: RetryBudget
    pins: Pins
    crowd: Crowd
    session_keys: Callable[[], SessionKeys | None]
    session_wall: Callable[[], float]
    stamp: Callable[[], int]
    node: str
    facts: Facts
    objects: Objects
    stash: Stash
    conversations: Conversations
    advertised: AdvertisedBy | None = None
    """Without it, models are what their names tell."""
    clock: Callable[[], float]
    wall: Callable[[], float]
    rand: Callable[[], float]
    learned: Learned
    config: RelayConfig
    fetch: Fetch | None = None

    @classmethod
    def of(
        cls,
        *,
        current: Callable[[], Catalog],
        upstream: Upstream,
        facts: Facts,
        clock: Callable[[], float],
        wall: Callable[[], float],
        rand: Callable[[], float],
        balancer: Balancer | None = None,
        pins: Pins | None = None,
        session_keys: Callable[[], SessionKeys | None] = _none_yet,
        session_wall: Callable[[], float] | None = None,
        stamp: Callable[[], int] | None = None,
        node: str = "",
        objects: Objects | None = None,
        stash: Stash | None = None,
        conversations: Conversations | None = None,
        advertised: AdvertisedBy | None = None,
        fetch: Fetch | None = None,
        config: RelayConfig | None = None,
    ) -> Parts:
        """The parts, with what is only in the memory of this process in place of those that are not given."""
        config = config or RelayConfig()
        return cls(
            current=current,
            upstream=upstream,
            balancer=Balancer(clock=clock, rand=rand) if balancer is None else balancer,
            queue=Queue(config.max_waiting, config.time_scale),
            budget=RetryBudget(config.retry_share),
            pins=MemoryPins() if pins is None else pins,
            crowd=Crowd(),
            session_keys=session_keys,
            session_wall=session_wall or wall,
            stamp=stamp or itertools.count(1).__next__,
            node=node,
            facts=facts,
            objects=MemoryObjects(clock) if objects is None else objects,
            stash=MemoryStash(clock) if stash is None else stash,
            conversations=MemoryConversations(clock) if conversations is None else conversations,
            advertised=advertised,
            clock=clock,
            wall=wall,
            rand=rand,
            learned=Learned(clock),
            config=config,
            fetch=fetch,
        )
