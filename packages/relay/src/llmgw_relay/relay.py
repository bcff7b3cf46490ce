"""The door of the use case: who may come in, who was turned away, and what carries a call of each kind."""

from __future__ import annotations

from llmgw_domain.errors import ClientGone, GatewayError
from llmgw_relay.books import Books, common_headers, retry_headers
from llmgw_relay.call import Admission, Call, Carried, Knock, Verb
from llmgw_relay.exchange import Exchange
from llmgw_relay.facts import CallSettled
from llmgw_relay.forwarding import Forwarding
from llmgw_relay.listing import Listing
from llmgw_relay.parts import Parts
from llmgw_relay.turn import Turn


class Relay:
    """Serves calls from the current catalog."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        parts.balancer.changed = parts.queue.offer

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

    @property
    def waiting(self) -> int:
        """Calls in the queue."""
        return len(self._parts.queue)

    def renewed(self) -> None:
        """Accounts have changed: whoever waits for one may be served now."""
        self._parts.queue.offer()

    def open(self, admission: Admission, call: Call) -> Carried:
        """An async context manager that gives the `Reply` and settles on leaving, whatever happened."""
        parts = self._parts
        if call.verb is Verb.LIST:
            turn = Turn(parts, admission, call.id, lambda: call.timeout)
            return Listing(admission, call, Books(parts, admission, call, turn))
        if call.verb is Verb.FORWARD:
            return Forwarding(parts, admission, call)
        return Exchange(parts, admission, call)
