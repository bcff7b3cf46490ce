"""OpenAI's moderations, which accounts with OpenAI's API alone can answer: passed through but for the model."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from llmgw_domain.errors import InvalidField, UnsupportedField, UpstreamMalformed
from llmgw_protocols import toplevel
from llmgw_protocols.dialect import Envelope, Rendered, TargetFacts, WireRequest
from llmgw_protocols.enquiry import Question, Told
from llmgw_protocols.platforms import place
from llmgw_protocols.registry import dialect_for

DEFAULT_MODEL = "omni-moderation-latest"
"""What OpenAI takes where the client names none."""

_model = msgspec.json.Decoder(str | None).decode


class _Moderations:
    """`POST /v1/moderations`."""

    name = "moderations"

    def envelope(self, wire: WireRequest) -> Envelope:
        fields = toplevel.split(wire.body)
        if "input" not in fields:
            raise InvalidField("The field 'input' is missing: send a text or an array.", param="input")
        try:
            model = _model(fields.get("model", b"null")) or DEFAULT_MODEL
        except msgspec.DecodeError:
            raise InvalidField("model: send the model's name as text.", param="model") from None
        return Envelope(wire=wire, model=model, stream=False, fields=fields)

    def ask(self, envelope: Envelope, facts: TargetFacts) -> Question:
        if not facts.provider.speaks_openai:
            raise UnsupportedField.named("model", "Its provider has no moderations: route it to an OpenAI account.")
        fields = {name: bytes(raw) for name, raw in envelope.fields.items()}
        body = toplevel.join({**fields, "model": msgspec.json.encode(facts.model)})
        rendered = place(Rendered(path="/moderations", body=body), "chat", facts, stream=False)

        def read(bodies: Sequence[bytes]) -> Told:
            if not toplevel.is_json(bodies[0]):
                raise UpstreamMalformed(detail="the answer to a moderation is no JSON")
            return Told(body=bodies[0])

        return Question(dialect=dialect_for(facts), requests=(rendered,), read=read)


MODERATIONS = _Moderations()
