import asyncio
from itertools import count

import msgspec
import pytest

from llmgw_balancer import Balancer
from llmgw_domain import Account, Catalog, ClientKey, Model, Policy, Provider, Secret, StreamErrors, Target
from llmgw_domain.errors import UpstreamReset, UpstreamStalled, UpstreamUnreachable
from llmgw_domain.limits import Allowance
from llmgw_protocols import WireRequest, dialect_named
from llmgw_protocols.counting import MESSAGES_COUNT
from llmgw_protocols.embeddings import OPENAI_EMBEDDINGS
from llmgw_relay import Call, Relay
from llmgw_relay.call import Verb
from llmgw_relay.parts import Parts, RelayConfig
from llmgw_relay.testing import MemoryFacts, MemoryFetch, Script, ScriptedUpstream


def account(id: str, provider: Provider = Provider.OPENAI, pool: str = "p", **more) -> Account:
    return Account(
        id=id, provider=provider, base_url="http://up/v1", credential=Secret("correct.horse.battery"), pool=pool, **more
    )


def catalog(*accounts: Account, policy: Policy | None = None) -> Catalog:
    return Catalog.of(
        version="v7",
        accounts=accounts or [account("a"), account("b")],
        models=[Model(name="gpt", targets=(Target(pool="p", model="gpt-up"),))],
        keys=[ClientKey(id="k", tenant="t", digest=ClientKey.digest_of("key"))],
        policies=[policy] if policy else [],
    )


def sse(*objects) -> list[bytes]:
    return [b"data: " + (o if isinstance(o, bytes) else msgspec.json.encode(o)) + b"\n\n" for o in objects]


def chunk(delta=None, finish=None, **more):
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return {
        "id": "up-1",
        "object": "chat.completion.chunk",
        "created": 5,
        "model": "gpt-up",
        "choices": [choice],
        **more,
    }


USAGE = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
STREAM = sse(
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Hel"}),
    chunk({"content": "lo"}),
    chunk({}, "stop"),
    {**chunk(), "choices": [], "usage": USAGE},
    b"[DONE]",
)
BODY = msgspec.json.encode(
    {
        "id": "up-1",
        "object": "chat.completion",
        "created": 5,
        "model": "gpt-up",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": USAGE,
    }
)


class Bench:
    """A relay on scripted parts, and what is left of them."""

    def __init__(self, *scripts: Script, on: Catalog | None = None, **config) -> None:
        self.upstream = ScriptedUpstream(*scripts)
        self.facts = MemoryFacts()
        self.balancer = Balancer(clock=lambda: 0.0, rand=lambda: 0.0)
        ticks = count(1)
        self.relay = Relay(
            Parts.of(
                current=lambda: on or catalog(),
                upstream=self.upstream,
                balancer=self.balancer,
                facts=self.facts,
                clock=lambda: float(next(ticks)),
                wall=lambda: 1e9,
                rand=lambda: 0.0,
                config=RelayConfig(**{"max_wait_seconds": 0.0, **config}),
            )
        )

    def call(self, body=None, dialect: str = "chat", **more) -> Call:
        if body is None:
            body = {"model": "gpt", "messages": [{"role": "user", "content": "Hi"}]}
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return Call(
            id="c", request_id="req-1", dialect=dialect_named(dialect), wire=WireRequest(body=raw), started=0.0, **more
        )

    async def run(self, body=None, **more):
        """The reply's status, headers and whole body."""
        async with self.relay.open(self.relay.admit("key"), self.call(body, **more)) as reply:
            content = reply.body
            if content is None:
                content = b"".join([piece async for piece in reply.chunks])
        return reply.status, dict(reply.headers), content

    def assert_nothing_left(self) -> None:
        assert (self.balancer.in_flight, self.upstream.open_now, len(self.facts.settled)) == (0, 0, 1)


def streamed(**more):
    return {"model": "gpt", "messages": [{"role": "user", "content": "Hi"}], "stream": True, **more}


def with_usage():
    return streamed(stream_options={"include_usage": True})


