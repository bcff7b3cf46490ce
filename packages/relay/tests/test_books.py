import pytest

from llmgw_balancer import Circuit, Outcome
from llmgw_domain import errors
from llmgw_domain.errors import UpstreamReset, UpstreamSilent, UpstreamStalled, UpstreamTimeout, UpstreamUnreachable
from llmgw_relay.books import header_text, retry_headers
from llmgw_relay.testing import Script

from .test_exchange import STREAM, Bench, account, catalog, streamed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gpt-5", b"gpt-5"),
        ("a\r\nx-evil: 1", b"a\\r\\nx-evil: 1"),
        ("Zürich/模型", b"Z\\xfcrich/\\u6a21\\u578b"),
        ("\x00\x7f", b"\\x00\\x7f"),
        ("m" * 5000, b"m" * 1024),
    ],
)
def test_header_values_are_one_line_of_ascii(text, expected):
    """A model's name comes from the client, so nothing in it can end a header or grow it without bound."""
    assert header_text(text) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.RateLimited(retry_after=2.1), {b"retry-after": b"3"}),
        (errors.RateLimited(), {b"retry-after": b"1"}),
        (errors.NoAccount(retry_after=10_000), {b"retry-after": b"120"}),
        (errors.QuotaExhausted(), {b"retry-after": b"1", b"x-should-retry": b"false"}),
        (errors.BadRequest(), {b"x-should-retry": b"false"}),
        (errors.UpstreamReset(), {}),
    ],
)
def test_clients_are_told_when_to_come_back(error, expected):
    """`retry-after` on 429 and 503, between 1 and 120 seconds; the SDKs' switch where a repeat cannot help."""
    assert dict(retry_headers(error)) == expected


LOST = [
    Script(refuse=UpstreamUnreachable()),
    Script(refuse=UpstreamSilent()),
    Script([*STREAM[:3], UpstreamReset()]),
    Script([*STREAM[:3], UpstreamStalled()]),
    Script(STREAM[:3]),
]


@pytest.mark.parametrize("script", LOST, ids=lambda s: repr(s.refuse or s.pieces[-1]))
async def test_an_account_that_was_lost_is_avoided_until_it_answers(script):
    """However it was lost, before an answer or in it: three times in a row open its circuit."""
    bench = Bench(script, Script(STREAM))
    lost = "a"
    candidate = next(c for c in catalog().routes.get("gpt") if c.account.id == lost)
    for _ in range(2):
        lease = bench.balancer.take(candidate)
        bench.balancer.learn(lease, Outcome.FAILED)
        lease.release()
    while lost not in [request.account.id for request in bench.upstream.asked]:
        bench.upstream.scripts = [script, Script(STREAM)]
        await bench.run(streamed(user=str(len(bench.upstream.asked))))
    other = {"a": "b", "b": "a"}[lost]
    del bench.upstream.asked[:]
    for _ in range(6):
        await bench.run(streamed())
    assert {other} == {request.account.id for request in bench.upstream.asked}


@pytest.mark.parametrize(
    "script", [Script([b"{}"], status=500), Script([b"{}"], status=429), Script(refuse=UpstreamTimeout())]
)
async def test_what_an_account_says_puts_it_in_no_doubt(script):
    """Nor does a call that had less time than the answer took: its client chose it."""
    bench = Bench(script, Script(STREAM), on=catalog(account("a")))
    for _ in range(5):
        await bench.run(streamed())
    assert Circuit.CLOSED == bench.balancer.states()["a"].circuit


async def test_an_attempt_that_another_one_followed_is_told():
    """With its error, the provider's status, and what that said of the account; the call's settlement has the last."""
    refusal = Script([b'{"error": {"message": "slow down"}}'], status=429, headers={"retry-after": "7"})
    bench = Bench(refusal, Script(STREAM))
    await bench.run(streamed())
    [ended] = bench.facts.ended
    assert (1, "a", "rate_limit_exceeded", 429, True) == (
        ended.attempt,
        ended.account,
        ended.error_code,
        ended.upstream_status,
        ended.retried,
    )
    assert ended.signal is not None
    assert ("pause", 7.0) == (ended.signal.verdict, ended.signal.seconds)
    assert ended.duration is not None
    assert ended.duration > 0
    assert (["b"], None) == ([fact.account for fact in bench.facts.settled], bench.facts.settled[0].error_code)


async def test_the_settlement_tells_of_the_last_attempt():
    """One that served, and one that failed with the error that the client sees, is told once."""
    bench = Bench(Script(STREAM))
    await bench.run(streamed())
    bench.upstream.scripts = [Script([b"{}"], status=400)]
    await bench.run(streamed())
    assert ([], [None, "invalid_request"]) == (bench.facts.ended, [fact.error_code for fact in bench.facts.settled])


async def test_a_failure_that_the_client_is_not_shown_is_told():
    """Of two failures the client is shown the one that it can act on: here the first. Neither is lost."""
    bench = Bench(Script([b"{}"], status=429), Script([b"{}"], status=401))
    await bench.run(streamed())
    assert "rate_limit_exceeded" == bench.facts.settled[0].error_code
    assert [(1, True), (2, False)] == [(fact.attempt, fact.retried) for fact in bench.facts.ended]


async def test_a_repaired_request_is_a_retry():
    """The refusal that said how the account would take the request is told like every other."""
    message = b'{"error": {"message": "Unsupported parameter: max_tokens. Use max_completion_tokens instead.", '
    limit = message + b'"type": "invalid_request_error", "code": "unsupported_parameter", "param": "max_tokens"}}'
    bench = Bench(Script([limit], status=400), Script(STREAM), on=catalog(account("a")))
    await bench.run(streamed(max_tokens=9))
    assert [("a", "a")] == [tuple(fact.account for fact in bench.facts.opened)]
    assert [(1, 400, True)] == [(fact.attempt, fact.upstream_status, fact.retried) for fact in bench.facts.ended]


async def test_a_call_that_ends_for_want_of_an_account_says_why_none_could_serve():
    """By account: the one that just refused it pauses now, the other is full. One that was served says nothing."""
    on = catalog(account("a", max_concurrency=1), account("b"))
    bench = Bench(Script([b"{}"], status=429, headers={"retry-after": "50"}), Script(STREAM), on=on)
    full = bench.balancer.take(next(c for c in on.routes.get("gpt") if c.account.id == "a"))
    await bench.run(streamed())
    full.release()
    await bench.run(streamed())
    refused, served = bench.facts.settled
    assert ("pause", 50.0) == (refused.signal.verdict, refused.signal.seconds)
    assert ({"a": "full", "b": "paused"}, 0) == (refused.excluded, refused.more_excluded)
    assert ("ok", {}) == (served.outcome, served.excluded)
