"""Requests that go on from something that is kept somewhere: a stored response, a file.

What is at a provider binds the call to the account that holds it. What the gateway keeps is put into the request, which
can then go anywhere. See `objects` and `conversations`.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llmgw_domain import Candidate, Route
from llmgw_domain.errors import BadRequest, StoreUnavailable
from llmgw_protocols import Dialect, Envelope, resources
from llmgw_protocols.responses import state
from llmgw_relay.call import Admission
from llmgw_relay.conversations import StoredResponse
from llmgw_relay.objects import Owned
from llmgw_relay.ownership import Ownership
from llmgw_relay.parts import Parts

_RESPONSES = "responses"
_ITEMS = "items"
_NOT_STORED = Raw(b"false")


class Continuing:
    """One call's ties to what is kept, before it (`resume`) and after it (`keep`, `own`)."""

    def __init__(self, parts: Parts, admission: Admission, dialect: Dialect) -> None:
        self._parts = parts
        self._admission = admission
        self._dialect = dialect
        self._tenant = admission.key.tenant
        self._unanswered: StoreUnavailable | None = None
        """What is kept of the conversation could not be looked up."""

    async def resume(self, envelope: Envelope, route: Route) -> tuple[Envelope, Route]:
        """The request with what the gateway keeps of it, and the accounts that can serve it.

        Raises `NotFound` for what is not the tenant's, `BadRequest` where the holder does not serve the model,
        `StoreUnavailable` where it can't be known now what is kept.
        """
        if self._dialect.name == _RESPONSES:
            envelope = await self._with_history(envelope)
        named = resources.references(envelope.wire.body)
        if self._dialect.name == _RESPONSES:
            named += state.references(envelope)
        if not named:
            return envelope, route
        account = await Ownership(self._parts.objects, self._admission).account_of(named)
        if account is None and self._unanswered is not None and self._admission.policy.stored_responses:
            # It would go on without its history, or be told that there is none.
            raise self._unanswered
        return envelope, route if account is None else _at(route, account.id)

    async def _with_history(self, envelope: Envelope) -> Envelope:
        previous = state.previous_response_id(envelope)
        kept = await self._kept(previous) if previous else None
        if kept is not None:
            envelope = state.expand(envelope, kept.items)
        return await self._with_references(envelope)

    async def _with_references(self, envelope: Envelope) -> Envelope:
        """The request with each item that it names by its id alone put in, as far as it is kept."""
        stored: list[Raw] = []
        for item in state.references(envelope):
            response = state.response_of(item)
            kept = await self._kept(response) if response else None
            stored += kept.items if kept is not None else ()
        return state.resolve(envelope, stored) if stored else envelope

    async def _kept(self, id: str) -> StoredResponse | None:
        try:
            return await self._parts.conversations.get(self._tenant, id)
        except StoreUnavailable as error:
            self._unanswered = error
            return None

    # --- afterwards -------------------------------------------------------------------------------------------------

    def keeps(self, envelope: Envelope) -> bool:
        """Whether the gateway will keep the answer, if another provider than OpenAI gives it."""
        return (
            self._dialect.name == _RESPONSES
            and self._admission.policy.stored_responses
            and state.wants_storage(envelope)
        )

    def shown(self, envelope: Envelope) -> Envelope:
        """The request as a translated answer repeats it: what is not kept is not said to be."""
        if self._dialect.name != _RESPONSES or self.keeps(envelope):
            return envelope
        return msgspec.structs.replace(envelope, fields={**envelope.fields, "store": _NOT_STORED})

    def lost(self, envelope: Envelope) -> tuple[str, ...]:
        """What an answer of another provider does not do though the client asked for it by name."""
        asked = bytes(envelope.fields.get("store", b"")) == b"true"
        return ("store",) if self._dialect.name == _RESPONSES and asked and not self.keeps(envelope) else ()

    def keep(self, envelope: Envelope, response: bytes) -> None:
        """Keeps a whole response; `envelope` is the request with its history."""
        if not self.keeps(envelope):
            return
        id_ = msgspec.json.decode(response, type=_Response).id
        self._parts.conversations.put(
            StoredResponse(
                id=id_,
                tenant=self._tenant,
                body=response,
                input=tuple(state.stored_items(envelope)),
                output=tuple(state.output_items(response)),
            )
        )

    def own(self, envelope: Envelope, id: str, account: str, answer: bytes = b"") -> None:
        """Remembers where a provider keeps a response of its own, and its items, as far as `answer` tells of them."""
        if not (id and self._dialect.name == _RESPONSES and state.wants_storage(envelope)):
            return
        ids = {id: _RESPONSES, **dict.fromkeys(state.item_ids(answer), _ITEMS)}
        for named, kind in ids.items():
            self._parts.objects.add(Owned(id=named, kind=kind, tenant=self._tenant, account=account))


class _Response(msgspec.Struct):
    id: str


def _at(route: Route, account: str) -> Route:
    tiers = tuple(tuple(_for_its_own(c) for c in tier if c.account.id == account) for tier in route.tiers)
    if not any(tiers):
        raise BadRequest(
            f"What the request refers to is kept at an account that does not serve the model {route.model.name!r}.",
            param="model",
        )
    return Route(route.model, tuple(tier for tier in tiers if tier))


def _for_its_own(candidate: Candidate) -> Candidate:
    return msgspec.structs.replace(candidate, account=candidate.account.for_its_own())
