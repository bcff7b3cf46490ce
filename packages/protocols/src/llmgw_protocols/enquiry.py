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


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What a target is asked: requests that are sent one after the other, and how their bodies are read together.

    `read` raises `UpstreamMalformed` for a body that is no answer. `dialect` reads the refusals.
    """

    dialect: ProviderDialect
    requests: tuple[Rendered, ...]
    read: Callable[[Sequence[bytes]], Told]


class Enquiry(Protocol):
    """One kind of question in one client dialect."""

    name: str
    """`embeddings`, `count_tokens` or `moderations`."""

    def envelope(self, wire: WireRequest) -> Envelope:
        """Splits and checks a client's request. Raises `BadRequest` and its kin with the field's name."""
        ...

    def ask(self, envelope: Envelope, facts: TargetFacts) -> Question | Told:
        """The question for a target, or its answer where nobody need be asked.

        Raises `UnsupportedField` for what the target can't be asked, `UpstreamNotFound` where it has nothing of the
        kind.
        """
        ...
