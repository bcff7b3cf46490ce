"""OpenAI's dialect on both sides: bytes go through, and what is metered is read beside them."""

from __future__ import annotations

import msgspec
import pytest

from llmgw_domain import Provider, Usage
from llmgw_domain.errors import UpstreamMalformed
from llmgw_domain.stream import Answer, Failed, Opened, UsageReported
from llmgw_protocols import TargetFacts, WireRequest, dialect_named
from llmgw_protocols.responses import RESPONSES

CHAT = dialect_named("chat")
BODY = b'{ "new_field" : [1.0, 1e2, 9007199254740993],"model":"m", "messages":[{"role":"user","content":"\\u0041"}]}'
COUNTS = b'{"prompt_tokens":12,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":8,"audio_tokens":0}}'
CHUNK = b'data: {"id":"c","model":"gpt-x","choices":[{"index":0,"delta":{"content":"Hi"}}],"odd":1.0}\n\n'
ENDING = b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = b'data:{"id":"c","choices":[],"usage":' + COUNTS + b"}\n\n"
DONE = b"data: [DONE]\n\n"


def forwarded(body, model="m"):
    """The body that the provider gets."""
    facts = TargetFacts(provider=Provider.OPENAI, model=model)
    return CHAT.passthrough(CHAT.envelope(WireRequest(body=body)), facts).body


def events_of(*reads):
    """What is forwarded of a stream, and the events that were read from it."""
    decoder = CHAT.decoder()
    frames = [f for read in reads for f in decoder.feed(read)] + decoder.finish()
    return b"".join(f.raw for f in frames if not f.hidden), [e for f in frames for e in f.events]


def usage_of(events):
    return [e.usage for e in events if isinstance(e, UsageReported)]


def test_f01_a_body_goes_through_untouched():
    """Not one byte changes, unless the model does: then that value alone."""
    assert BODY == forwarded(BODY)
    before, after = msgspec.json.decode(BODY, type=dict[str, msgspec.Raw]), forwarded(BODY, "other")
    after = msgspec.json.decode(after, type=dict[str, msgspec.Raw])
    assert list(before) == list(after)
    assert {"model": b'"other"'} == {k: bytes(v) for k, v in after.items() if bytes(v) != bytes(before[k])}


def test_f01_a_stream_is_asked_for_its_usage():
    """The gateway meters every stream, so the wish is added where the client has none; its other wishes stay."""
    body = BODY[:-1] + b',"stream":true,"stream_options":{"include_obfuscation":false}}'
    assert b'"stream_options":{"include_obfuscation":false,"include_usage":true}' in forwarded(body)


def test_f02_usage_is_read_beside_the_bytes():
    """Cut anywhere, with or without the space, the stream is forwarded as it came and its counts are known."""
    whole = CHUNK + ENDING + USAGE + DONE
    for size in (1, 7, len(whole)):
        raw, events = events_of(*(whole[i : i + size] for i in range(0, len(whole), size)))
        assert (whole, [Usage(uncached_input=4, cache_read=8, output=5)]) == (raw, usage_of(events))


def test_f02_a_broken_chunk_breaks_the_answer():
    """A piece of it is missing, so it must not end as a whole one."""
    _, events = events_of(CHUNK, b"data: {oops\n\n", ENDING, DONE)
    assert isinstance(events[-1], Failed)


def test_f03_the_provider_s_model_is_known():
    """A pass-through shows it; where the provider says none, none is made up."""
    _, events = events_of(CHUNK, ENDING, DONE)
    assert Opened("c", "gpt-x") == events[0]
    _, events = events_of(CHUNK.replace(b'"model":"gpt-x",', b""), ENDING, DONE)
    assert Opened("c", "") == events[0]


def test_f04_details_of_usage():
    """Cached, written and reasoning tokens are counted apart."""
    details = b'{"prompt_tokens":20,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":8,'
    details += b'"cache_write_tokens":2},"completion_tokens_details":{"reasoning_tokens":4,"audio_tokens":1}}'
    _, events = events_of(USAGE.replace(COUNTS, details))
    expected = Usage(uncached_input=10, cache_read=8, cache_write_5m=2, output=9, reasoning=4)
    assert [expected] == usage_of(events)


def test_f05_what_is_missing_in_a_body():
    """A null body is a failure, an answer without usage has none."""
    assert isinstance(Answer.fold(CHAT.decoder().whole(b"null")).error, UpstreamMalformed)
    body = b'{"choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":null}'
    answer = Answer.fold(CHAT.decoder().whole(body))
    assert (None, True) == (answer.usage, answer.complete)


def test_f06_errors():
    """OpenAI's envelope is forwarded as it came; anything else is put into one."""
    own = b'{"error":{"message":"too odd","type":"invalid_request_error","param":"x","code":null}}'
    assert (True, False) == (CHAT.owns_error(own), CHAT.owns_error(b"<html>"))
    wrapped = CHAT.error_body(CHAT.fault(400, {}, b"<html>"), "r")
    assert "<html>" == msgspec.json.decode(wrapped)["error"]["message"]


@pytest.mark.parametrize("kind", ["completed", "incomplete", "failed"])
def test_f08_usage_of_responses(kind):
    """It comes with the last event, cut anywhere; where that has none, none is made up."""
    counts = {"input_tokens": 12, "input_tokens_details": {"cached_tokens": 8}, "output_tokens": 5}
    for usage, expected in (({**counts, "total_tokens": 17}, [(12, 8, 5)]), (None, [])):
        response = {"id": "resp_1", "model": "gpt-x", "status": kind, "output": [], "usage": usage}
        event = {"type": f"response.{kind}", "sequence_number": 1, "response": response}
        stream = f"event: response.{kind}\ndata: {msgspec.json.encode(event).decode()}\n\n".encode()
        decoder = RESPONSES.decoder()
        frames = [f for i in range(len(stream)) for f in decoder.feed(stream[i : i + 1])] + decoder.finish()
        found = usage_of([e for f in frames for e in f.events])
        assert expected == [(u.input, u.cache_read, u.output) for u in found]


def test_f09_usage_of_legacy_completions():
    """It is read from the last chunk; a stream without any has none."""
    piece = (
        b'data: {"id":"c","object":"text_completion","choices":[{"index":0,"text":"Hi","finish_reason":"stop"}]}\n\n'
    )
    for last, expected in ((USAGE, [17]), (b"", [])):
        decoder = dialect_named("completions").decoder()
        frames = [f for read in (piece, last, DONE) for f in decoder.feed(read)]
        assert expected == [u.total for u in usage_of([e for f in frames for e in f.events])]
