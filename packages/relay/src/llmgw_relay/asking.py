"""A client's request on its way to providers: read once, rendered for each account that is asked.

Between equal dialects it passes through with only what must change changed; otherwise it goes through the canonical
form, which is parsed at the first target that needs it.
"""

from __future__ import annotations

import msgspec

from llmgw_domain.chat import ChatRequest
from llmgw_domain.models import Api
from llmgw_protocols import Dialect, Envelope, ProviderDialect, Rendered, TargetFacts, dialect_for, place


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The request as one target gets it. `native`: in the client's own dialect, so its answer passes through."""

    dialect: ProviderDialect
    rendered: Rendered
    native: bool


class Asking:
    """One request. Rendering is synchronous, so that an account can be chosen and asked in one step."""

    def __init__(self, client: Dialect, envelope: Envelope) -> None:
        self._client = client
        self._request: ChatRequest | None = None
        self.envelope = envelope

    @property
    def request(self) -> ChatRequest:
        """The canonical request. Raises `BadRequest` and its kin."""
        if self._request is None:
            self._request = self._client.parse(self.envelope)
        return self._request

    def of(self, facts: TargetFacts, api: Api) -> Asked:
        """The request for a target. Raises `UnsupportedField` for what that target can't express and matters."""
        dialect = dialect_for(facts, api, self._client.name)
        native = dialect.name == self._client.name
        rendered = self._client.passthrough(self.envelope, facts) if native else dialect.render(self.request, facts)
        placed = place(rendered, dialect.name, facts, stream=self.envelope.stream)
        return Asked(dialect=dialect, rendered=placed, native=native)

    def __repr__(self) -> str:
        return f"<Asking {self._client.name} {self.envelope.model!r}>"
