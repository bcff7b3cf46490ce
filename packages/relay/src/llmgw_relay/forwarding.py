"""What is passed through to accounts with OpenAI's own API: files, batches, images, audio, stored responses.

Bodies go through as they come, in both directions, and are not held: an upload of any size costs a few buffers
(`sending`). Only JSON, which is small, is held to read ids and usage from it.

Every id that an answer brings is remembered with its tenant and account (`objects`). Later use is routed to that
account; another tenant's object is not there. What makes something is never sent twice, unless the provider said
that it did nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from urllib.parse import urlencode

import msgspec

from llmgw_domain import Account, Candidate, Route, Usage
from llmgw_domain.errors import (
    BadRequest,
    GatewayError,
    KeyNotAllowed,
    StoreUnavailable,
    UpstreamMalformed,
    UpstreamNotFound,
)
from llmgw_domain.models import Model, Target
from llmgw_domain.stream import UsageReported
from llmgw_protocols import Rendered, TargetFacts, dialect_for, place, resources, toplevel
from llmgw_protocols.multipart import Form, boundary_of
from llmgw_protocols.resources import ENDPOINTS, Resource
from llmgw_relay.asking import facts_of
from llmgw_relay.attempt import Attempt
from llmgw_relay.call import Reply
from llmgw_relay.candidates import Chosen
from llmgw_relay.carriage import Carriage
from llmgw_relay.conversations import StoredResponse
from llmgw_relay.lists import Lists, items_page
from llmgw_relay.meter import Meter
from llmgw_relay.objects import Owned
from llmgw_relay.ownership import Ownership, missing
from llmgw_relay.retry import unprocessed
from llmgw_relay.sending import MAX_JSON, Sending

_JSON = "application/json"

_PASSED_ON = ("content-type", "accept", "openai-beta")
_PASSED_BACK = ("content-type", "content-disposition")


class Forwarding(Carriage):
    """A call whose bodies are not looked into more than they must be."""

    async def _answer(self) -> Reply:
        resource = self._resource
        if resource.kind in ENDPOINTS and not self._admission.policy.allows_endpoint(resource.kind):
            raise KeyNotAllowed(
                f"This key may not use '/v1{resource.path}': its policy does not name {resource.kind!r} in endpoints."
            )
        self._ownership = Ownership(self._parts.objects, self._admission)
        if resource.aim == "list":
            return await self._list()
        if resource.kind == "responses" and resource.id:
            stored = await self._kept(resource.id)
            if stored is not None:
                return await self._stored(stored)
        sending = await self._sending()
        try:
            return await self._ask(await self._aim(sending), sending)
        except UpstreamNotFound:
            if resource.id:
                # It says so of a model; here it is the object that its account does not know.
                raise missing(resource.id) from None
            raise

    async def _ask(self, route: Route, sending: Sending) -> Reply:
        """The answer of the first account that has one."""
        while True:
            attempt = self._begin(await self._place(route), sending)
            try:
                return await self._run(attempt)
            except GatewayError as error:
                await self._end_attempt(attempt, error)
                if not self._may_send_again(error, sending):
                    raise

    @property
    def _resource(self) -> Resource:
        assert self._call.resource is not None
        return self._call.resource

    # --- what is sent, and where to ---------------------------------------------------------------------------------

    async def _sending(self) -> Sending:
        """The request's body, read as far as it has to be."""
        upload, headers = self._call.upload, self._call.wire.headers
        if upload is None or self._resource.body == "none":
            return Sending()
        if self._resource.body == "json":
            return await Sending.of_json(upload)
        form = Form(boundary_of(headers.get("content-type", "")))
        declared = headers.get("content-length", "")
        length = int(declared) if declared.isdigit() else None
        return await Sending.of_form(upload, form, length, names_model=self._resource.aim == "model")

    async def _aim(self, sending: Sending) -> Route:
        """Which accounts may be asked. Raises `NotFound` for an object that is not the tenant's."""
        resource = self._resource
        if resource.aim == "model":
            route = self._route(sending.model())
            return self._speaking(route)
        named = [resource.id] if resource.id else sending.references()
        account = await self._ownership.account_of(named)
        if account is not None:
            return self._at([account.for_its_own()])
        # What nobody remembers may be at any account; those that do not know it say so, and the next one is asked.
        anywhere = resource.id is not None and not self._call.pool
        everywhere = (account.for_its_own() for pool in self._pools().values() for account in pool)
        return self._at([*everywhere] if anywhere else self._pool())

    def _speaking(self, route: Route) -> Route:
        tiers = tuple(tuple(c for c in tier if c.account.provider.speaks_openai) for tier in route.tiers)
        if not any(tiers):
            raise BadRequest(
                f"The model {route.model.name!r} leads to no account with OpenAI's API: '/v1{self._resource.path}' is "
                "passed through to such accounts alone.",
                param="model",
            )
        return Route(route.model, tiers)

    def _pool(self) -> list[Account]:
        """The accounts for what names neither a model nor an object: those of the one pool that there is."""
        pools, wanted = self._pools(), self._call.pool
        if not wanted and len(pools) == 1:
            return next(iter(pools.values()))
        if wanted not in pools:
            said = "Several pools have" if not wanted else f"There is no pool {wanted[:100]!r} with"
            names = ", ".join(sorted(pools)) or "none is configured"
            raise BadRequest(f"{said} OpenAI's API: send the header x-gw-pool with one of: {names}.", param="x-gw-pool")
        return pools[wanted]

    def _pools(self) -> dict[str, list[Account]]:
        """The pools of accounts with OpenAI's API, by name."""
        pools = self._admission.catalog.pools.items()
        return {name: [*accounts] for name, accounts in pools if any(a.provider.speaks_openai for a in accounts)}

    def _at(self, accounts: list[Account]) -> Route:
        target = Target(pool="", model="")
        return Route(Model(name=self._resource.kind, targets=()), (tuple(Candidate(a, "", target) for a in accounts),))

    # --- one attempt ------------------------------------------------------------------------------------------------

    def _begin(self, pick: Chosen, sending: Sending) -> Attempt:
        account = pick.candidate.account
        self._meter = Meter()
        facts = facts_of(pick.candidate)
        rendered = self._rendered(facts, sending.body(facts.model))
        request = msgspec.structs.replace(
            self._upstream_request(account, rendered, stream=False),
            method=self._call.method,
            upload=sending.rest(facts.model),
            length=sending.length(facts.model),
            once=not self._resource.makes_nothing,
        )
        attempt = self._attempt = Attempt(
            candidate=pick.candidate,
            lease=pick.lease,
            wall=self._parts.wall,
            dialect=dialect_for(facts, "chat", "chat"),
            rendered=rendered,
            requests=[request],
        )
        self._books.opened(attempt)
        return attempt

    def _rendered(self, facts: TargetFacts, body: bytes) -> Rendered:
        wire = self._call.wire
        headers = tuple((name, wire.headers[name]) for name in _PASSED_ON if name in wire.headers)
        rendered = Rendered(path=self._resource.path, query=urlencode(wire.query), headers=headers, body=body)
        return place(rendered, "chat", facts, stream=False)

    async def _run(self, attempt: Attempt) -> Reply:
        self._books.asked()
        reply = await attempt.open(self._parts.upstream)
        if reply.status >= 400:
            body = await reply.read(MAX_JSON)
            raise attempt.fault(reply.status, reply.headers, body)
        self._books.first_byte()
        content_type = reply.headers.get("content-type", "application/octet-stream")
        headers = self._books.headers(attempt, content_type)
        headers += [(n.encode(), reply.headers[n].encode("latin-1")) for n in _PASSED_BACK[1:] if n in reply.headers]
        if self._is_small_json(content_type, reply.headers.get("content-length")):
            return await self._whole(attempt, headers)
        self._stream = self._chunks(attempt)
        return Reply(reply.status, headers, chunks=self._stream)

    def _is_small_json(self, content_type: str, length: str | None) -> bool:
        # What a file holds is its owner's, even where it is JSON.
        if not content_type.startswith(_JSON) or self._resource.path.endswith("/content"):
            return False
        return length is None or not length.isdigit() or int(length) <= MAX_JSON

    async def _whole(self, attempt: Attempt, headers: list[tuple[bytes, bytes]]) -> Reply:
        body = await attempt.reply.read(self._parts.config.max_answer_bytes)
        attempt.received = len(body)
        if not toplevel.is_json(body):
            # Framed as complete, but cut: it must not look like an answer.
            raise UpstreamMalformed(detail="the answer is no JSON")
        self._books.sent = len(body)
        await self._note(attempt, body)
        self._books.settle(attempt, self._meter, "ok", status=attempt.reply.status)
        return Reply(attempt.reply.status, headers, body)

    async def _note(self, attempt: Attempt, body: bytes) -> None:
        """Remembers what the answer made, and counts what it used: a batch's usage once, when its work is over."""
        objects, account = self._parts.objects, attempt.candidate.account.id
        counts = resources.used(body)
        for made in resources.made(body):
            known = await self._known(made.id)
            final = made.over and counts is not None
            if (known is not None and known.settled) or (made.kind == "batches" and not made.over):
                counts = None
            tenant = self._admission.key.tenant
            objects.add(Owned(id=made.id, kind=made.kind, tenant=tenant, account=account, settled=final))
        if self._call.method == "DELETE" and self._resource.id:
            tenant, kind = self._admission.key.tenant, self._resource.kind
            objects.forget(Owned(id=self._resource.id, kind=kind, tenant=tenant, account=account))
        if counts is not None:
            self._meter.see((UsageReported(Usage(uncached_input=counts[0], output=counts[1])),))

    async def _known(self, id: str) -> Owned | None:
        try:
            return await self._parts.objects.find(id, self._admission.key.tenant)
        except StoreUnavailable:
            # It is made or was looked at: its client must hear of it. A batch is counted rather twice than never.
            return None

    async def _chunks(self, attempt: Attempt) -> AsyncGenerator[bytes, None]:
        """The provider's bytes as they come. One that breaks ends without its end, and is settled as failed."""
        status = attempt.reply.status
        try:
            while (data := await attempt.next_chunk()) is not None:
                attempt.received += len(data)
                attempt.reply.progress()
                self._books.sent += len(data)
                yield data
        except GatewayError as error:
            error.bytes_received = attempt.received
            self._books.settle(attempt, self._meter, "failed", error, status)
            raise
        self._books.settle(attempt, self._meter, "ok", status=status)

    def _may_send_again(self, error: GatewayError, sending: Sending) -> bool:
        """Only what can be sent again, and only where that makes nothing twice."""
        if sending.begun or not (self._resource.makes_nothing or unprocessed(error)):
            return False
        return self._may_retry(error)

    # --- responses of our own ---------------------------------------------------------------------------------------

    async def _kept(self, id: str) -> StoredResponse | None:
        try:
            return await self._parts.conversations.get(self._admission.key.tenant, id)
        except StoreUnavailable:
            # One that is known to be at a provider is none of ours.
            if await self._ownership.account_of([id]) is None:
                raise
            return None

    async def _stored(self, stored: StoredResponse) -> Reply:
        """What is asked of a response that the gateway keeps: no provider knows it."""
        call, path = self._call, self._resource.path
        if path.endswith("/cancel"):
            raise BadRequest("Only a response in the background can be cancelled.")
        if call.method == "DELETE":
            await self._parts.conversations.delete(stored.tenant, stored.id)
            body = msgspec.json.encode({"id": stored.id, "object": "response", "deleted": True})
        elif path.endswith("/input_items"):
            body = items_page(stored.input, call.wire.query)
        else:
            body = stored.body
        self._books.sent = len(body)
        self._books.settle(None, self._meter, "ok", status=200)
        return Reply(200, self._books.headers(None, _JSON), body)

    # --- lists ------------------------------------------------------------------------------------------------------

    async def _list(self) -> Reply:
        """The tenant's own objects, from every account that holds some."""
        tenant, kind = self._admission.key.tenant, self._resource.kind
        owned = await self._parts.objects.of(tenant, kind)
        lists = Lists(self._parts, self._admission.catalog, self._call.wire.query)
        body = await lists.page(self._resource, owned)
        self._books.sent = len(body)
        self._books.settle(None, self._meter, "ok", status=200)
        return Reply(200, self._books.headers(None, _JSON), body)
