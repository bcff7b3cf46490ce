"""Requests for embeddings as each provider takes them, and how its vectors are read.

Sources: OpenAI's and Google's references of their endpoints; for Bedrock the model pages of Titan and Cohere. What
takes one passage a request is asked once for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Raw

from llmgw_domain import Provider
from llmgw_domain.errors import UnsupportedField, UpstreamMalformed
from llmgw_protocols.dialect import Rendered, TargetFacts
from llmgw_protocols.embeddings.request import EmbeddingRequest, Passage
from llmgw_protocols.embeddings.vectors import Embedded, counted
from llmgw_protocols.platforms import place

ReadVectors = Callable[[Sequence[bytes]], Embedded]
Written = tuple[tuple[Rendered, ...], ReadVectors]

OPENAI_PATH = "/embeddings"

_COHERE_BATCH = 96
_COHERE_TASKS = {
    "RETRIEVAL_QUERY": "search_query",
    "QUESTION_ANSWERING": "search_query",
    "FACT_VERIFICATION": "search_query",
    "CLASSIFICATION": "classification",
    "CLUSTERING": "clustering",
}


def write(request: EmbeddingRequest, facts: TargetFacts) -> Written:
    """Requests for a target. Raises `UnsupportedField` where it makes no vectors, or not of this."""
    if request.tokens and not facts.provider.speaks_openai:
        raise UnsupportedField.named("input", "Token ids are only understood by their own provider: send texts.")
    match facts.provider:
        case Provider.GOOGLE:
            return _google(request, facts)
        case Provider.VERTEX if "gemini" in facts.model and "gemini-embedding-001" not in facts.model:
            return _vertex_gemini(request, facts)
        case Provider.VERTEX:
            return _vertex(request, facts)
        case Provider.BEDROCK if "cohere." in facts.model:
            return _cohere(request, facts)
        case Provider.BEDROCK if "titan-embed" in facts.model:
            return _titan(request, facts)
        case provider if provider.speaks_openai:
            return _openai(request, facts)
    raise UnsupportedField.named("model", f"{facts.model!r} makes no embeddings at its provider.")


# --- OpenAI -----------------------------------------------------------------------------------------------------------


class _Item(msgspec.Struct):
    embedding: Raw
    index: int = 0


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None


class OpenAIAnswer(msgspec.Struct):
    """`{"data": [{"index", "embedding"}], "usage": {"prompt_tokens"}}`."""

    data: list[_Item]
    usage: _Usage | None = None


def _openai(request: EmbeddingRequest, facts: TargetFacts) -> Written:
    body: dict[str, Any] = {"model": facts.model, "input": request.texts, "encoding_format": "float"}
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    rendered = Rendered(path=OPENAI_PATH, body=msgspec.json.encode(body), lossy=_lost(request, task=True))

    def read(bodies: Sequence[bytes]) -> Embedded:
        return of_openai(_decode(OpenAIAnswer, bodies[0]), request.texts)

    return (place(rendered, "chat", facts, stream=False),), read


def of_openai(answer: OpenAIAnswer, texts: Sequence[str]) -> Embedded:
    """The vectors by their index, whatever order they come in."""
    items = sorted(answer.data, key=lambda item: item.index)
    tokens = answer.usage.prompt_tokens if answer.usage else None
    return Embedded(tuple(item.embedding for item in items), counted(tokens, texts))


# --- Google -----------------------------------------------------------------------------------------------------------


class _Values(msgspec.Struct):
    values: Raw


class _GoogleUsage(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None


class _GoogleAnswer(msgspec.Struct, rename="camel"):
    embeddings: list[_Values] = []
    embedding: _Values | None = None
    usage_metadata: _GoogleUsage | None = None

    @property
    def vectors(self) -> list[Raw]:
        return [e.values for e in (self.embeddings or filter(None, [self.embedding]))]


def _google(request: EmbeddingRequest, facts: TargetFacts) -> Written:
    model = f"models/{facts.model.removeprefix('models/')}"
    requests = [{"model": model, **_content(p), **_google_config(p, request.dimensions)} for p in request.passages]
    rendered = Rendered(
        path=f"/v1beta/{quote(model, safe='/:@.-_')}:batchEmbedContents",
        body=msgspec.json.encode({"requests": requests}),
        lossy=_lost(request),
    )
    return (rendered,), lambda bodies: _of_google(bodies, request.texts)


def _vertex_gemini(request: EmbeddingRequest, facts: TargetFacts) -> Written:
    def rendered(passage: Passage) -> Rendered:
        config = _google_config(passage, request.dimensions)
        body = _content(passage) | ({"embedContentConfig": config} if config else {})
        return Rendered(
            path=f"/v1/{_vertex_model(facts)}:embedContent", body=msgspec.json.encode(body), lossy=_lost(request)
        )

    return tuple(rendered(p) for p in request.passages), lambda bodies: _of_google(bodies, request.texts)


def _content(passage: Passage) -> dict[str, Any]:
    return {"content": {"parts": [{"text": passage.text}]}}


def _google_config(passage: Passage, dimensions: int | None) -> dict[str, Any]:
    given = {"taskType": passage.task, "title": passage.title, "outputDimensionality": dimensions}
    return {name: value for name, value in given.items() if value is not None}


def _of_google(bodies: Sequence[bytes], texts: Sequence[str]) -> Embedded:
    answers = [_decode(_GoogleAnswer, body) for body in bodies]
    counts = [a.usage_metadata.prompt_token_count if a.usage_metadata else None for a in answers]
    return Embedded(tuple(v for a in answers for v in a.vectors), counted(_sum(counts), texts))


def _vertex_model(facts: TargetFacts) -> str:
    at, model = facts.platform, quote(facts.model, safe="@.-_")
    return f"projects/{at.project}/locations/{at.location}/publishers/google/models/{model}"


# --- Vertex, older models ---------------------------------------------------------------------------------------------


class _Statistics(msgspec.Struct):
    token_count: float | None = None


class _Prediction(msgspec.Struct):
    class Embeddings(msgspec.Struct):
        values: Raw
        statistics: _Statistics | None = None

    embeddings: Embeddings


class _Predictions(msgspec.Struct):
    predictions: list[_Prediction]


def _vertex(request: EmbeddingRequest, facts: TargetFacts) -> Written:
    """`predict`: one request for all passages, but one each for gemini-embedding-001, which takes no more."""
    one_each = "gemini-embedding" in facts.model
    groups: Iterable[Sequence[Passage]] = [[p] for p in request.passages] if one_each else [request.passages]

    def rendered(passages: Sequence[Passage]) -> Rendered:
        body: dict[str, Any] = {"instances": [_instance(p) for p in passages]}
        if request.dimensions is not None:
            body["parameters"] = {"outputDimensionality": request.dimensions}
        return Rendered(
            path=f"/v1/{_vertex_model(facts)}:predict", body=msgspec.json.encode(body), lossy=_lost(request)
        )

    def read(bodies: Sequence[bytes]) -> Embedded:
        made = [p.embeddings for body in bodies for p in _decode(_Predictions, body).predictions]
        counts = [int(e.statistics.token_count or 0) if e.statistics else None for e in made]
        return Embedded(tuple(e.values for e in made), counted(_sum(counts), request.texts))

    return tuple(rendered(g) for g in groups), read


def _instance(passage: Passage) -> dict[str, str]:
    given = {"content": passage.text, "task_type": passage.task, "title": passage.title}
    return {name: value for name, value in given.items() if value is not None}


# --- Bedrock ----------------------------------------------------------------------------------------------------------


class _Titan(msgspec.Struct, rename="camel"):
    embedding: Raw
    input_text_token_count: int | None = None


class _CohereTypes(msgspec.Struct):
    float: list[Raw]


class _Cohere(msgspec.Struct):
    embeddings: _CohereTypes | list[Raw]


def _titan(request: EmbeddingRequest, facts: TargetFacts) -> Written:
    """One passage a request; version 1 has one size only."""
    sized = request.dimensions is not None and ":0" in facts.model and "-v1" not in facts.model
    size = {"dimensions": request.dimensions} if sized else {}
    lost = _lost(request, task=True, dimensions=not sized)

    def read(bodies: Sequence[bytes]) -> Embedded:
        answers = [_decode(_Titan, body) for body in bodies]
        tokens = _sum([a.input_text_token_count for a in answers])
        return Embedded(tuple(a.embedding for a in answers), counted(tokens, request.texts))

    return tuple(_invoke(facts, {"inputText": text, **size}, lost) for text in request.texts), read


def _cohere(request: EmbeddingRequest, facts: TargetFacts) -> Written:
    """Up to 96 texts a request; version 4 has several sizes."""
    sized = request.dimensions is not None and "embed-v4" in facts.model
    task = _COHERE_TASKS.get((request.passages[0].task or "").upper(), "search_document")
    lost = _lost(request, dimensions=not sized)

    def rendered(texts: Sequence[str]) -> Rendered:
        body: dict[str, Any] = {"texts": texts, "input_type": task, "embedding_types": ["float"]}
        if sized:
            body["output_dimension"] = request.dimensions
        return _invoke(facts, body, lost)

    def read(bodies: Sequence[bytes]) -> Embedded:
        made = [_decode(_Cohere, body).embeddings for body in bodies]
        vectors = [v for e in made for v in (e if isinstance(e, list) else e.float)]
        # Cohere's body says no count.
        return Embedded(tuple(vectors), counted(None, request.texts))

    texts = request.texts
    return tuple(rendered(texts[i : i + _COHERE_BATCH]) for i in range(0, len(texts), _COHERE_BATCH)), read


def _invoke(facts: TargetFacts, body: dict[str, Any], lossy: tuple[str, ...]) -> Rendered:
    return Rendered(path=f"/model/{quote(facts.model, safe='')}/invoke", body=msgspec.json.encode(body), lossy=lossy)


# --- shared -----------------------------------------------------------------------------------------------------------


def _lost(request: EmbeddingRequest, *, task: bool = False, dimensions: bool = False) -> tuple[str, ...]:
    lost = list(request.rest)
    if task and any(p.task for p in request.passages):
        lost.append("taskType")
    if dimensions and request.dimensions is not None:
        lost.append("dimensions")
    return tuple(lost)


def _sum(counts: Sequence[int | None]) -> int | None:
    return None if not counts or None in counts else sum(c or 0 for c in counts)


def _decode(kind: type[Any], body: bytes) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UpstreamMalformed(detail=f"no answer to an embedding request: {error}") from None
