"""The enquiries for embeddings, one for each path that clients know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from llmgw_domain import Provider
from llmgw_domain.errors import InvalidField, UpstreamMalformed
from llmgw_protocols import toplevel
from llmgw_protocols.dialect import Envelope, Rendered, TargetFacts, WireRequest
from llmgw_protocols.embeddings import request as _request
from llmgw_protocols.embeddings.targets import OPENAI_PATH, OpenAIAnswer, of_openai, write
from llmgw_protocols.embeddings.vectors import Embedded, as_base64, as_numbers, counted, is_base64
from llmgw_protocols.enquiry import Question, Told
from llmgw_protocols.platforms import place
from llmgw_protocols.registry import dialect_for

_MODEL = msgspec.json.Decoder(str)
_OPENAI_ANSWER = msgspec.json.Decoder(OpenAIAnswer)


class _OpenAI:
    """`POST /v1/embeddings`."""

    name = "embeddings"

    def envelope(self, wire: WireRequest) -> Envelope:
        fields = toplevel.split(wire.body)
        if "input" not in fields:
            raise InvalidField("The field 'input' is missing: send a text or an array of texts.", param="input")
        return Envelope(wire=wire, model=model_of(fields), stream=False, fields=fields)

    def ask(self, envelope: Envelope, facts: TargetFacts) -> Question:
        base64 = _request.wants_base64(envelope)
        if facts.provider.speaks_openai:
            return self._passed(envelope, facts, base64=base64)
        request = _request.read_openai(envelope)
        requests, read = write(request, facts)

        def told(bodies: Sequence[bytes]) -> Told:
            embedded = matching(read(bodies), len(request.passages))
            return Told(body=_openai_body(embedded, envelope.model, base64=base64), usage=embedded.usage)

        return Question(dialect=dialect_for(facts), requests=requests, read=told)

    def _passed(self, envelope: Envelope, facts: TargetFacts, *, base64: bool) -> Question:
        _request.check_input(envelope.fields["input"])
        fields = {name: bytes(raw) for name, raw in envelope.fields.items()}
        body = toplevel.join({**fields, "model": msgspec.json.encode(facts.model)})
        rendered = place(Rendered(path=OPENAI_PATH, body=body), "chat", facts, stream=False)

        def told(bodies: Sequence[bytes]) -> Told:
            return _passed_back(bodies[0], base64=base64)

        return Question(dialect=dialect_for(facts), requests=(rendered,), read=told)


def _passed_back(body: bytes, *, base64: bool) -> Told:
    """The provider's own answer, with its vectors in the form that was asked for: not every server knows both."""
    try:
        answer = _OPENAI_ANSWER.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UpstreamMalformed(detail=f"no answer to an embedding request: {error}") from None
    usage = of_openai(answer, ()).usage
    if all(is_base64(item.embedding) == base64 for item in answer.data):
        return Told(body=body, usage=usage)
    form = as_base64 if base64 else as_numbers
    whole = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    items = msgspec.json.decode(whole["data"], type=list[dict[str, msgspec.Raw]])
    whole["data"] = msgspec.Raw(msgspec.json.encode([{**item, "embedding": form(item["embedding"])} for item in items]))
    return Told(body=msgspec.json.encode(whole), usage=usage)


def _openai_body(embedded: Embedded, model: str, *, base64: bool) -> bytes:
    form = as_base64 if base64 else as_numbers
    data = [{"object": "embedding", "index": i, "embedding": form(vector)} for i, vector in enumerate(embedded.vectors)]
    tokens = embedded.usage.input if embedded.usage else 0
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return msgspec.json.encode({"object": "list", "data": data, "model": model, "usage": usage})


