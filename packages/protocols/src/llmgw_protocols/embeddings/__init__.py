"""Embeddings: two client dialects (OpenAI's, Gemini's), and every provider that makes vectors.

A request is read into passages of text (`request`), written for a target (`targets`), and the vectors that come back
are written as the client wants them (`vectors`): as JSON numbers or as base64 of little-endian 32-bit floats, which
OpenAI's SDKs ask for by default and decode whatever comes. Between equal dialects the client's fields go through
untouched.
"""

from llmgw_protocols.embeddings.clients import GEMINI_BATCH_EMBED, GEMINI_EMBED, OPENAI_EMBEDDINGS

__all__ = ["GEMINI_BATCH_EMBED", "GEMINI_EMBED", "OPENAI_EMBEDDINGS"]
