"""Gemini's generateContent, as clients speak it and as Google AI Studio and Vertex AI answer it.

Model, verb and version stand in the path; a stream is SSE with `alt=sse` and a JSON array without. Requests are read
by either spelling of a name (`fields`), answers by typed structs (`_wire`). Requests: `envelope`, `parse`, `render`.
Answers: `decode`, `encode`. `errors` maps refusals both ways, `schema` the two forms of JSON Schema, `models` what a
model's name tells of it.
"""

from llmgw_protocols.gemini.dialect import Gemini

GEMINI = Gemini()

__all__ = ["GEMINI"]
