"""Wire dialects, sans-IO: bytes in, events out; events in, bytes out.

Each dialect (OpenAI Chat Completions, Anthropic Messages, Gemini generateContent) is one sub-package that can stand on
either side of the gateway: it parses clients' requests and renders providers', decodes providers' answers and encodes
clients'. Between two dialects everything goes through the canonical form of `llmgw_domain.chat` and
`llmgw_domain.stream` (hub and spoke); between a dialect and itself bytes pass through, with only the top level of the
request split into names and raw values.

Nothing here opens a socket, reads a clock or logs. What can't be carried over is named in `Rendered.lossy` or refused
with `UnsupportedField`, never dropped in silence. Decoders never raise on what a provider sends: they emit `Failed`.
"""

from llmgw_protocols.dialect import (
    Decoder,
    Dialect,
    EncodeContext,
    Encoder,
    Envelope,
    Frame,
    ProviderDialect,
    Rendered,
    TargetFacts,
    WireRequest,
)
from llmgw_protocols.platforms import place
from llmgw_protocols.registry import dialect_for, dialect_named, dialects

__all__ = [
    "Decoder",
    "Dialect",
    "EncodeContext",
    "Encoder",
    "Envelope",
    "Frame",
    "ProviderDialect",
    "Rendered",
    "TargetFacts",
    "WireRequest",
    "dialect_for",
    "dialect_named",
    "dialects",
    "place",
]