async def test_a_body_passes_through_untouched():
    """Between equal dialects both sides get the other's very bytes, but for the model."""
    bench = Bench(Script([BODY]))
    status, headers, body = await bench.run(b'{"model": "gpt", "messages": [{"role":"user","content":"Hi"}], "x": 1.0}')
    assert (status, body) == (200, BODY)
    assert bench.upstream.asked[0].path == "/chat/completions"
    assert b'"x":1.0' in bench.upstream.asked[0].body.replace(b" ", b"")
    assert b'"gpt-up"' in bench.upstream.asked[0].body
    assert headers[b"x-gw-model"] == b"gpt-up"
    assert headers[b"x-gw-account"] == b"a"
    assert headers[b"x-gw-attempts"] == b"1"
    assert headers[b"x-gw-config-version"] == b"v7"
    assert b"x-gw-lossy" not in headers
    bench.assert_nothing_left()


async def test_a_stream_passes_through_frame_by_frame():
    """A pass-through stream brings the provider's frames, with the usage chunk that the client asked for."""
    bench = Bench(Script(STREAM))
    status, _, body = await bench.run(with_usage())
    assert (status, body) == (200, b"".join(STREAM))
    bench.assert_nothing_left()


async def test_the_usage_chunk_is_hidden_from_a_client_that_did_not_ask():
    """Usage is always asked for upstream, and kept from clients that did not ask; it is recorded all the same."""
    bench = Bench(Script(STREAM))
    _, _, body = await bench.run(streamed())
    assert body == b"".join(STREAM[:4] + STREAM[5:])
    assert b"include_usage" in bench.upstream.asked[0].body
    assert bench.facts.settled[0].usage.input == 12


async def test_the_facts_tell_the_call():
    """A settled call says who asked for what, who served it, how it ended and what it used."""
    bench = Bench(Script(STREAM))
    await bench.run(with_usage(), tags="team=a", client="10.0.0.9")
    opened, settled = bench.facts.opened[0], bench.facts.settled[0]
    assert (opened.account, opened.target_model, opened.attempt, opened.key) == ("a", "gpt-up", 1, "k")
    assert (settled.outcome, settled.status, settled.finish, settled.stream) == ("ok", 200, "stop", True)
    assert (settled.usage.input, settled.usage.output, settled.usage.provenance) == (12, 3, "reported")
    assert (settled.tags, settled.client, settled.tenant, settled.attempts) == ("team=a", "10.0.0.9", "t", 1)
    assert settled.first_byte < settled.duration
    assert settled.bytes_sent == len(b"".join(STREAM))


@pytest.mark.parametrize(
    "first",
    [
        Script(refuse=UpstreamUnreachable()),
        Script([b'{"error":{"message":"slow down"}}'], status=429, headers={"retry-after": "3"}),
        Script([b"oops"], status=500),
        Script([b'{"error":{"message":"bad key"}}'], status=401),
        Script([BODY[:50], UpstreamReset()]),
        Script([b"not json"]),
    ],
    ids=["unreachable", "429", "500", "401", "reset", "malformed"],
)
async def test_before_the_first_byte_another_account_is_tried(first):
    """What fails before the commit point is tried on the other account, and the client sees nothing of it."""
    bench = Bench(first, Script([BODY]))
    status, headers, body = await bench.run()
    assert (status, body) == (200, BODY)
    assert (headers[b"x-gw-attempts"], headers[b"x-gw-account"]) == (b"2", b"b")
    assert [o.account for o in bench.facts.opened] == ["a", "b"]
    bench.assert_nothing_left()


@pytest.mark.parametrize("held", range(2))
async def test_a_stream_that_breaks_before_content_is_tried_elsewhere(held):
    """Frames without content do not commit: the role chunk of the first attempt is never sent."""
    bench = Bench(Script([*STREAM[:held], UpstreamReset()]), Script(STREAM))
    _, headers, body = await bench.run(with_usage())
    assert body == b"".join(STREAM)
    assert headers[b"x-gw-attempts"] == b"2"
    bench.assert_nothing_left()


@pytest.mark.parametrize("form", list(StreamErrors))
async def test_the_form_of_stream_errors_is_the_calls_then_the_policys(form):
    """`x-gw-stream-errors` wins over the key's policy, which wins over the gateway's default."""
    other = StreamErrors.RAISE if form is not StreamErrors.RAISE else StreamErrors.STRICT
    for call_form, policy_form in ((form, other), (None, form)):
        bench = Bench(Script(STREAM[:3]), on=catalog(policy=Policy(stream_errors=policy_form)))
        _, _, body = await bench.run(with_usage(), stream_errors=call_form)
        assert (b'"error":{' in body) == (form is not StreamErrors.FINISH)
        assert (b'"finish_reason":"error"' in body) == (form is not StreamErrors.STRICT)


