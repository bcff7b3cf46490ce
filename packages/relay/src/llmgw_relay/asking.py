"""A client's request on its way to providers: read once, written for each account that is asked.

A chat between equal dialects passes through with only what must change changed; otherwise it goes through the canonical
form, which is parsed at the first target that needs it. The smaller questions are written by their `Enquiry`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from llmgw_domain import Candidate, Route
from llmgw_domain.chat import ChatRequest
from llmgw_domain.errors import GatewayError, UpstreamTimeout
from llmgw_domain.models import Api
from llmgw_protocols import (
    Dialect,
    EncodeContext,
    Envelope,
    ProviderDialect,
    Rendered,
    TargetFacts,
    dialect_for,
    media,
    place,
)
from llmgw_protocols.continuation import continuation
from llmgw_protocols.enquiry import Enquiry, Estimate
from llmgw_protocols.repairs import Act, Repair, in_responses, on_body, on_request, repair_for
from llmgw_protocols.responses import opaque
from llmgw_protocols.signatures import Kept, restored, wanted
from llmgw_relay.goes import Goes
from llmgw_relay.learned import Learned
from llmgw_relay.meter import Meter
from llmgw_relay.ports import AdvertisedBy, Fetch
from llmgw_relay.stash import Stash
from llmgw_relay.transform import Conversion, Passthrough, Transform, Translation

_RESPONSES = "responses"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The request as one target gets it: mostly one, sent one after the other where the target takes less at once.

    `dialect` reads the target's refusals, `transform` makes what turns its answer into the client's. `otherwise` is the
    gateway's own answer where the target refuses the question as such.
    """

    dialect: ProviderDialect
    requests: tuple[Rendered, ...]
    transform: Callable[[EncodeContext, Meter], Transform]
    otherwise: Estimate | None = None
    repairs: tuple[Repair, ...] = ()
    """What was done to it so that the target takes it."""


class Asking(Protocol):
    """One request. Writing it is synchronous, so that an account can be chosen and asked in one step."""

    envelope: Envelope

    @property
    def opaque(self) -> bool:
        """Whether it holds what only the organization can read that it was sealed for."""
        ...

    def leave_out_reasoning(self) -> bool:
        """Goes on without such reasoning, so that every account can serve it. False where that can't be."""
        ...

    def of(self, facts: TargetFacts, api: Api) -> Asked | Estimate:
        """The request for a target, or the gateway's own answer where it can't be asked.

        Raises `UnsupportedField` for what that target can't express and matters.
        """
        ...

    def again(self, asked: Asked, error: GatewayError, facts: TargetFacts, api: Api) -> Asked | None:
        """The request as the target may take it, after it refused it like that; None where that can't be told."""
        ...


