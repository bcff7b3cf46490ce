"""Heartbeats: what a call gives its waiting client, and how it ends once the client has the status."""

import asyncio

import msgspec
import pytest

from llmgw_domain import Policy, StreamErrors
from llmgw_domain.errors import UpstreamReset
from llmgw_relay.testing import Script

from .test_exchange import BODY, STREAM, Bench, catalog, chunk, sse, streamed

HEARTBEATS = {
    "chat": b": keepalive\n\n",
    "completions": b": keepalive\n\n",
    "responses": b": keepalive\n\n",
    "messages": b'event: ping\ndata: {"type": "ping"}\n\n',
}


def asked(dialect: str) -> dict[str, object]:
    """A streaming request of the dialect's clients."""
    if dialect == "responses":
        return {"model": "gpt", "input": "Hi", "stream": True}
    if dialect == "completions":
        return {"model": "gpt", "prompt": "Hi", "stream": True}
    if dialect == "messages":
        return streamed(max_tokens=50)
    return streamed()


class Waiting(Script):
    """A provider that answers when a test says so."""

    def __init__(self, *args, **more) -> None:
        super().__init__(*args, **more)
        self.go = asyncio.Event()

    async def chunks(self):
        await self.go.wait()
        async for piece in super().chunks():
            yield piece


async def begun(bench: Bench, script: Waiting, body, beats: int = 1, **more):
    """Enters a call, takes heartbeats while its provider is silent, and gives them with the reply's whole body."""
    call = bench.call(body, **more)
    carried = bench.relay.open(bench.relay.admit("key"), call)
    entering = asyncio.get_running_loop().create_task(carried.__aenter__())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    taken = [carried.beat(first=n == 0) for n in range(beats)]
    script.go.set()
    reply = await entering
    content = reply.body if reply.body is not None else b"".join([piece async for piece in reply.chunks])
    await carried.__aexit__(None, None, None)
    return taken, reply, content


@pytest.mark.parametrize("dialect", ["chat", "responses", "messages", "completions"])
async def test_each_dialect_has_its_own_heartbeat(dialect):
    """It comes from before the provider's first byte on, with the headers that are known by then."""
    script = Waiting(STREAM)
    bench = Bench(script)
    (first, second), reply, _ = await begun(bench, script, asked(dialect), 2, dialect=dialect)
    assert (HEARTBEATS[dialect], HEARTBEATS[dialect]) == (first.data, second.data)
    headers = dict(first.headers)
    assert b"1" == headers[b"x-gw-provisional"]
    assert (b"a", b"gpt-up", b"1") == tuple(headers[b"x-gw-" + n] for n in (b"account", b"model", b"attempts"))
    assert headers[b"content-type"].startswith(b"text/event-stream")
    assert 200 == reply.status
    bench.assert_nothing_left()


FAILED = {
    "chat": b'"finish_reason":"error"',
    "completions": b'"finish_reason":"error"',
    "responses": b"response.failed",
    "messages": b"event: error",
}


@pytest.mark.parametrize("dialect", list(FAILED))
async def test_what_fails_after_a_heartbeat_is_told_in_the_stream(dialect):
    """The status is out, so the error is told as a stream's ending; the books say what the client saw."""
    script = Waiting([UpstreamReset()])
    bench = Bench(script)
    bench.upstream.scripts = [script]
    _, reply, content = await begun(bench, script, asked(dialect), dialect=dialect)
    assert FAILED[dialect] in content
    assert (content.endswith(b"data: [DONE]\n\n")) == (dialect in ("chat", "completions"))
    assert (200, False) == (reply.status, reply.broken)
    settled = bench.facts.settled[0]
    assert ("failed", 200, "upstream_reset", 2) == (
        settled.outcome,
        settled.status,
        settled.error_code,
        settled.attempts,
    )
    bench.assert_nothing_left()


@pytest.mark.parametrize(("form", "word"), [("raise", b'"error":{'), ("strict", b'"error":{')])
async def test_the_ending_keeps_to_what_the_client_asked_for(form, word):
    """`x-gw-stream-errors` holds here as well."""
    script = Waiting([UpstreamReset()])
    bench = Bench(script)
    _, _, content = await begun(bench, script, streamed(), stream_errors=StreamErrors(form))
    assert word in content


async def test_another_account_is_tried_after_a_heartbeat():
    """It is no part of the answer, so nothing is committed."""
    script = Waiting([UpstreamReset()])
    bench = Bench(script, Script(STREAM))
    _, _, content = await begun(bench, script, streamed())
    assert b"Hel" in content
    assert b"error" not in content
    assert ("ok", 2) == (bench.facts.settled[0].outcome, bench.facts.settled[0].attempts)


async def test_a_suspect_provider_has_no_heartbeats():
    """Nobody is told that all is well when it may not be."""
    script = Waiting(STREAM)
    bench = Bench(script)
    bench.upstream.alive = False
    (beat,), _, _ = await begun(bench, script, streamed())
    assert beat is None


async def test_a_call_that_is_settled_has_none():
    """The last byte is the last."""
    bench = Bench(Script(STREAM))
    async with bench.relay.open(bench.relay.admit("key"), bench.call(streamed())) as reply:
        carried = bench.relay.open(bench.relay.admit("key"), bench.call(streamed()))
        assert carried.beat(first=True) is None
        assert b"".join([piece async for piece in reply.chunks])


@pytest.mark.parametrize("how", ["header", "policy"])
async def test_an_answer_that_is_no_stream_has_them_where_they_are_asked_for(how):
    """White space may stand before JSON; nobody gets it who has not asked."""
    script = Waiting([BODY])
    on = catalog(policy=Policy(json_heartbeats=how == "policy"))
    bench = Bench(script, on=on)
    (beat,), _, content = await begun(bench, script, None, heartbeats="json" if how == "header" else None)
    assert b"\n" == beat.data
    assert dict(beat.headers)[b"content-type"] == b"application/json"
    assert "Hello" == msgspec.json.decode(beat.data + content)["choices"][0]["message"]["content"]
    script = Waiting([BODY])
    bench = Bench(script)
    (beat,), _, _ = await begun(bench, script, None)
    assert beat is None


async def test_a_whole_answer_that_fails_after_one_is_broken():
    """Its status says 200, so it may not end as if it were whole; the error is in it for who reads it."""
    script = Waiting([UpstreamReset()])
    bench = Bench(script)
    _, reply, content = await begun(bench, script, None, heartbeats="json")
    assert (200, True) == (reply.status, reply.broken)
    assert "upstream_reset" == msgspec.json.decode(content)["error"]["code"]
    assert ("failed", 200) == (bench.facts.settled[0].outcome, bench.facts.settled[0].status)


async def test_a_stream_can_do_without():
    """`x-gw-heartbeats: off`."""
    script = Waiting(STREAM)
    bench = Bench(script)
    (beat,), _, _ = await begun(bench, script, streamed(), heartbeats="off")
    assert beat is None


async def test_only_events_stop_the_clock_between_events():
    """A provider's comments and empty reads are no progress."""
    script = Script([b": thinking\n\n", b": thinking\n\n", *sse(chunk({"content": "x"})), *STREAM[3:]])
    bench = Bench(script)
    await bench.run(streamed())
    assert 3 == script.progressed