async def test_a_refusal_of_the_request_is_not_retried_and_keeps_its_words():
    """A 400 of the provider goes to the client of the same dialect as the provider wrote it, at once."""
    refusal = b'{"error": {"message": "bad n", "type": "invalid_request_error", "param": "n", "code": null, "x": 1}}'
    bench = Bench(Script([refusal], status=400))
    status, headers, body = await bench.run()
    assert (status, body) == (400, refusal)
    assert (headers[b"x-gw-attempts"], headers[b"x-should-retry"]) == (b"1", b"false")
    bench.assert_nothing_left()


async def test_what_an_account_was_refused_for_is_not_told():
    """A bad provider key is a 503 in our words; the provider's message is for the log."""
    bench = Bench(Script([b'{"error":{"message":"Incorrect API key provided: correct.horse.battery"}}'], status=401))
    status, headers, body = await bench.run()
    assert (status, headers[b"retry-after"]) == (503, b"1")
    assert b"Incorrect" not in body
    assert bench.facts.settled[0].upstream_message == "Incorrect API key provided: [hidden]"
    bench.assert_nothing_left()


async def test_the_most_telling_error_is_shown():
    """Of a rate limit and a bad key the client is told of the rate limit, which it can act on."""
    bench = Bench(
        Script([b'{"error":{"message":"slow"}}'], status=429, headers={"retry-after": "7"}),
        Script([b'{"error":{"message":"bad"}}'], status=401),
    )
    status, headers, _ = await bench.run()
    assert (status, headers[b"retry-after"], headers[b"x-gw-attempts"]) == (429, b"7", b"2")


async def test_what_an_account_said_counts_before_its_lease_is_back():
    """Whoever waits for the account is woken by the lease, and must not be sent into the same refusal."""
    on = catalog(account("a"))
    bench = Bench(Script([b'{"error":{"message":"slow"}}'], status=429, headers={"retry-after": "7"}), on=on)
    (candidate,) = on.route("gpt", Policy())
    seen = []
    bench.balancer.changed = lambda: seen.append(bench.balancer.wait(candidate))
    await bench.run()
    assert [7.0] == seen
    bench.assert_nothing_left()


async def test_attempts_are_bounded():
    """Three accounts are tried, not all of five."""
    bench = Bench(Script(refuse=UpstreamUnreachable()), on=catalog(*(account(x) for x in "abcde")))
    status, headers, _ = await bench.run()
    assert (status, headers[b"x-gw-attempts"], len(bench.upstream.asked)) == (502, b"3", 3)


async def test_accounts_that_say_when_to_come_back_are_no_failed_attempts():
    """Each of them rests, so each is asked once: the sixth answers. A limited number of times, all the same."""
    limited = Script([b"{}"], status=429, headers={"retry-after": "30"})
    bench = Bench(*[limited] * 5, Script([BODY]), on=catalog(*(account(x) for x in "abcdef")))
    status, headers, _ = await bench.run()
    assert (200, b"6") == (status, headers[b"x-gw-attempts"])
    assert 6 == len({request.account.id for request in bench.upstream.asked})
    many = Bench(limited, on=catalog(*(account(f"a{n}") for n in range(30))))
    status, headers, _ = await many.run()
    assert (429, b"11") == (status, headers[b"x-gw-attempts"])


async def test_no_account_says_why():
    """When all accounts are full or disabled the 503 says how many of which, and when to come back."""
    full = catalog(account("a", max_concurrency=1), account("b", enabled=False))
    bench = Bench(Script([BODY]), on=full)
    lease = bench.balancer.take(next(iter(full.routes.get("gpt"))))
    status, headers, body = await bench.run()
    lease.release()
    assert (status, headers[b"retry-after"]) == (503, b"1")
    assert b"its accounts are: 1 disabled, 1 full" in body
    assert bench.upstream.asked == []


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"model":1}', b'{"model":"nope","messages":[{"role":"user","content":"x"}]}']
)
async def test_a_bad_request_never_reaches_a_provider(body):
    """Bad JSON, wrong types and unknown models are answered without an attempt."""
    bench = Bench(Script([BODY]))
    status, headers, answer = await bench.run(body)
    assert status in (400, 404)
    assert msgspec.json.decode(answer)["error"]["message"]
    assert (bench.upstream.asked, bench.facts.opened, headers[b"x-gw-attempts"]) == ([], [], b"0")
    assert bench.facts.settled[0].outcome == "refused"


