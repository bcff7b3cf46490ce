import msgspec
import pytest

from llmgw_domain import Provider
from llmgw_domain.errors import UpstreamStalled
from llmgw_relay.testing import Script

from .test_exchange import STREAM, USAGE, Bench, account, catalog, sse, streamed, with_usage


async def test_after_the_first_byte_nothing_is_tried_again():
    """A stream that breaks after content ends marked as an error, and no second account is asked."""
    bench = Bench(Script([*STREAM[:2], UpstreamStalled()]), Script(STREAM))
    status, _, body = await bench.run(with_usage())
    assert status == 200
    assert b'"finish_reason":"error"' in body
    assert body.endswith(b"data: [DONE]\n\n")
    settled = bench.facts.settled[0]
    assert (settled.outcome, settled.error_code, settled.attempts) == ("failed", "upstream_stalled", 1)
    assert settled.usage.provenance == "estimated"
    bench.assert_nothing_left()


@pytest.mark.parametrize("kept", [2, 3])
@pytest.mark.parametrize("dialect", ["chat", "messages"])
async def test_a_clean_end_without_terminal_evidence_is_an_error(kept, dialect):
    """A stream that just ends before its finish reason is never shown as success."""
    bench = Bench(Script(STREAM[:kept]))
    body = with_usage() if dialect == "chat" else {**streamed(), "max_tokens": 5}
    _, _, out = await bench.run(body, dialect=dialect)
    assert b"upstream_truncated" in out or b'"type":"error"' in out
    assert bench.facts.settled[0].error_code == "upstream_truncated"


async def test_a_complete_stream_without_its_last_mark_is_completed():
    """A finish reason is terminal evidence: the missing [DONE] is added."""
    bench = Bench(Script(STREAM[:5]))
    _, _, body = await bench.run(with_usage())
    assert body == b"".join(STREAM)
    assert bench.facts.settled[0].outcome == "ok"


async def test_bytes_after_the_end_mark_are_not_waited_for():
    """Once the stream's own last frame was seen, a provider that keeps the connection open holds up nobody."""
    bench = Bench(Script([b"".join(STREAM), UpstreamStalled()]))
    _, _, body = await bench.run(with_usage())
    assert body == b"".join(STREAM)
    assert bench.facts.settled[0].outcome == "ok"


# --- answers in several goes ------------------------------------------------------------------------------------------

SEARCHING = {
    "model": "gpt",
    "messages": [{"role": "user", "content": "Hi"}],
    "web_search_options": {},
}


def paused_turn(text, stop="end_turn"):
    """An answer of Anthropic's, as a body and as a stream."""
    usage = {"input_tokens": 10, "output_tokens": 4}
    head = {"id": f"msg_{text}", "type": "message", "role": "assistant", "model": "m"}
    whole = {**head, "content": [{"type": "text", "text": text}], "stop_reason": stop, "usage": usage}
    events = [
        {
            "type": "message_start",
            "message": {**head, "content": [], "usage": {"input_tokens": 10, "output_tokens": 1}},
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 4}},
        {"type": "message_stop"},
    ]
    return Script([msgspec.json.encode(whole)]), Script(sse(*events))


