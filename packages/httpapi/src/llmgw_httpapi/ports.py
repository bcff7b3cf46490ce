"""What the data plane needs from the relay."""

from __future__ import annotations

from typing import Protocol

from llmgw_domain.errors import GatewayError
from llmgw_relay.call import Admission, Call, Carried, Knock


class Relay(Protocol):
    """Carries calls to providers."""

    def admit(self, secret: str) -> Admission:
        """Lets a caller in, before its body is read. Raises `UnknownKey`."""
        ...

    def turned_away(self, knock: Knock, error: GatewayError) -> list[tuple[bytes, bytes]]:
        """Records a request that is refused before its call is opened; the headers to answer it with."""
        ...

    def open(self, admission: Admission, call: Call) -> Carried:
        """The answer to a call; failures are answers too, so no `GatewayError` comes out.

        Leaving the context settles the call, on cancellation as well. `Reply.chunks` is closed before.
        """
        ...
