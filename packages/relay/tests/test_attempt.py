import pytest

from llmgw_balancer import Slots
from llmgw_domain import Account, Candidate, Provider, Secret, Target
from llmgw_domain.limits import Allowance, RateLimits
from llmgw_protocols import EncodeContext, Rendered, dialect_named
from llmgw_relay import UpstreamRequest
from llmgw_relay.attempt import Attempt
from llmgw_relay.meter import Meter
from llmgw_relay.testing import Script, ScriptedUpstream
from llmgw_relay.transform import Passthrough

CHAT, MESSAGES = dialect_named("chat"), dialect_named("messages")
ACCOUNT = Account(id="a", provider=Provider.OPENAI, base_url="http://x", credential=Secret("k"), pool="p")


def attempt() -> Attempt:
    encoder = CHAT.encoder(EncodeContext(model="m", request_id="r", created=1))
    return Attempt(
        candidate=Candidate(ACCOUNT, "m", Target(pool="p", model="m")),
        lease=Slots().take("a"),
        dialect=CHAT,
        rendered=Rendered(path="/p", body=b""),
        requests=[UpstreamRequest(account=ACCOUNT, path=path, body=b"") for path in ("/p", "/q")],
        wall=lambda: 1e9,
        transform=Passthrough(CHAT.decoder(), encoder, Meter()),
    )


async def test_closing_works_once_and_always():
    """An attempt can be closed before it was opened, in the middle of its body, and again."""
    upstream = ScriptedUpstream(Script([b"a", b"b"]))
    tried = attempt()
    await tried.close()
    await tried.open(upstream)
    assert (await tried.next_chunk(), upstream.open_now) == (b"a", 1)
    await tried.close()
    await tried.close()
    assert upstream.open_now == 0


async def test_the_body_ends_with_none():
    """Behind the last chunk comes None, as often as it is asked for."""
    tried = attempt()
    await tried.open(ScriptedUpstream(Script([b"a"])))
    assert [await tried.next_chunk() for _ in range(3)] == [b"a", None, None]
    await tried.close()


def test_own_words_are_for_the_same_dialect_and_the_requests_fault():
    """The provider's body is passed on if it is JSON, in the client's dialect, and about the client's request."""
    body = b'{"error":{"message":"bad","type":"invalid_request_error","param":null,"code":null}}'
    tried = attempt()
    error = tried.fault(400, {}, body)
    assert (tried.own_words(error, CHAT), tried.own_words(error, MESSAGES)) == (body, None)
    assert tried.own_words(tried.fault(401, {}, body), CHAT) is None
    assert tried.own_words(tried.fault(400, {}, b"<html>"), CHAT) is None
    assert tried.own_words(error, CHAT) is None


def test_an_envelope_of_another_shape_is_written_anew():
    """A compatible server's error that the dialect's clients can't read is told in our envelope."""
    tried = attempt()
    body = b'{"error":{"message":"bad","type":"t","code":400}}'
    assert tried.own_words(tried.fault(400, {}, body), CHAT) is None


def test_a_refusal_that_quotes_a_key_is_written_anew():
    """A provider's body with a credential in it never goes out as it is."""
    tried = attempt()
    body = b'{"error":{"message":"no beta for sk-abcdefghijkl","type":"invalid_request_error"}}'
    error = tried.fault(400, {}, body)
    assert (tried.own_words(error, CHAT), error.message) == (None, "no beta for [hidden]")


async def test_a_second_request_follows_the_first():
    """Opening again leaves the first response and sends what is next."""
    upstream = ScriptedUpstream(Script([b"a"]))
    tried = attempt()
    for more in (True, False):
        await tried.open(upstream)
        assert (tried.more, upstream.open_now) == (more, 1)
    assert ["/p", "/q"] == [request.path for request in upstream.asked]
    await tried.close()


async def test_what_a_response_says_of_limits_is_kept():
    """That of an answer when its headers are there, that of a refusal with its body; the last one counts."""
    tried = attempt()
    assert tried.limits is None
    told = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}
    await tried.open(ScriptedUpstream(Script([b"a"], headers=told)))
    assert RateLimits(tokens=Allowance(remaining=0, reset=360.0)) == tried.limits
    tried.fault(400, {}, b"")
    assert tried.limits is None
    await tried.close()


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (429, {"retry-after": "Sun, 09 Sep 2001 01:47:00 GMT"}, b"", 20.0),
        (429, {}, b'{"error":{"message":"Please try again in 7s."}}', 7.0),
        (429, {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, b"", 360.0),
        (503, {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, b"", None),
        (503, {"retry-after": "3"}, b"", 3.0),
        (429, {}, b"", None),
    ],
)
def test_when_a_refused_account_may_be_asked_again(status, headers, body, expected):
    """As the provider says it, in whatever way; what is spent counts where that was the reason."""
    assert expected == attempt().fault(status, headers, body).retry_after


def test_the_provider_s_word_on_retries():
    """It is noted on the error, for those who decide."""
    told = [attempt().fault(500, {"x-should-retry": word}, b"").should_retry for word in ("true", "false", "")]
    assert [True, False, None] == told