async def test_account_ids_can_be_hidden():
    """A policy keeps account ids out of the headers."""
    bench = Bench(Script([BODY]), on=catalog(policy=Policy(hide_accounts=True)))
    _, headers, _ = await bench.run()
    assert b"x-gw-account" not in headers
    assert headers[b"x-gw-model"] == b"gpt-up"


async def test_losses_are_named():
    """What the provider can't express is named in a header and in the facts."""
    on = catalog(account("a", Provider.ANTHROPIC))
    answer = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "c",
        "content": [{"type": "text", "text": "Hi"}],
    }
    answer |= {"stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
    bench = Bench(Script([msgspec.json.encode(answer)]), on=on)
    body = {"model": "gpt", "messages": [{"role": "user", "content": "Hi"}], "seed": 1, "logit_bias": {"1": 2}}
    status, headers, _ = await bench.run(body)
    assert status == 200
    assert sorted(headers[b"x-gw-lossy"].split(b",")) == [b"logit_bias", b"seed"]
    assert bench.upstream.asked[0].path == "/v1/messages"


CLAUDE = catalog(account("a", Provider.ANTHROPIC))
ASK = [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        (
            {"tools": [{"type": "function", "function": {"name": "get.weather"}}]},
            {"type": "function", "function": {"name": "get.weather", "arguments": '{"input":"ls\\n"}'}},
        ),
        (
            {"tools": [{"type": "custom", "custom": {"name": "get.weather"}}]},
            {"type": "custom", "custom": {"name": "get.weather", "input": "ls\n"}},
        ),
        ({"functions": [{"name": "get.weather"}]}, {"name": "get.weather", "arguments": '{"input":"ls\\n"}'}),
    ],
)
async def test_a_tool_is_called_as_it_was_offered(tools, expected):
    """By the client's name, in the client's form, whatever the provider takes."""
    bench = Bench(Script([b""]), on=CLAUDE)
    await bench.run({"model": "gpt", "messages": ASK, **tools})
    (offered,) = msgspec.json.decode(bench.upstream.asked[0].body)["tools"]
    called = {"type": "tool_use", "id": "toolu_1", "name": offered["name"], "input": {"input": "ls\n"}}
    answer = {"type": "message", "role": "assistant", "content": [called], "stop_reason": "tool_use"}
    bench = Bench(Script([msgspec.json.encode(answer)]), on=CLAUDE)
    _, headers, body = await bench.run({"model": "gpt", "messages": ASK, **tools})
    (choice,) = msgspec.json.decode(body)["choices"]
    message = choice["message"]
    if "functions" in tools:
        assert ("function_call", expected) == (choice["finish_reason"], message["function_call"])
        assert "tool_calls" not in message
    else:
        assert [{"id": "toolu_1", **expected}] == message["tool_calls"]
    lost = b"tools.custom" if b"custom" in msgspec.json.encode(tools) else None
    assert lost == headers.get(b"x-gw-lossy")


async def test_phases_of_messages_outlive_a_chat_client():
    """It gets one text and brings that back; the provider gets its messages."""
    said = [
        {"type": "message", "role": "assistant", "phase": phase, "content": [{"type": "output_text", "text": phase}]}
        for phase in ("commentary", "final_answer")
    ]
    answer = msgspec.json.encode({"id": "r", "status": "completed", "output": said})
    on = Catalog.of(
        version="v",
        accounts=[account("a")],
        models=[Model(name="gpt", targets=(Target(pool="p", model="gpt-up", api="responses"),))],
        keys=[ClientKey(id="k", tenant="t", digest=ClientKey.digest_of("key"))],
    )
    bench = Bench(Script([answer]), on=on)
    _, _, body = await bench.run({"model": "gpt", "messages": ASK})
    message = msgspec.json.decode(body)["choices"][0]["message"]
    assert "commentary\n\nfinal_answer" == message["content"]
    back = {"role": "assistant", "content": message["content"]}
    await bench.run({"model": "gpt", "messages": [*ASK, back, *ASK]})
    assert said == msgspec.json.decode(bench.upstream.asked[1].body)["input"][1:3]


