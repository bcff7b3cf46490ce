"""The models that a key may ask for, listed from the catalog: no provider is asked."""

from __future__ import annotations

from types import TracebackType

from llmgw_domain.errors import GatewayError
from llmgw_protocols.listings import entry, listing
from llmgw_relay.books import Books, retry_headers
from llmgw_relay.call import Admission, Beat, Call, Reply
from llmgw_relay.meter import Meter

_JSON = "application/json"


class Listing:
    """One look at the list, or at the one model that the path names. Entered once, left once."""

    def __init__(self, admission: Admission, call: Call, books: Books) -> None:
        self._admission = admission
        self._call = call
        self._books = books

    async def __aenter__(self) -> Reply:
        try:
            body = self._body()
        except GatewayError as error:
            return self._refuse(error)
        self._books.settle(None, Meter(), "ok", status=200)
        return Reply(200, self._books.headers(None, _JSON), body)

    def _body(self) -> bytes:
        catalog, policy = self._admission.catalog, self._admission.policy
        models = [catalog.models[name] for name in catalog.names_for(policy)]
        dialect, wire = self._call.dialect.name, self._call.wire
        if wire.path_model is not None:
            return entry(dialect, models, wire.path_model)
        return listing(dialect, models, wire.query)

    def _refuse(self, error: GatewayError) -> Reply:
        dialect, status = self._call.dialect, self._call.dialect.status_of(error)
        self._books.settle(None, Meter(), "refused", error, status)
        headers = self._books.headers(None, _JSON) + retry_headers(error)
        return Reply(status, headers, dialect.error_body(error, self._call.request_id))

    def beat(self, *, first: bool) -> Beat | None:
        """It is answered at once."""
        return None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held."""
