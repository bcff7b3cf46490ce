import msgspec
import pytest
from openai.types import Completion

from llmgw_domain import StreamErrors, Usage
from llmgw_domain.errors import UpstreamReset
from llmgw_domain.stream import Answer, Finished, FinishReason, Opened, TextDelta, UsageReported
from llmgw_protocols import EncodeContext, dialect_named

COMPLETIONS = dialect_named("completions")
EVENTS = [
    Opened("x", "up", 7),
    TextDelta("Hel"),
    TextDelta("lo"),
    Finished(FinishReason.LENGTH),
    UsageReported(Usage(uncached_input=3, output=2)),
]


def encoder(**more):
    return COMPLETIONS.encoder(EncodeContext(model="m", request_id="r-1", created=5, **more))


def chunks(raw):
    frames = raw.decode().split("\n\n")
    assert ["data: [DONE]", ""] == frames[-2:]
    # As OpenAI's SDK reads chunks: without validation, since its own type denies a finish that has not come.
    return [Completion.construct(**msgspec.json.decode(f.removeprefix("data: "))) for f in frames[:-2]]


def test_a_stream_in_the_legacy_format():
    """Texts, the finish, the usage if it was asked for, and the end mark, as OpenAI's SDK reads them."""
    writer = encoder()
    *texts, finish, counted = chunks(writer.emit(EVENTS) + writer.end())
    assert ["Hel", "lo"] == [c.choices[0].text for c in texts]
    assert ("length", 5) == (finish.choices[0].finish_reason, counted.usage.total_tokens)
    writer = encoder(include_usage=False)
    assert all(c.choices for c in chunks(writer.emit(EVENTS) + writer.end()))


def test_a_body_in_the_legacy_format():
    """The same in one piece."""
    body = Completion.model_validate_json(encoder().body(Answer.fold(EVENTS)))
    assert ("cmpl-r1", "Hello", "length", 5) == (
        body.id,
        body.choices[0].text,
        body.choices[0].finish_reason,
        body.usage.total_tokens,
    )


def test_the_body_and_the_chunks_decode_to_what_was_encoded():
    """The dialect reads what it writes."""
    writer = encoder()
    decoder = COMPLETIONS.decoder()
    frames = decoder.feed(writer.emit(EVENTS) + writer.end())
    streamed = Answer.fold(e for frame in frames for e in frame.events)
    whole = Answer.fold(COMPLETIONS.decoder().whole(encoder().body(Answer.fold(EVENTS))))
    assert decoder.complete
    assert ["Hello", "Hello"] == [streamed.choices[0].text, whole.choices[0].text]
    assert (streamed.usage, FinishReason.LENGTH) == (whole.usage, whole.choices[0].finish.reason)


@pytest.mark.parametrize("form", list(StreamErrors))
def test_a_broken_stream_is_marked(form):
    """As in Chat Completions, after what went out raw."""
    writer = encoder(stream_errors=form)
    writer.observe([Opened("up-1", "up", 9)])
    raw = writer.fail(UpstreamReset())
    assert raw.endswith(b"data: [DONE]\n\n")
    first = msgspec.json.decode(raw.split(b"\n\n")[0].removeprefix(b"data: "))
    marked = form is not StreamErrors.STRICT
    assert marked == ("choices" in first)
    assert (form is not StreamErrors.FINISH) == ("error" in first)
    if marked:
        assert ("up-1", "error") == (first["id"], first["choices"][0]["finish_reason"])


def test_calls_that_nobody_asked_for_end_as_a_stop():
    """The legacy format has no word for them."""
    writer = encoder()
    writer.emit([TextDelta("x"), Finished(FinishReason.TOOL_CALLS)])
    assert b'"finish_reason":"stop"' in writer.end()
