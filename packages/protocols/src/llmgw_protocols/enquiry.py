"""The smaller questions around chats: embeddings, token counts, moderations. One question, one whole answer.

An enquiry is read like a chat request (`Envelope`), is written for a target as one or several requests, and its answers
are turned into the client's form by one function. Where a provider can't be asked, an enquiry may know an answer of its
own (an estimate), or refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from llmgw_domain import Usage
from llmgw_protocols.dialect import Envelope, ProviderDialect, Rendered, TargetFacts, WireRequest


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An answer in the client's form. `estimated`: no provider said it."""

    body: bytes
    usage: Usage | None = None
    estimated: bool = False


class Estimate(msgspec.Struct, frozen=True):
    """An answer of the gateway's own. `work` may take as long as the request is large, so it is done off the loop."""

    work: Callable[[], Told]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What a target is asked: requests that are sent one after the other, and how their bodies are read together.

    `read` raises `UpstreamMalformed` for a body that is no answer. `dialect` reads the refusals. `otherwise` is the
    answer where the target turns out not to have the endpoint, or not for this.
    """

    dialect: ProviderDialect
    requests: tuple[Rendered, ...]
    read: Callable[[Sequence[bytes]], Told]
    otherwise: Estimate | None = None


class Enquiry(Protocol):
    """One kind of question in one client dialect."""

    name: str
    """`embeddings`, `count_tokens` or `moderations`."""

    def envelope(self, wire: WireRequest) -> Envelope:
        """Splits and checks a client's request. Raises `BadRequest` and its kin with the field's name."""
        ...

    def ask(self, envelope: Envelope, facts: TargetFacts) -> Question | Estimate:
        """The question for a target, or the gateway's own answer where the target can't be asked.

        Raises `UnsupportedField` for what the target can't be asked, `UpstreamNotFound` where it has nothing of the
        kind.
        """
        ...
