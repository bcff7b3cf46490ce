"""What passes between the server and a dialect: a request as bytes in, an answer as frames out. No socket, no clock.

A dialect is one class with the methods of `Dialect`. It shares no code with the gateway, so that it is a second opinion
of the wire format, and it refuses what the provider would refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import msgspec

from llmgw_simulator.ask import Answers, Ask
from llmgw_simulator.blobs import Blob
from llmgw_simulator.breakpoints import Block
from llmgw_simulator.keyring import Keyring
from llmgw_simulator.limits import Standing


class Upload(msgspec.Struct, frozen=True):
    """A file of a form; its bytes are on disk."""

    field: str
    filename: str
    media_type: str
    blob: Blob


class Form(msgspec.Struct, frozen=True):
    """A body of `multipart/form-data`: the values of each field, and the files, in order."""

    fields: dict[str, list[str]]
    uploads: tuple[Upload, ...] = ()

    def summary(self) -> bytes:
        """What the log shows instead of a body: JSON without the files' bytes."""
        files = [
            {"name": one.field, "filename": one.filename, "content_type": one.media_type, "size": one.blob.size}
            for one in self.uploads
        ]
        return msgspec.json.encode({**{name: values[0] for name, values in self.fields.items()}, "files": files})


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came. `serial` counts requests from 1; `now` is Unix time in seconds, for headers with a date.

    `model` and `action` are what the path says, where it says so (Gemini, Bedrock, Vertex); `target` is the path with
    its query as it was sent, which is what a signature covers. `keyring` is what signatures are checked with. A form
    comes in `form`, and `body` is then its summary. `owner` is the credential, for endpoints that keep things, and
    `standing` what is left of its limits, if it has any.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    serial: int
    now: float
    model: str = ""
    action: str = ""
    form: Form | None = None
    owner: str = ""
    target: str = ""
    keyring: Keyring = Keyring()
    standing: Standing | None = None


class Refusal(Exception):
    """The request is answered with an error. Fields that a dialect has no place for stay None.

    `kind` is the provider's error type or status name; without it the status decides. `retry_after` is in seconds.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str | None = None,
        code: str | None = None,
        param: str | None = None,
        details: list[dict[str, Any]] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.code = code
        self.param = param
        self.details = details
        self.retry_after = retry_after


class Parsed(msgspec.Struct, frozen=True, kw_only=True):
    """A request that the dialect accepted. `options` are flags of its own that change how the answer is written.

    `context` is whatever else the dialect wants to see again when it writes the answer. `blocks` are those of the
    prompt where the provider caches what it is asked to, `retention` is how long it is to be kept where it does so
    unasked.
    """

    ask: Ask
    stream: bool
    options: frozenset[str] = frozenset()
    context: Any = None
    blocks: tuple[Block, ...] = ()
    retention: str | None = None


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One event of a stream, in full; `tokens` is how many output tokens it stands for, which is what takes time."""

    data: bytes
    tokens: int = 0


class Reply(msgspec.Struct, frozen=True):
    """A whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """What an endpoint answers with 200: `body`, or `frames` that come one after the other.

    `length` is the size of all frames in bytes where it is known, as for a download; `tokens` is what takes time.
    """

    headers: dict[str, str]
    body: bytes = b""
    frames: Iterator[Frame] | None = None
    length: int | None = None
    tokens: int = 0


Endpoint = Callable[[Incoming], Product]
"""Answers a request that is not for a model's text. Raises `Refusal`."""


class Dialect(Protocol):
    """One provider's wire format."""

    name: str

    def credential(self, incoming: Incoming) -> str | None:
        """The caller's credential, from where this provider looks for it."""

    def authenticate(self, incoming: Incoming) -> None:
        """Check the credential as the provider does. Raises `Refusal`."""

    def parse(self, incoming: Incoming) -> Parsed | Reply:
        """Check headers and body as the provider does. Raises `Refusal`.

        What needs no model to be answered (a count of tokens, an embedding, an access token) is the answer itself.
        """

    def headers(self, incoming: Incoming, parsed: Parsed) -> dict[str, str]:
        """The headers of a 200."""

    def whole(self, parsed: Parsed, answers: Answers) -> bytes:
        """The body of an answer that is not streamed."""

    def frames(self, parsed: Parsed, answers: Answers) -> Iterator[Frame]:
        """The events of one that is."""

    def refuse(self, refusal: Refusal, incoming: Incoming) -> Reply:
        """An error in the provider's envelope."""

    def canned(self, status: int) -> Refusal:
        """What the provider says with this status, for a status that a fault asks for."""

    def broken_frame(self, parsed: Parsed, kind: str) -> bytes:
        """A frame for a fault in the stream: `malformed` JSON, or the provider's own `error` event."""


def lower(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers by lower-case name; the first of a repeated one counts."""
    found: dict[str, str] = {}
    for name, value in headers.items():
        found.setdefault(name.lower(), value)
    return found


def bearer(headers: Mapping[str, str]) -> str | None:
    """The token of `Authorization: Bearer`."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def rejected(credential: str) -> bool:
    """Whether the simulator treats the credential as an unknown one."""
    return credential.startswith("bad")