class _Gemini:
    """`:embedContent` and, with `batch`, `:batchEmbedContents`."""

    name = "embeddings"

    def __init__(self, *, batch: bool) -> None:
        self._batch = batch

    def envelope(self, wire: WireRequest) -> Envelope:
        if not wire.path_model:
            raise InvalidField("The path names no model: use /v1beta/models/MODEL:embedContent.", param="model")
        fields = toplevel.split(wire.body)
        needed = "requests" if self._batch else "content"
        if needed not in fields:
            raise InvalidField(f"The field {needed!r} is missing.", param=needed)
        return Envelope(wire=wire, model=wire.path_model, stream=False, fields=fields)

    def ask(self, envelope: Envelope, facts: TargetFacts) -> Question:
        request = (_request.read_gemini_batch if self._batch else _request.read_gemini)(envelope)
        if facts.provider is Provider.GOOGLE:
            return self._passed(envelope, facts, request)
        requests, read = write(request, facts)

        def told(bodies: Sequence[bytes]) -> Told:
            embedded = matching(read(bodies), len(request.passages))
            return Told(body=self._body(embedded), usage=embedded.usage)

        return Question(dialect=dialect_for(facts), requests=requests, read=told)

    def _passed(self, envelope: Envelope, facts: TargetFacts, request: _request.EmbeddingRequest) -> Question:
        """The client's own body; each request of a batch names the model again."""
        resource = f"models/{facts.model.removeprefix('models/')}"
        fields = {name: bytes(raw) for name, raw in envelope.fields.items()}
        if self._batch:
            items = msgspec.json.decode(fields["requests"], type=list[dict[str, msgspec.Raw]])
            fields["requests"] = msgspec.json.encode([{**item, "model": resource} for item in items])
        elif "model" in fields:
            fields["model"] = msgspec.json.encode(resource)
        verb = "batchEmbedContents" if self._batch else "embedContent"
        version = envelope.wire.path_version or "v1beta"
        rendered = Rendered(path=f"/{version}/{quote(resource, safe='/:@.-_')}:{verb}", body=toplevel.join(fields))

        def told(bodies: Sequence[bytes]) -> Told:
            return Told(body=bodies[0], usage=counted(_google_count(bodies[0]), request.texts))

        return Question(dialect=dialect_for(facts), requests=(rendered,), read=told)

    def _body(self, embedded: Embedded) -> bytes:
        vectors = [{"values": as_numbers(v)} for v in embedded.vectors]
        shown: dict[str, Any] = {"embeddings": vectors} if self._batch else {"embedding": vectors[0]}
        if embedded.usage is not None and embedded.usage.provenance == "reported":
            shown["usageMetadata"] = {"promptTokenCount": embedded.usage.input}
        return msgspec.json.encode(shown)


def model_of(fields: dict[str, msgspec.Raw]) -> str:
    """The model that a body names. Raises `InvalidField`."""
    try:
        model = _MODEL.decode(fields.get("model", b"null"))
    except msgspec.DecodeError:
        model = ""
    if not model:
        raise InvalidField("The field 'model' is missing: send the model's name as text.", param="model")
    return model


def matching(embedded: Embedded, passages: int) -> Embedded:
    """The vectors, if there is one for each passage; a client could not tell which is missing."""
    if len(embedded.vectors) != passages:
        raise UpstreamMalformed(detail=f"{len(embedded.vectors)} embeddings for {passages} passages")
    return embedded


class _GoogleCount(msgspec.Struct, rename="camel"):
    class Metadata(msgspec.Struct, rename="camel"):
        prompt_token_count: int | None = None

    usage_metadata: Metadata | None = None


def _google_count(body: bytes) -> int | None:
    try:
        answer = msgspec.json.decode(body, type=_GoogleCount)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UpstreamMalformed(detail=f"no answer to an embedding request: {error}") from None
    return answer.usage_metadata.prompt_token_count if answer.usage_metadata else None


OPENAI_EMBEDDINGS = _OpenAI()
GEMINI_EMBED = _Gemini(batch=False)
GEMINI_BATCH_EMBED = _Gemini(batch=True)
