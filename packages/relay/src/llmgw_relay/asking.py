"""A client's request on its way to providers: read once, written for each account that is asked.

A chat between equal dialects passes through with only what must change changed; otherwise it goes through the canonical
form, which is parsed at the first target that needs it. The smaller questions are written by their `Enquiry`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from llmgw_domain import Candidate, Route
from llmgw_domain.chat import ChatRequest
from llmgw_domain.models import Api
from llmgw_protocols import (
    Dialect,
    EncodeContext,
    Envelope,
    ProviderDialect,
    Rendered,
    TargetFacts,
    dialect_for,
    place,
)
from llmgw_protocols.enquiry import Enquiry, Estimate
from llmgw_protocols.signatures import Kept, restored, wanted
from llmgw_relay.meter import Meter
from llmgw_relay.ports import AdvertisedBy
from llmgw_relay.stash import Stash
from llmgw_relay.transform import Conversion, Passthrough, Transform, Translation


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The request as one target gets it: mostly one, sent one after the other where the target takes less at once.

    `dialect` reads the target's refusals, `transform` makes what turns its answer into the client's. `otherwise` is the
    gateway's own answer where the target refuses the question as such.
    """

    dialect: ProviderDialect
    requests: tuple[Rendered, ...]
    transform: Callable[[EncodeContext, Meter], Transform]
    otherwise: Estimate | None = None


class Asking(Protocol):
    """One request. Writing it is synchronous, so that an account can be chosen and asked in one step."""

    envelope: Envelope

    def of(self, facts: TargetFacts, api: Api) -> Asked | Estimate:
        """The request for a target, or the gateway's own answer where it can't be asked.

        Raises `UnsupportedField` for what that target can't express and matters.
        """
        ...


class Chat:
    """A request for a chat completion."""

    def __init__(self, client: Dialect, envelope: Envelope, lost: tuple[str, ...] = ()) -> None:
        """`lost` are wishes that only a target of the client's own dialect could fulfil."""
        self._client = client
        self._lost = lost
        self._request: ChatRequest | None = None
        self._kept: Mapping[str, Kept] = {}
        self.envelope = envelope

    async def recall(self, stash: Stash, tenant: str, route: Route) -> None:
        """Looks up the reasoning that the client left out, if the request may have to be translated.

        Raises `BadRequest` and its kin, as `request` does.
        """
        if any(self._dialect(facts_of(c), c.target.api).name != self._client.name for c in route):
            keys = wanted(self.request)
            self._kept = await stash.get(tenant, keys) if keys else {}

    @property
    def request(self) -> ChatRequest:
        """The canonical request. Raises `BadRequest` and its kin."""
        if self._request is None:
            self._request = self._client.parse(self.envelope)
        return self._request

    def of(self, facts: TargetFacts, api: Api) -> Asked:
        dialect = self._dialect(facts, api)
        native = dialect.name == self._client.name
        rendered = self._client.passthrough(self.envelope, facts) if native else self._rendered(dialect, facts)
        placed = place(rendered, dialect.name, facts, stream=self.envelope.stream)

        def transform(context: EncodeContext, meter: Meter) -> Transform:
            encoder = self._client.encoder(context)
            if native:
                hide = not self.envelope.include_usage
                decoder = dialect.decoder(form=self.envelope.form, hide_usage=hide, model=facts.model)
                return Passthrough(decoder, encoder, meter)
            return Translation(dialect.decoder(model=facts.model), encoder, meter, placed.aliases)

        return Asked(dialect=dialect, requests=(placed,), transform=transform)

    def _dialect(self, facts: TargetFacts, api: Api) -> ProviderDialect:
        return dialect_for(facts, api, self._client.name, lambda: self.request)

    def _rendered(self, dialect: ProviderDialect, facts: TargetFacts) -> Rendered:
        request = self.request
        if self._kept:
            request = restored(request, self._kept, dialect.family, facts.model, facts.account)
        rendered = dialect.render(request, facts)
        return msgspec.structs.replace(rendered, lossy=rendered.lossy + self._lost) if self._lost else rendered

    def __repr__(self) -> str:
        return f"<Chat {self._client.name} {self.envelope.model!r}>"


class Smaller:
    """One of the smaller questions: embeddings, token counts, moderations."""

    def __init__(self, enquiry: Enquiry, envelope: Envelope) -> None:
        self._enquiry = enquiry
        self.envelope = envelope

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

    def __repr__(self) -> str:
        return f"<Smaller {self._enquiry.name} {self.envelope.model!r}>"


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
        platform=account.platform,
        server=account.server,
    )