async def test_a_cancelled_call_settles_once_and_frees_everything():
    """A client that goes away at any moment leaves no lease and no open upstream; its call is settled as cancelled."""

    class Slow(Script):
        async def chunks(self):
            for piece in self.pieces:
                await asyncio.sleep(0)
                yield piece

    for ticks in range(30):
        bench = Bench(Slow(STREAM * 3))
        task = asyncio.get_running_loop().create_task(bench.run(with_usage()))
        for _ in range(ticks):
            await asyncio.sleep(0)
        task.cancel()
        results = await asyncio.gather(task, return_exceptions=True)
        assert (bench.balancer.in_flight, bench.upstream.open_now) == (0, 0)
        outcomes = [s.outcome for s in bench.facts.settled]
        if isinstance(results[0], asyncio.CancelledError) and ticks > 0:
            assert outcomes in (["cancelled"], ["ok"])
        assert len(outcomes) <= 1


async def test_the_clients_own_time_limit_bounds_the_call():
    """`x-gw-timeout` becomes the upstream's total deadline, less what has passed."""
    bench = Bench(Script([BODY]))
    await bench.run(timeout=60.0)
    assert 0 < bench.upstream.asked[0].deadlines.total < 60.0


async def test_a_fallback_that_cannot_say_it_does_not_hide_the_failure():
    """When the first provider is down and the second can't express the request, the client hears of the first."""
    on = Catalog.of(
        version="v7",
        accounts=[account("a"), account("b", Provider.ANTHROPIC, pool="q")],
        models=[Model(name="gpt", targets=(Target(pool="p", model="m"), Target(pool="q", model="c", priority=2)))],
        keys=[ClientKey(id="k", tenant="t", digest=ClientKey.digest_of("key"))],
    )
    bench = Bench(Script(refuse=UpstreamUnreachable()), on=on)
    status, headers, _ = await bench.run({"model": "gpt", "n": 2, "messages": [{"role": "user", "content": "Hi"}]})
    assert (status, headers[b"x-gw-attempts"]) == (502, b"1")
    bench.assert_nothing_left()


async def test_a_fault_of_our_own_is_settled_as_one():
    """An exception that nobody foresaw is settled as a failure of the gateway, not as a client that left."""
    bench = Bench(Script([RuntimeError("bug")]))
    with pytest.raises(RuntimeError):
        await bench.run()
    settled = bench.facts.settled[0]
    assert (settled.outcome, settled.status, settled.error_code) == ("failed", 500, "internal_error")
    assert settled.error_detail == "RuntimeError: bug"
    bench.assert_nothing_left()


async def test_a_models_name_is_bounded():
    """A name of thousands of characters is refused, and the log keeps only its beginning."""
    bench = Bench(Script([BODY]))
    status, _, _ = await bench.run({"model": "x" * 5000, "messages": [{"role": "user", "content": "Hi"}]})
    assert (status, len(bench.facts.settled[0].model)) == (404, 256)


async def test_every_choice_that_was_asked_for_is_marked():
    """Of two answers that were asked for, one that had not begun when the stream broke is marked as well."""
    bench = Bench(Script([*STREAM[:2], UpstreamStalled()]))
    _, _, body = await bench.run({**with_usage(), "n": 2})
    assert body.count(b'"finish_reason":"error"') == 2
    assert body.count(b'"usage":{') == 1


async def test_the_accounts_credential_is_taken_out_of_its_providers_words():
    """A server that quotes the key that it was given does not quote it to the client, nor to the log."""
    words = b'{"error":{"message":"no budget for correct.horse.battery","type":"x","param":null,"code":null}}'
    bench = Bench(Script([words], status=400))
    status, _, body = await bench.run()
    assert (status, b"horse" in body, b"no budget for [hidden]" in body) == (400, False, True)
    assert "horse" not in repr(bench.facts.settled)


# --- the smaller questions --------------------------------------------------------------------------------------------


def enquire(bench: Bench, enquiry, body, dialect="chat", **wire):
    request = WireRequest(body=msgspec.json.encode(body), **wire)
    call = Call(
        id="c",
        request_id="req-1",
        dialect=dialect_named(dialect),
        wire=request,
        started=0.0,
        verb=Verb.ENQUIRE,
        enquiry=enquiry,
    )
    return bench.relay.open(bench.relay.admit("key"), call)


