"""What a dialect is: the contract that each of the sub-packages fulfils and the relay relies on.

A call goes through a dialect in this order. Client side: `envelope` splits and checks the request; the same dialect
upstream takes `passthrough`, another one `parse` and then its own `render`. Provider side: `fault` reads a refusal,
`decoder` an answer. Client side again: `encoder` writes the answer, `error_body` a refusal.

A dialect that no client speaks to us (Bedrock's Converse) has the provider's side only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from llmgw_domain import Provider, StreamErrors
from llmgw_domain.accounts import Cloud, Platform
from llmgw_domain.advertised import Advertised
from llmgw_domain.chat import ChatRequest
from llmgw_domain.errors import GatewayError
from llmgw_domain.servers import GENERIC, Server
from llmgw_domain.stream import Answer, StreamEvent

StreamForm = Literal["sse", "array"]
"""How a stream is framed: server-sent events, or Gemini's JSON array."""


class WireRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A client's request as HTTP brought it. Header names are lower-case.

    Gemini's model, verb and version are in its path: `path_model`, `path_stream`, `path_version` (`v1`, `v1beta`).
    """

    body: bytes
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    query: Mapping[str, str] = msgspec.field(default_factory=dict)
    path_model: str | None = None
    path_stream: bool = False
    path_version: str | None = None


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """A request whose top level is split: `fields` maps names to raw JSON values, in the client's order."""

    wire: WireRequest
    model: str
    stream: bool
    fields: dict[str, msgspec.Raw]
    form: StreamForm = "sse"
    include_usage: bool = True
    """Whether the client wants the usage of a stream; only chat clients may not."""
    choices: int = 1
    """How many answers were asked for."""


class TargetFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a renderer has to know of the place it renders for.

    `max_output_tokens` is the output limit to send where the dialect demands one and the client gave none. `account` is
    its id, `reader` who can read what was sealed for it; `platform` is the account's, `server` the account's as it is
    for this model.
    """

    provider: Provider
    model: str
    max_output_tokens: int | None = None
    advertised: Advertised | None = None
    """What the provider says of the model; None where that is not known, and the name decides."""
    cloud: Cloud = ""
    """The cloud that Anthropic's API is asked at; empty where it is Anthropic's own, or another API."""
    account: str = ""
    reader: str = ""
    platform: Platform = Platform()
    server: Server = GENERIC


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a provider. `path` follows the account's base URL and begins with a slash; no credential is in it.

    `lossy` names the client's fields that the target can't express and that change the answer. `aliases` are names of
    tools that had to be written otherwise: the name on the wire to the client's own. `customs` are the client's
    names of custom tools that were written as functions.
    """

    path: str
    body: bytes
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    lossy: tuple[str, ...] = ()
    aliases: Mapping[str, str] = msgspec.field(default_factory=dict)
    customs: frozenset[str] = frozenset()


class Frame(msgspec.Struct, frozen=True):
    """One frame of a provider's stream: its exact bytes, and what they say.

    `hidden` frames are not forwarded in a pass-through: comments, and a usage chunk that the client did not ask for.
    """

    raw: bytes
    events: tuple[StreamEvent, ...]
    hidden: bool = False


