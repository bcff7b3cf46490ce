"""Requests for embeddings, read from either client dialect into passages of text."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from llmgw_domain.errors import InvalidField
from llmgw_protocols.dialect import Envelope
from llmgw_protocols.gemini.fields import Fields

Tokens = list[Annotated[int, Meta(ge=0)]]
_INPUT = msgspec.json.Decoder(str | list[Any])
_TOKENS = msgspec.json.Decoder(Tokens)
_TEXTS = msgspec.json.Decoder(list[str])
_ITEMS = msgspec.json.Decoder(list[Raw])
_DIMENSIONS = msgspec.json.Decoder(Annotated[int, Meta(ge=1)] | None)
_FORMAT = msgspec.json.Decoder(str | None)

MAX_PASSAGES = 2048
"""What OpenAI takes in one request."""

_NO_EFFECT = frozenset({"model", "input", "dimensions", "encoding_format", "user"})
_INPUT_HINT = "send a text, an array of texts, or token ids"


class Passage(msgspec.Struct, frozen=True):
    """A text to embed. `task` and `title` are Google's (`RETRIEVAL_DOCUMENT`, ...)."""

    text: str
    task: str | None = None
    title: str | None = None


class EmbeddingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to embed. `tokens` says that the client sent token ids, which only their own provider understands.

    `rest` are the client's names of fields that only its own dialect has.
    """

    passages: tuple[Passage, ...]
    dimensions: int | None = None
    tokens: bool = False
    rest: tuple[str, ...] = ()

    @property
    def texts(self) -> list[str]:
        return [p.text for p in self.passages]


# --- OpenAI -----------------------------------------------------------------------------------------------------------


def read_openai(envelope: Envelope) -> EmbeddingRequest:
    """Raises `InvalidField`."""
    fields = envelope.fields
    texts = _texts(fields["input"])
    return EmbeddingRequest(
        passages=tuple(Passage(text) for text in texts or ()),
        dimensions=_read(_DIMENSIONS, fields.get("dimensions"), "dimensions", "send a whole number above 0"),
        tokens=texts is None,
        rest=tuple(name for name in fields if name not in _NO_EFFECT),
    )


def wants_base64(envelope: Envelope) -> bool:
    """Whether the client asked for base64. Raises `InvalidField` for another form than the two."""
    wanted = _read(_FORMAT, envelope.fields.get("encoding_format"), "encoding_format", "send 'float' or 'base64'")
    if wanted not in (None, "float", "base64"):
        raise InvalidField("encoding_format: must be 'float' or 'base64'.", param="encoding_format")
    return bool(wanted == "base64")


def check_input(raw: Raw) -> None:
    """Raises `InvalidField` if an `input` is none, whoever is to read it."""
    _texts(raw)


def _texts(raw: Raw) -> list[str] | None:
    """The texts of an `input`; None for token ids."""
    given = _read(_INPUT, raw, "input", _INPUT_HINT)
    if isinstance(given, str):
        return [given]
    if not 1 <= len(given) <= MAX_PASSAGES:
        raise InvalidField(f"input: must hold 1 to {MAX_PASSAGES} items.", param="input")
    if isinstance(given[0], str):
        return list(_read(_TEXTS, raw, "input", _INPUT_HINT))
    for tokens in (raw,) if isinstance(given[0], int) else _read(_ITEMS, raw, "input", _INPUT_HINT):
        _read(_TOKENS, tokens, "input", _INPUT_HINT)
    return None


def _read(decoder: msgspec.json.Decoder[Any], raw: Raw | None, field: str, hint: str) -> Any:
    if raw is None:
        return None
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidField(f"{field}: {hint}.", param=field) from None


# --- Gemini -----------------------------------------------------------------------------------------------------------


def read_gemini(envelope: Envelope) -> EmbeddingRequest:
    """One passage, from the body of `embedContent`. Raises `InvalidField`."""
    return _of_requests([Fields(envelope.fields)])


def read_gemini_batch(envelope: Envelope) -> EmbeddingRequest:
    """The passages of `batchEmbedContents`. Raises `InvalidField`."""
    requests = Fields(envelope.fields).objects("requests")
    if not 1 <= len(requests) <= MAX_PASSAGES:
        raise InvalidField(f"requests: must hold 1 to {MAX_PASSAGES} items.", param="requests")
    return _of_requests(requests)


_GEMINI_FIELDS = ("content", "taskType", "title", "outputDimensionality", "model", "embedContentConfig")


def _of_requests(requests: list[Fields]) -> EmbeddingRequest:
    passages: list[Passage] = []
    sizes: set[int | None] = set()
    rest: dict[str, Raw] = {}
    for request in requests:
        # The Vertex form keeps the same wishes one level lower.
        config = request.object("embedContentConfig") or request
        passages.append(Passage(_text_of(request), config.text("taskType"), config.text("title")))
        sizes.add(config.integer("outputDimensionality"))
        rest |= request.rest(_GEMINI_FIELDS)
    if len(sizes) > 1:
        raise InvalidField("outputDimensionality: must be the same in all requests.", param="outputDimensionality")
    return EmbeddingRequest(passages=tuple(passages), dimensions=sizes.pop(), rest=tuple(rest))


def _text_of(request: Fields) -> str:
    content = request.object("content")
    parts = content.objects("parts") if content is not None else []
    texts = [part.text("text") for part in parts]
    if content is None or not texts or None in texts:
        where = request.path("content")
        raise InvalidField(f"{where}: must have parts of text; other media can't be embedded here.", param=where)
    return "\n".join(filter(None, texts))