COUNT = {"model": "gpt", "messages": [{"role": "user", "content": "Hello"}]}


async def test_an_enquiry_is_routed_and_settled_like_a_chat():
    """With the same headers, the same retry before an answer, and the usage that the provider counted."""
    vectors = {"data": [{"index": 0, "embedding": [1.0]}], "usage": {"prompt_tokens": 7, "total_tokens": 7}}
    bench = Bench(Script(status=500), Script([msgspec.json.encode(vectors)]))
    async with enquire(bench, OPENAI_EMBEDDINGS, {"model": "gpt", "input": "a"}) as reply:
        assert (200, vectors) == (reply.status, msgspec.json.decode(reply.body))
        assert b"2" == dict(reply.headers)[b"x-gw-attempts"]
    assert ["/embeddings"] * 2 == [request.path for request in bench.upstream.asked]
    assert ("ok", 7) == (bench.facts.settled[0].outcome, bench.facts.settled[0].usage.input)
    bench.assert_nothing_left()


async def test_what_a_provider_takes_in_parts_is_asked_part_by_part():
    """One attempt, one lease, one answer."""
    vertex = Catalog.of(
        version="v7",
        accounts=[account("a", Provider.VERTEX)],
        models=[Model(name="gpt", targets=(Target(pool="p", model="gemini-embedding-2"),))],
        keys=[ClientKey(id="k", tenant="t", digest=ClientKey.digest_of("key"))],
    )
    made = [{"embedding": {"values": [n]}, "usageMetadata": {"promptTokenCount": 2}} for n in (1, 2)]
    answers = [msgspec.json.encode(answer) for answer in made]
    bench = Bench(*(Script([answer]) for answer in answers), on=vertex)
    async with enquire(bench, OPENAI_EMBEDDINGS, {"model": "gpt", "input": ["a", "b"]}) as reply:
        assert [[1], [2]] == [d["embedding"] for d in msgspec.json.decode(reply.body)["data"]]
    assert (2, 1) == (len(bench.upstream.asked), len(bench.facts.opened))
    assert 4 == bench.facts.settled[0].usage.input
    bench.assert_nothing_left()


async def test_a_count_that_nobody_can_give_is_an_estimate_that_says_so():
    """Neither a provider without counting nor one that refuses it leaves the client without a number."""
    claude = catalog(account("a", Provider.ANTHROPIC))
    refused = Script([b'{"type":"error","error":{"type":"not_found_error","message":"no"}}'], status=404)
    for bench in (Bench(Script(), on=catalog(account("a", Provider.OPENAI_COMPATIBLE))), Bench(refused, on=claude)):
        async with enquire(bench, MESSAGES_COUNT, COUNT, "messages") as reply:
            assert msgspec.json.decode(reply.body)["input_tokens"] > 3
            assert b"1" == dict(reply.headers)[b"x-gw-estimated"]
        assert "ok" == bench.facts.settled[0].outcome
        bench.assert_nothing_left()


async def test_a_refused_enquiry_is_told_in_the_client_s_dialect():
    """What is wrong with the request is said before anything is sent."""
    bench = Bench(Script())
    async with enquire(bench, OPENAI_EMBEDDINGS, {"model": "gpt", "input": []}) as reply:
        assert (400, "input") == (reply.status, msgspec.json.decode(reply.body)["error"]["param"])
    assert [] == bench.upstream.asked
    bench.assert_nothing_left()


# --- stored responses -------------------------------------------------------------------------------------------------


async def test_a_conversation_goes_on_by_the_id_of_a_response_at_any_provider():
    """Kept by the gateway where the policy allows it, streamed or whole, and found again by its tenant alone."""
    claude = catalog(account("a", Provider.ANTHROPIC), policy=Policy(stored_responses=True))
    said = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn"}
    said |= {"content": [{"type": "text", "text": "Hello"}], "usage": {"input_tokens": 1, "output_tokens": 1}}
    bench = Bench(Script([msgspec.json.encode(said)]), on=claude)
    first = {"model": "gpt", "input": "First"}
    _, _, body = await bench.run(first, dialect="responses")
    made = msgspec.json.decode(body)
    assert made["store"] is True
    await bench.run({"model": "gpt", "input": "Second", "previous_response_id": made["id"]}, dialect="responses")
    sent = msgspec.json.decode(bench.upstream.asked[1].body)
    assert ["First", "Hello", "Second"] == [m["content"][0]["text"] for m in sent["messages"]]


