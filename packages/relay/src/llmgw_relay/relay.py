"""The door of the use case: who may come in, who was turned away, and what carries a call of each kind."""

from __future__ import annotations

from collections.abc import Callable

from llmgw_balancer import Signals, Slots
from llmgw_domain import Catalog
from llmgw_domain.errors import ClientGone, GatewayError
from llmgw_relay.books import common_headers, retry_headers
from llmgw_relay.call import Admission, Call, Carried, Knock, Verb
from llmgw_relay.carriage import books
from llmgw_relay.conversations import Conversations, MemoryConversations
from llmgw_relay.exchange import Exchange
from llmgw_relay.facts import CallSettled
from llmgw_relay.forwarding import Forwarding
from llmgw_relay.learned import Learned
from llmgw_relay.listing import Listing
from llmgw_relay.objects import MemoryObjects, Objects
from llmgw_relay.parts import Parts, RelayConfig
from llmgw_relay.ports import AdvertisedBy, Facts, Fetch, Upstream
from llmgw_relay.stash import MemoryStash, Stash


class Relay:
    """Serves calls from the current catalog. The arguments are those of `Parts`."""

    def __init__(
        self,
        *,
        current: Callable[[], Catalog],
        upstream: Upstream,
        slots: Slots,
        facts: Facts,
        clock: Callable[[], float],
        wall: Callable[[], float],
        rand: Callable[[], float],
        signals: Signals | None = None,
        objects: Objects | None = None,
        stash: Stash | None = None,
        conversations: Conversations | None = None,
        advertised: AdvertisedBy | None = None,
        fetch: Fetch | None = None,
        config: RelayConfig | None = None,
    ) -> None:
        self._parts = Parts(
            current=current,
            upstream=upstream,
            slots=slots,
            signals=signals or Signals(clock, rand),
            facts=facts,
            objects=objects or MemoryObjects(clock),
            stash=stash or MemoryStash(clock),
            conversations=conversations or MemoryConversations(clock),
            advertised=advertised,
            fetch=fetch,
            learned=Learned(clock),
            clock=clock,
            wall=wall,
            rand=rand,
            config=config or RelayConfig(),
        )

    def admit(self, secret: str) -> Admission:
        """Lets a caller in on the current catalog. Raises `UnknownKey`."""
        catalog = self._parts.current()
        key = catalog.key_for(secret)
        return Admission(catalog=catalog, key=key, policy=catalog.policy_of(key))

    def turned_away(self, knock: Knock, error: GatewayError) -> list[tuple[bytes, bytes]]:
        """Records a request that was refused before there was a call to open; the headers to answer it with."""
        self._parts.facts.append(
            CallSettled(
                call=knock.id,
                request_id=knock.request_id,
                at=self._parts.wall(),
                tenant=knock.key.tenant if knock.key else "",
                key=knock.key.id if knock.key else "",
                dialect=knock.dialect.name,
                model="",
                stream=False,
                outcome="cancelled" if isinstance(error, ClientGone) else "refused",
                status=knock.dialect.status_of(error),
                attempts=0,
                duration=self._parts.clock() - knock.started,
                error_code=error.code,
                error_detail=error.detail or error.message,
                client=knock.client,
                user_agent=knock.headers.get("user-agent", ""),
                config_version=self._parts.current().version,
            )
        )
        return common_headers(knock.dialect, knock.request_id, self._parts.current().version) + retry_headers(error)

    def open(self, admission: Admission, call: Call) -> Carried:
        """An async context manager that gives the `Reply` and settles on leaving, whatever happened."""
        parts = self._parts
        if call.verb is Verb.LIST:
            return Listing(admission, call, books(parts, admission, call))
        if call.verb is Verb.FORWARD:
            return Forwarding(parts, admission, call)
        return Exchange(parts, admission, call)
