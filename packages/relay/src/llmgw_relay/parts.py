"""What a call is carried with: the relay's own parts, which every call of a worker shares."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from llmgw_balancer import Signals, Slots
from llmgw_domain import Catalog, StreamErrors
from llmgw_relay.conversations import Conversations
from llmgw_relay.learned import Learned
from llmgw_relay.objects import Objects
from llmgw_relay.ports import AdvertisedBy, Facts, Fetch, Upstream
from llmgw_relay.stash import Stash


class RelayConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`max_answer_bytes` bounds an answer that is not a stream: it is held whole until it is known to be complete."""

    max_attempts: int = 3
    max_answer_bytes: int = 64 * 1024 * 1024
    stream_errors: StreamErrors = StreamErrors.FINISH


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """`current` is one attribute read; `clock` gives monotonic seconds, `wall` Unix seconds, `rand` a number in [0, 1).

    `objects` knows whose the files, batches and stored responses at providers are; `stash` keeps the reasoning that
    clients leave out, `conversations` the responses that no provider keeps, `learned` what models refuse. Without
    `fetch` no address in a request is fetched.
    """

    current: Callable[[], Catalog]
    upstream: Upstream
    slots: Slots
    signals: Signals
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