async def test_without_the_policy_nothing_is_kept_and_nothing_claimed():
    """A wish for it is told as lost."""
    said = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn"}
    said |= {"content": [{"type": "text", "text": "Hello"}], "usage": {"input_tokens": 1, "output_tokens": 1}}
    bench = Bench(Script([msgspec.json.encode(said)]), on=catalog(account("a", Provider.ANTHROPIC)))
    _, headers, body = await bench.run({"model": "gpt", "input": "First", "store": True}, dialect="responses")
    made = msgspec.json.decode(body)
    assert (False, b"store") == (made["store"], headers[b"x-gw-lossy"])
    status, _, _ = await bench.run(
        {"model": "gpt", "input": "x", "previous_response_id": made["id"]}, dialect="responses"
    )
    assert 400 == status


async def test_media_that_can_not_be_had_are_refused_before_an_account_is_asked():
    """In the client's own words for an error, with the setting in it; nothing was sent."""
    url = "https://images.test/a.png"
    body = {"model": "gpt", "max_tokens": 9, "messages": [
        {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": url}}]}
    ]}  # fmt: skip
    for held, said in (({}, b"fetch.enabled"), ({url: b"<html>"}, b"holds text/html, not a usable image")):
        bench = Bench(Script([BODY]), on=catalog(account("a", Provider.BEDROCK)))
        bench.relay._parts = msgspec.structs.replace(bench.relay._parts, fetch=MemoryFetch(held))
        status, _, answer = await bench.run(body, dialect="messages")
        told = msgspec.json.decode(answer)["error"]
        assert (400, "invalid_request_error") == (status, told["type"])
        assert said in answer
        assert [] == bench.upstream.asked
        bench.assert_nothing_left()


# --- repaired requests ------------------------------------------------------------------------------------------------


def refused(message, status=400, **more):
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None, **more}
    return Script([msgspec.json.encode({"error": error})], status=status)


LIMIT = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
HEAT = "Unsupported parameter: 'temperature' is not supported with this model."
LIMITED = {"model": "gpt", "max_tokens": 9, "temperature": 0.5, "messages": [{"role": "user", "content": "Hi"}]}


def last(bench):
    return msgspec.json.decode(bench.upstream.asked[-1].body)


async def test_a_limit_by_the_wrong_name_is_sent_again_by_the_right_one():
    """Also in a pass-through, at the same account; the next request has it from the start."""
    bench = Bench(refused(LIMIT, param="max_tokens"), Script([BODY]))
    status, headers, body = await bench.run(LIMITED)
    assert (200, BODY, b"2", b"a") == (status, body, headers[b"x-gw-attempts"], headers[b"x-gw-account"])
    assert (9, None) == (last(bench)["max_completion_tokens"], last(bench).get("max_tokens"))
    bench.assert_nothing_left()
    assert [1, 2] == [f.attempt for f in bench.facts.opened]
    _, headers, _ = await bench.run(LIMITED)
    assert (b"1", 9) == (headers[b"x-gw-attempts"], last(bench)["max_completion_tokens"])


async def test_a_field_that_the_model_refuses_is_left_out_of_a_translation_and_named():
    """Streamed as well: the refusal came before the first byte."""
    compatible = catalog(account("a", Provider.OPENAI_COMPATIBLE))
    for more, script in (({}, Script([BODY])), ({"stream": True}, Script(STREAM))):
        bench = Bench(refused(HEAT, param="temperature"), script, on=compatible)
        status, headers, _ = await bench.run({**LIMITED, **more}, dialect="messages")
        assert (200, b"temperature", b"2") == (status, headers[b"x-gw-lossy"], headers[b"x-gw-attempts"])
        assert "temperature" not in last(bench)
        _, headers, _ = await bench.run({**LIMITED, **more}, dialect="messages")
        assert (b"temperature", b"1") == (headers[b"x-gw-lossy"], headers[b"x-gw-attempts"])


