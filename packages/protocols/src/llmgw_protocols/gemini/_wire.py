"""Gemini's answers as typed structs: what is read of them, and nothing else. Google always writes camelCase.

Raw values are those that go on as they are. Enums may come as numbers (`$alt=json;enum-encoding=int`).
"""

from __future__ import annotations

import msgspec

_ABSENT = msgspec.Raw(b"")


class FunctionCall(msgspec.Struct, rename="camel"):
    name: str = ""
    id: str | None = None
    args: msgspec.Raw = _ABSENT


class Blob(msgspec.Struct, rename="camel"):
    mime_type: str | None = None
    data: str | None = None


class Part(msgspec.Struct, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    inline_data: Blob | None = None


class Content(msgspec.Struct, rename="camel"):
    parts: list[Part] | None = None


class Web(msgspec.Struct, rename="camel"):
    uri: str | None = None
    title: str | None = None


class GroundingChunk(msgspec.Struct, rename="camel"):
    web: Web | None = None
    retrieved_context: Web | None = None


class Segment(msgspec.Struct, rename="camel"):
    part_index: int | None = None
    start_index: int | None = None
    end_index: int | None = None


class GroundingSupport(msgspec.Struct, rename="camel"):
    segment: Segment | None = None
    grounding_chunk_indices: list[int] | None = None


class Grounding(msgspec.Struct, rename="camel"):
    grounding_chunks: list[GroundingChunk] | None = None
    grounding_supports: list[GroundingSupport] | None = None


class Citation(msgspec.Struct, rename="camel"):
    start_index: int | None = None
    end_index: int | None = None
    uri: str | None = None
    title: str | None = None


class Citations(msgspec.Struct, rename="camel"):
    citations: list[Citation] | None = None


class Scored(msgspec.Struct, rename="camel"):
    token: str = ""
    log_probability: float = 0.0


class TopCandidates(msgspec.Struct, rename="camel"):
    candidates: list[Scored] | None = None


class Logprobs(msgspec.Struct, rename="camel"):
    """The tokens of the answer, and the likeliest ones in the place of each."""

    chosen_candidates: list[Scored] | None = None
    top_candidates: list[TopCandidates | None] | None = None


class Candidate(msgspec.Struct, rename="camel"):
    index: int | None = None
    content: Content | None = None
    finish_reason: str | int | None = None
    finish_message: str | None = None
    grounding_metadata: Grounding | None = None
    citation_metadata: Citations | None = None
    logprobs_result: Logprobs | None = None


class PromptFeedback(msgspec.Struct, rename="camel"):
    block_reason: str | int | None = None
    block_reason_message: str | None = None


class UsageMetadata(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    total_token_count: int | None = None


class Chunk(msgspec.Struct, rename="camel"):
    """A GenerateContentResponse, whole or a piece of a stream; or an error in its place."""

    candidates: list[Candidate | None] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: UsageMetadata | None = None
    model_version: str | None = None
    response_id: str | None = None
    create_time: str | None = None
    error: msgspec.Raw = _ABSENT


class RawContent(msgspec.Struct):
    parts: list[msgspec.Raw] | None = None


class RawCandidate(msgspec.Struct):
    content: RawContent | None = None


class RawChunk(msgspec.Struct):
    """The same, with parts as they came: only read where a part is of a kind that goes on untouched."""

    candidates: list[RawCandidate | None] | None = None