class Decoder(Protocol):
    """Reads one answer of a provider. It never raises on what the provider sends: that becomes `Failed`.

    A decoder serves one answer, as a stream (`feed`, `finish`) or as a body (`whole`). Memory is bounded by one frame.
    """

    @property
    def complete(self) -> bool:
        """The dialect's terminal evidence was seen: an end of stream is an end, not a cut."""
        ...

    @property
    def closed(self) -> bool:
        """The stream's own last frame was seen (chat: `[DONE]`); nothing is missing from a pass-through."""
        ...

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes; bytes of an unfinished one are kept for the next call."""
        ...

    def finish(self) -> list[Frame]:
        """What an end of stream completes: a last frame without its delimiter, if it is whole."""
        ...

    def whole(self, body: bytes) -> list[StreamEvent]:
        """The events of an answer that is not a stream. A whole body is its own terminal evidence."""
        ...


class EncodeContext(msgspec.Struct, frozen=True, kw_only=True):
    """What an encoder writes into every answer: the model's name as the client asked for it, ids and times as
    arguments.
    """

    model: str
    request_id: str
    created: int
    """Unix seconds."""
    include_usage: bool = True
    choices: int = 1
    stream_errors: StreamErrors = StreamErrors.FINISH
    form: StreamForm = "sse"
    request: Envelope | None = None
    """The request as the client sent it: Responses repeats its settings, Chat tells calls in the form of its tools."""


class Encoder(Protocol):
    """Writes one answer for a client, as a stream (`emit`, then `end` or `fail`) or as a body (`body`).

    In a pass-through it writes only the ending: `observe` tells it what went out raw. An encoder of answers that can be
    continued by their id also has `response`: the whole answer's object once it is written, None before.
    """

    def emit(self, events: Sequence[StreamEvent]) -> bytes:
        """The bytes of these events, maybe none."""
        ...

    def observe(self, events: Sequence[StreamEvent]) -> None:
        """Takes note of events whose own frames were forwarded."""
        ...

    def end(self) -> bytes:
        """The normal ending of a translated stream. Called once, only after terminal evidence."""
        ...

    def end_mark(self) -> bytes:
        """The last frame alone, for a complete pass-through that lacked it (chat: `[DONE]`)."""
        ...

    def fail(self, error: GatewayError) -> bytes:
        """The ending of a broken stream as the contract has it; never a normal finish. Valid at any point."""
        ...

    def body(self, answer: Answer) -> bytes:
        """A whole answer."""
        ...


class ProviderDialect(Protocol):
    """A wire format as a provider speaks it."""

    name: str
    """`chat`, `responses`, `completions`, `messages`, `gemini` or `converse`."""
    family: str
    """Whose opaque values it carries: `openai`, `anthropic`, `google`, `bedrock`."""

    def render(self, request: ChatRequest, facts: TargetFacts) -> Rendered:
        """A canonical request in this dialect. Raises `UnsupportedField` for what it can't express and matters."""
        ...

    def decoder(self, *, form: StreamForm = "sse", hide_usage: bool = False, model: str = "") -> Decoder:
        """A reader for one answer of `model`."""
        ...

    def fault(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """What a provider's answer with a status of 400 or more means. Header names are lower-case."""
        ...

    def owns_error(self, body: bytes) -> bool:
        """Whether a provider's refusal has this dialect's own envelope, so that its clients can read it as it came."""
        ...


class Dialect(ProviderDialect, Protocol):
    """A wire format on both of its sides."""

    def envelope(self, wire: WireRequest) -> Envelope:
        """Splits and checks a client's request. Raises `BadRequest` and its kin with the field's name."""
        ...

    def parse(self, envelope: Envelope) -> ChatRequest:
        """The canonical request. Raises `BadRequest` and its kin."""
        ...

    def passthrough(self, envelope: Envelope, facts: TargetFacts) -> Rendered:
        """The same request for a provider of this dialect: only what must change is changed."""
        ...

    def encoder(self, context: EncodeContext) -> Encoder: ...

    def content_type(self, *, stream: bool, form: StreamForm = "sse") -> str:
        """The media type of an answer to a client."""
        ...

    def heartbeat(self, form: StreamForm = "sse") -> bytes:
        """A frame of a stream that says nothing, for clients that have waited long: one that they are known to bear."""
        ...

    def error_body(self, error: GatewayError, request_id: str) -> bytes:
        """An error in this dialect's envelope; its status is `error.status` (Messages: see `status_of`)."""
        ...

    def status_of(self, error: GatewayError) -> int:
        """The HTTP status that this dialect's clients expect for an error."""
        ...
