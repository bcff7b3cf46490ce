"""A provider's stream that is forwarded and breaks: the ending is ours and belongs to the provider's response."""

from typing import Any

import httpx2
import msgspec
import openai
import pytest

from llmgw_domain.errors import UpstreamReset
from llmgw_protocols.dialect import Dialect, EncodeContext
from llmgw_protocols.responses import RESPONSES

HEAD = {"id": "resp_up", "object": "response", "created_at": 5, "model": "gpt-up", "tools": [], "tool_choice": "auto"}
CREATED = {**HEAD, "parallel_tool_calls": True, "status": "in_progress", "output": []}
THOUGHT = {"type": "reasoning", "id": "rs_up", "summary": []}
MESSAGE = {"type": "message", "id": "msg_up", "status": "in_progress", "role": "assistant", "content": []}
PLACE = {"item_id": "msg_up", "output_index": 1, "content_index": 0}
PART = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
EVENTS: list[dict[str, Any]] = [
    {"type": "response.created", "response": CREATED},
    {"type": "response.in_progress", "response": CREATED},
    {"type": "response.output_item.added", "output_index": 0, "item": THOUGHT},
    {"type": "response.output_item.done", "output_index": 0, "item": {**THOUGHT, "encrypted_content": "gAAA"}},
    {"type": "response.output_item.added", "output_index": 1, "item": MESSAGE},
    {"type": "response.content_part.added", **PLACE, "part": PART},
    {"type": "response.output_text.delta", **PLACE, "delta": "Hel", "logprobs": []},
    {"type": "response.output_text.delta", **PLACE, "delta": "lo", "logprobs": []},
]
FRAMES = [
    f"event: {event['type']}\ndata: ".encode() + msgspec.json.encode({**event, "sequence_number": number}) + b"\n\n"
    for number, event in enumerate(EVENTS)
]


def broken(stream: bytes) -> bytes:
    """What a client gets of a stream that is cut behind these bytes."""
    dialect: Dialect = RESPONSES
    decoder, encoder = dialect.decoder(), dialect.encoder(EncodeContext(model="m", request_id="r", created=1))
    out = b""
    for frame in decoder.feed(stream):
        encoder.observe(frame.events)
        out += frame.raw
    return out + encoder.fail(UpstreamReset())


def read(stream: bytes) -> list[Any]:
    """The events as the SDK's helper sees them."""

    def respond(_: Any) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=stream)

    http = httpx2.Client(transport=httpx2.MockTransport(respond))
    client = openai.OpenAI(api_key="k", base_url="http://gateway/v1", http_client=http)
    with client.responses.stream(model="m", input="Hi") as reading:
        return list(reading)


@pytest.mark.parametrize("kept", range(1, len(FRAMES) + 1))
def test_the_ending_fits_wherever_the_stream_breaks(kept: int) -> None:
    """Behind a frame or within one: the id stays, numbers rise, and the text is what the client has seen."""
    for inside in (0, 20):
        stream = b"".join(FRAMES[:kept]) + (FRAMES[kept][:inside] if kept < len(FRAMES) else b"")
        events = read(broken(stream))
        failed = events[-1]
        assert ("response.failed", "resp_up") == (failed.type, failed.response.id)
        numbers = [event.sequence_number for event in events]
        assert sorted(set(numbers)) == numbers
        seen = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        assert seen == failed.response.output_text


def test_reasoning_keeps_the_providers_form() -> None:
    """A client may send the partial output back, and OpenAI reads only its own."""
    failed = read(broken(b"".join(FRAMES)))[-1]
    assert "gAAA" == failed.response.output[0].encrypted_content