class Chat:
    """A request for a chat completion."""

    def __init__(
        self, client: Dialect, envelope: Envelope, lost: tuple[str, ...] = (), learned: Learned | None = None
    ) -> None:
        """`lost` are wishes that only a target of the client's own dialect could fulfil; `learned` knows the models."""
        self._client = client
        self._lost = lost
        self._learned = learned
        self._repaired = False
        self._request: ChatRequest | None = None
        self._kept: Mapping[str, Kept] = {}
        self._fetched: Mapping[str, bytes] = {}
        self._left_out: tuple[str, ...] = ()
        self.envelope = envelope

    @property
    def opaque(self) -> bool:
        return self._client.name == _RESPONSES and opaque.holds(self.envelope)

    def leave_out_reasoning(self) -> bool:
        without = opaque.without_reasoning(self.envelope) if self._client.name == _RESPONSES else None
        if without is None:
            return False
        self.envelope, self._request, self._left_out = without, None, (opaque.LOST,)
        return True

    async def recall(self, stash: Stash, tenant: str, route: Route) -> None:
        """Looks up the reasoning that the client left out, if the request may have to be translated."""
        if not any(self._dialect(facts_of(c), c.target.api).name != self._client.name for c in route):
            return
        try:
            keys = wanted(self.request)
        except GatewayError:
            # What can't be translated may pass through all the same; a target that needs it read will say so.
            return
        self._kept = await stash.get(tenant, keys) if keys else {}

    async def gather(self, fetch: Fetch | None, route: Route, seconds: float | None) -> None:
        """Fetches the media that some target's provider does not fetch itself, as far as that is allowed.

        Before an account is chosen, so that none is held meanwhile. `seconds` is what is left of the call's time.
        Raises `BadRequest`, `UpstreamTimeout`.
        """
        # A request that nobody had to read so far passes through everywhere, its addresses as well.
        if fetch is not None and self._request is not None and next(media.remote(self._request), None) is not None:
            wanted = [url for url in self._addresses(self._request, route) if fetch.allows(url)]
            self._fetched = dict(zip(wanted, await _in_time(fetch, wanted, seconds), strict=True)) if wanted else {}

    def _addresses(self, request: ChatRequest, route: Route) -> dict[str, None]:
        found: dict[str, None] = {}
        targets = {(self._dialect(facts_of(c), c.target.api).name, c.account.provider) for c in route}
        for dialect, provider in sorted(targets):
            if dialect != self._client.name:
                found |= media.addresses(request, dialect, provider)
        return found

    @property
    def request(self) -> ChatRequest:
        """The canonical request. Raises `BadRequest` and its kin."""
        if self._request is None:
            self._request = self._client.parse(self.envelope)
        return self._request

    def of(self, facts: TargetFacts, api: Api) -> Asked:
        return self._asked(facts, api, self._learned.of(facts.account, facts.model) if self._learned else ())

    def again(self, asked: Asked, error: GatewayError, facts: TargetFacts, api: Api) -> Asked | None:
        """Once a call. A request that passes through is only written otherwise, never asked otherwise; but it may leave
        out reasoning that this account can't read.
        """
        repair = None if self._repaired else repair_for(asked.dialect.name, error)
        if repair is None:
            return None
        passes = asked.dialect.name == self._client.name and not repair.keeps_meaning
        if passes and not (repair.act is Act.NO_THINKING and self.leave_out_reasoning()):
            return None
        self._repaired = True
        try:
            again = self._asked(facts, api, (*asked.repairs, repair))
        except GatewayError:
            return None
        # A repair that changes nothing would be refused again.
        return None if again.requests == asked.requests else again

    def _asked(self, facts: TargetFacts, api: Api, repairs: tuple[Repair, ...]) -> Asked:
        dialect = self._dialect(facts, api, repairs)
        native = dialect.name == self._client.name
        rendered = self._passed(facts, repairs) if native else self._rendered(dialect, facts, repairs)
        placed = place(rendered, dialect.name, facts, stream=self.envelope.stream)

        def transform(context: EncodeContext, meter: Meter) -> Transform:
            encoder = self._client.encoder(context)
            if native:
                hide = not self.envelope.include_usage
                decoder = dialect.decoder(form=self.envelope.form, hide_usage=hide, model=facts.model)
                return Passthrough(decoder, encoder, meter)
            follow = continuation(dialect.name, placed.body)
            goes = Goes(follow, lambda: dialect.decoder(model=facts.model), placed)
            return Translation(goes, encoder, meter, placed.aliases, placed.customs)

        return Asked(dialect=dialect, requests=(placed,), transform=transform, repairs=repairs)

    def _dialect(self, facts: TargetFacts, api: Api, repairs: tuple[Repair, ...] = ()) -> ProviderDialect:
        dialect = dialect_for(facts, api, self._client.name, lambda: self.request)
        if facts.provider.speaks_openai and dialect.name != self._client.name and in_responses(repairs):
            return dialect_for(facts, "responses", self._client.name)
        return dialect

    def _passed(self, facts: TargetFacts, repairs: tuple[Repair, ...]) -> Rendered:
        rendered = on_body(repairs, self._client.passthrough(self.envelope, facts), self.envelope.fields)
        if not self._left_out:
            return rendered
        return msgspec.structs.replace(rendered, lossy=(*rendered.lossy, *self._left_out))

    def _rendered(self, dialect: ProviderDialect, facts: TargetFacts, repairs: tuple[Repair, ...]) -> Rendered:
        request = media.inlined(self.request, self._fetched, dialect.name, facts.provider)
        if self._kept:
            request = restored(request, self._kept, dialect.family, facts.model, facts.reader)
        request, lost = on_request(repairs, request)
        rendered = on_body(repairs, dialect.render(request, facts))
        lossy = tuple(dict.fromkeys((*rendered.lossy, *self._lost, *self._left_out, *lost)))
        return rendered if lossy == rendered.lossy else msgspec.structs.replace(rendered, lossy=lossy)

    def __repr__(self) -> str:
        return f"<Chat {self._client.name} {self.envelope.model!r}>"


class Enquiring:
    """One of the smaller questions: embeddings, token counts, moderations."""

    def __init__(self, enquiry: Enquiry, envelope: Envelope) -> None:
        self._enquiry = enquiry
        self.envelope = envelope

    @property
    def opaque(self) -> bool:
        return False

    def leave_out_reasoning(self) -> bool:
        return False

    def of(self, facts: TargetFacts, api: Api) -> Asked | Estimate:
        question = self._enquiry.ask(self.envelope, facts)
        if isinstance(question, Estimate):
            return question
        return Asked(
            dialect=question.dialect,
            requests=question.requests,
            transform=lambda context, meter: Conversion(question.read, meter),
            otherwise=question.otherwise,
        )

    def again(self, asked: Asked, error: GatewayError, facts: TargetFacts, api: Api) -> Asked | None:
        return None

    def __repr__(self) -> str:
        return f"<Enquiring {self._enquiry.name} {self.envelope.model!r}>"


def facts_of(
    candidate: Candidate, max_output_tokens: int | None = None, advertised: AdvertisedBy | None = None
) -> TargetFacts:
    """What a renderer has to know of a candidate."""
    account = candidate.account
    return TargetFacts(
        provider=account.provider,
        model=candidate.model,
        max_output_tokens=max_output_tokens,
        advertised=advertised(account.id, candidate.model) if advertised else None,
        cloud=account.cloud,
        account=account.id,
        reader=account.reader,
        platform=account.platform,
        server=account.server.for_model(candidate.model),
    )


async def _in_time(fetch: Fetch, urls: list[str], seconds: float | None) -> list[bytes]:
    try:
        async with asyncio.timeout(seconds):
            return await fetch.fetch(urls)
    except TimeoutError:
        raise UpstreamTimeout("The media that the request names could not be fetched in its time.") from None