async def test_a_client_of_the_providers_own_dialect_reads_its_refusal():
    """What would change what it asks for is its own affair, also where the gateway knows better by now."""
    compatible = catalog(account("a", Provider.OPENAI_COMPATIBLE))
    bench = Bench(refused(HEAT), Script([BODY]), refused(HEAT), on=compatible)
    await bench.run(LIMITED, dialect="messages")
    status, _, body = await bench.run(LIMITED)
    assert (400, HEAT, 0.5) == (status, msgspec.json.decode(body)["error"]["message"], last(bench)["temperature"])


async def test_a_request_is_repaired_once():
    """A second refusal is told; so is one of a repaired request, and nothing is learned from it."""
    compatible = catalog(account("a", Provider.OPENAI_COMPATIBLE))
    bench = Bench(refused(HEAT), refused("Unsupported parameter: 'top_p' is not supported"), on=compatible)
    status, headers, body = await bench.run({**LIMITED, "top_p": 0.5}, dialect="messages")
    assert (400, b"2", 2) == (status, headers[b"x-gw-attempts"], len(bench.upstream.asked))
    assert b"top_p" in body
    bench.assert_nothing_left()
    await bench.run(LIMITED, dialect="messages")
    assert "temperature" in msgspec.json.decode(bench.upstream.asked[2].body)


async def test_a_repair_that_changes_nothing_is_not_tried():
    """The field was not in the request: the same would be refused again."""
    bench = Bench(refused("Unsupported parameter: 'top_k'"), on=catalog(account("a", Provider.OPENAI_COMPATIBLE)))
    status, _, _ = await bench.run(LIMITED, dialect="messages")
    assert (400, 1) == (status, len(bench.upstream.asked))


async def test_the_gateways_own_wish_for_usage_is_taken_back():
    """From a server that does not know it; the answer is then not metered, and says so."""
    bench = Bench(refused("body.stream_options: Extra inputs are not permitted", 422), Script(STREAM[:4] + STREAM[5:]))
    status, _, _ = await bench.run(streamed())
    assert (200, False) == (status, "stream_options" in last(bench))
    assert "estimated" == bench.facts.settled[0].usage.provenance


async def test_what_chat_refuses_is_asked_in_responses():
    """Where the model's name did not tell: the provider did."""
    words = "Function tools with reasoning_effort are not supported for m in /v1/chat/completions."
    answer = {
        "id": "resp_1",
        "object": "response",
        "created_at": 5,
        "status": "completed",
        "model": "gpt-up",
        "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}],
        "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
    }
    bench = Bench(refused(words), Script([msgspec.json.encode(answer)]))
    tool = {"name": "f", "input_schema": {"type": "object"}}
    status, _, body = await bench.run({**LIMITED, "tools": [tool]}, dialect="messages")
    assert (200, ["/chat/completions", "/responses"]) == (status, [r.path for r in bench.upstream.asked])
    assert "Hello" == msgspec.json.decode(body)["content"][0]["text"]


LIMITS = {
    "retry-after": "7",
    "retry-after-ms": "7000",
    "x-ratelimit-limit-tokens": "6000",
    "x-ratelimit-remaining-tokens": "0",
    "x-ratelimit-reset-tokens": "6m0s",
    "anthropic-ratelimit-input-tokens-remaining": "3",
    "anthropic-ratelimit-unified-5h-utilization": "0.9",
    "x-should-retry": "true",
}


@pytest.mark.parametrize("kind", ["whole", "stream", "refusal"])
async def test_an_account_s_limits_are_noted_and_not_passed_on(kind):
    """They are the account's affair: clients are told the gateway's own, or none."""
    script = {
        "whole": Script([BODY], headers=LIMITS),
        "stream": Script(STREAM, headers=LIMITS),
        "refusal": Script([b"{}"], status=429, headers=LIMITS),
    }[kind]
    bench = Bench(script, script)
    _, headers, _ = await bench.run(streamed() if kind == "stream" else None)
    told = {name.decode() for name in headers}
    assert set() == {name for name in told if "ratelimit" in name or name in ("retry-after-ms", "x-should-retry")}
    assert (kind == "refusal") is ("retry-after" in told)
    limits = bench.facts.settled[0].limits
    assert (Allowance(limit=6000, remaining=0, reset=360.0), 7.0) == (limits.tokens, limits.retry_after)
