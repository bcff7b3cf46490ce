"""A client of one dialect in front of a provider of another: requests one way, answers the other.

Everything goes through the public surface of a dialect, as the relay does it, without a socket.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from llmgw_domain.errors import GatewayError, UpstreamTruncated
from llmgw_domain.stream import Answer, Failed
from llmgw_protocols import (
    Dialect,
    EncodeContext,
    Rendered,
    TargetFacts,
    WireRequest,
    dialect_for,
    dialect_named,
    place,
)

DEFAULTS: dict[str, dict[str, Any]] = {
    "chat": {"model": "asked", "messages": [{"role": "user", "content": "Hi"}]},
    "messages": {"model": "asked", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
}
"""The least that a request of a dialect holds; a test names the rest."""


class Crossing:
    """One client's dialect and one target."""

    def __init__(self, client: str, facts: TargetFacts) -> None:
        self.client: Dialect = dialect_named(client)
        self.facts = facts
        self.upstream = dialect_for(facts)

    # --- the request --------------------------------------------------------------------------------------------------

    def wire(self, **fields: Any) -> WireRequest:
        body = {**DEFAULTS[self.client.name], **fields}
        return WireRequest(body=msgspec.json.encode(body), path_model="asked", path_stream=bool(fields.get("stream")))

    def rendered(self, **fields: Any) -> Rendered:
        """The whole request that the provider gets, at its platform's place."""
        request = self.client.parse(self.client.envelope(self.wire(**fields)))
        rendered = self.upstream.render(request, self.facts)
        return place(rendered, self.upstream.name, self.facts, stream=request.stream)

    def sent(self, **fields: Any) -> Any:
        """The body that the provider gets."""
        return msgspec.json.decode(self.rendered(**fields).body)

    def lost(self, **fields: Any) -> tuple[str, ...]:
        """The client's fields that are named as lost."""
        return self.rendered(**fields).lossy

    def refused(self, **fields: Any) -> GatewayError:
        """Why the request is refused before the provider is asked."""
        with pytest.raises(GatewayError) as caught:
            self.rendered(**fields)
        return caught.value

    # --- the answer ---------------------------------------------------------------------------------------------------

    def answered(self, answer: Any) -> Any:
        """The body that the client gets for a provider's; the error itself where that is one."""
        body = answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
        folded = Answer.fold(self.upstream.decoder(model=self.facts.model).whole(body))
        if folded.error is not None:
            return folded.error
        return msgspec.json.decode(self.client.encoder(self._context()).body(folded))

    def streamed(self, *events: Any, include_usage: bool = True) -> list[Any]:
        """The data of the frames that the client gets for a provider's events, each an object or raw bytes."""
        return data_of(self.streamed_raw(*events, include_usage=include_usage))

    def streamed_raw(self, *events: Any, include_usage: bool = True) -> bytes:
        """The bytes behind `streamed`; a stream without its dialect's last word ends as a broken one."""
        decoder = self.upstream.decoder(model=self.facts.model)
        encoder = self.client.encoder(self._context(include_usage))
        frames = [f for event in events for f in decoder.feed(framed(event))] + decoder.finish()
        out: list[bytes] = []
        for frame in frames:
            failed = next((e for e in frame.events if isinstance(e, Failed)), None)
            out.append(encoder.emit(frame.events))
            if failed is not None:
                return b"".join([*out, encoder.fail(failed.error)])
        last = encoder.end() if decoder.complete else encoder.fail(UpstreamTruncated())
        return b"".join([*out, last])

    def faulted(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """The status and error body that the client gets for a provider's refusal."""
        error = self.upstream.fault(status, headers or {}, body)
        return self.client.status_of(error), msgspec.json.decode(self.client.error_body(error, "r1"))

    def _context(self, include_usage: bool = True) -> EncodeContext:
        return EncodeContext(model="asked", request_id="r1", created=7, include_usage=include_usage)


def framed(event: Any) -> bytes:
    """An event as a frame of server-sent events; bytes are sent as they are."""
    return event if isinstance(event, bytes) else b"data: " + msgspec.json.encode(event) + b"\n\n"


def data_of(stream: bytes) -> list[Any]:
    """The data of the frames of a stream, `[DONE]` as text."""
    blocks = stream.decode().split("\n\n")
    lines = [line[6:] for block in blocks for line in block.split("\n") if line.startswith("data: ")]
    return [line if line == "[DONE]" else msgspec.json.decode(line) for line in lines]


@pytest.fixture
def crossing() -> Callable[..., Crossing]:
    """Makes a crossing: `crossing("chat", Provider.ANTHROPIC, "claude-sonnet-4-5")`."""

    def make(client: str, provider: Any, model: str, **facts: Any) -> Crossing:
        return Crossing(client, TargetFacts(provider=provider, model=model, **facts))

    return make
