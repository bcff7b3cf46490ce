"""Output in a form that the client set: by a field where the model has one that can say it, else in words."""

from __future__ import annotations

import msgspec

from llmgw_domain.chat import OutputFormat
from llmgw_protocols.messages import schema as _schema

_JSON_ONLY = "Answer with one JSON object and nothing else: no other text, no code fence."


def closed_schema(wanted: OutputFormat | None, *, structured: bool) -> msgspec.Raw | None:
    """The schema for the field of `structured` models; None if the form has to be asked for in words, or is free.

    Raises `InvalidField` for a schema that can't be read.
    """
    if wanted is None or wanted.kind != "json_schema" or wanted.schema is None or not structured:
        return None
    return _schema.closed(wanted.schema, "response_format")


def demand(wanted: OutputFormat | None) -> str | None:
    """The words that ask for a form where no field does; None for free text."""
    if wanted is None or wanted.kind == "text":
        return None
    if wanted.schema is None:
        return _JSON_ONLY
    return f"{_JSON_ONLY} It must be valid under this JSON Schema: {bytes(wanted.schema).decode()}"