def told(stream, body):
    """The text, the reason of the end and the total of tokens that a chat client was told."""
    if not stream:
        answer = msgspec.json.decode(body)
        choice = answer["choices"][0]
        return choice["message"]["content"], choice["finish_reason"], answer["usage"]["total_tokens"]
    chunks = [msgspec.json.decode(part[6:]) for part in body.split(b"\n\n") if part.startswith(b"data: {")]
    choices = [c["choices"][0] for c in chunks if c["choices"]]
    text = "".join(c["delta"].get("content") or "" for c in choices)
    (finish,) = [c["finish_reason"] for c in choices if c["finish_reason"]]
    return text, finish, chunks[-1]["usage"]["total_tokens"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_paused_turn_is_continued_for_a_client_that_can_not(stream):
    """By the same account within one attempt; the client gets one answer, and the usage is the sum."""
    goes = [
        paused_turn("one ", "pause_turn")[stream],
        paused_turn("two ", "pause_turn")[stream],
        paused_turn("three")[stream],
    ]
    bench = Bench(*goes, on=catalog(account("a", Provider.ANTHROPIC), account("b", Provider.ANTHROPIC)))
    status, headers, body = await bench.run({**SEARCHING, "stream": stream, "stream_options": {"include_usage": True}})
    assert (200, b"1") == (status, headers[b"x-gw-attempts"])
    assert ("one two three", "stop", 42) == told(stream, body)
    asked = bench.upstream.asked
    assert ["a"] * 3 == [r.account.id for r in asked]
    sent = [[b["text"] for b in msgspec.json.decode(r.body)["messages"][-1]["content"]] for r in asked]
    assert [["Hi"], ["one "], ["one ", "two "]] == sent
    assert (1, 42) == (len(bench.facts.opened), bench.facts.settled[0].usage.total)
    bench.assert_nothing_left()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_turn_that_pauses_again_and_again_ends_at_last(stream):
    """After five further goes, with what it said, as an end."""
    bench = Bench(paused_turn("x", "pause_turn")[stream], on=catalog(account("a", Provider.ANTHROPIC)))
    _, _, body = await bench.run({**SEARCHING, "stream": stream, "stream_options": {"include_usage": True}})
    assert ("x" * 6, "stop", 84) == told(stream, body)
    assert 6 == len(bench.upstream.asked)
    bench.assert_nothing_left()


async def test_a_client_of_the_providers_own_dialect_continues_by_itself():
    """It gets the pause as it is."""
    tool = {"type": "web_search_20250305", "name": "web_search"}
    body = {"model": "gpt", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], "tools": [tool]}
    bench = Bench(paused_turn("x", "pause_turn")[0], on=catalog(account("a", Provider.ANTHROPIC)))
    _, _, answer = await bench.run(body, dialect="messages")
    assert ("pause_turn", 1) == (msgspec.json.decode(answer)["stop_reason"], len(bench.upstream.asked))


async def test_a_continuation_that_fails_breaks_the_answer():
    """What was said so far is no whole answer: in a stream it is marked, a body is refused."""
    overloaded = Script([b'{"type":"error","error":{"type":"overloaded_error","message":"no"}}'], status=529)
    for stream, expected in ((True, 200), (False, 503)):
        goes = [paused_turn("one", "pause_turn")[stream], overloaded]
        bench = Bench(*goes, on=catalog(account("a", Provider.ANTHROPIC)))
        status, _, body = await bench.run({**SEARCHING, "stream": stream})
        assert expected == status
        assert b'"finish_reason":"stop"' not in body
        assert ("failed" if stream else "refused") == bench.facts.settled[0].outcome
        bench.assert_nothing_left()


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_over_geminis_cap_goes_on_with_its_token(stream):
    """The same request, and the token."""

    def go(text, token=None):
        candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}
        candidate |= {"finishReason": "CONTINUATION", "continuationToken": token} if token else {}
        counts = {"promptTokenCount": 10, "candidatesTokenCount": 4, "totalTokenCount": 14}
        answer = {"responseId": f"r{text}", "candidates": [candidate], "usageMetadata": counts}
        return Script(sse(answer) if stream else [msgspec.json.encode(answer)])

    bench = Bench(go("one ", "t"), go("two"), on=catalog(account("a", Provider.GOOGLE)))
    asked = {"model": "gpt", "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
    _, _, body = await bench.run({**asked, "stream_options": {"include_usage": True}})
    assert ("one two", "stop", 28) == told(stream, body)
    first, second = (msgspec.json.decode(r.body) for r in bench.upstream.asked)
    assert {**first, "continuationToken": "t"} == second


async def test_what_a_provider_says_that_a_failed_answer_used_is_recorded():
    """It bills what it did, whatever became of the answer; a plain refusal says nothing and costs nothing."""
    failed = {"error": {"message": "oh", "type": "server_error"}, "usage": USAGE}
    bench = Bench(Script([msgspec.json.encode(failed)]))
    status, _, _ = await bench.run()
    assert (502, 15) == (status, bench.facts.settled[0].usage.total)
    bench = Bench(Script([b"{}"], status=500))
    await bench.run()
    assert bench.facts.settled[0].usage is None
