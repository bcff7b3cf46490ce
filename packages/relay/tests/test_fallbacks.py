import msgspec
import pytest

from llmgw_domain import Catalog, ClientKey, Model, Policy, Target
from llmgw_domain.errors import BadRequest, ContentRefused, ContextTooLong, NoAccount, RateLimited
from llmgw_domain.models import Fallback
from llmgw_domain.signals import Signal
from llmgw_relay.call import Admission
from llmgw_relay.fallbacks import Fallbacks
from llmgw_relay.testing import Script

from .test_exchange import BODY, STREAM, Bench, account, streamed

LONG = Fallback(model="long", on=frozenset({"context_too_long"}))
CALM = Fallback(model="calm", on=frozenset({"overloaded", "refused"}))
TOO_LONG = {"error": {"message": "too long", "type": "invalid_request_error", "code": "context_length_exceeded"}}


def model(name: str, *fallbacks: Fallback) -> Model:
    return Model(name=name, targets=(Target(pool=name, model=f"{name}-up"),), fallbacks=fallbacks)


def catalog(*fallbacks: Fallback, policy: Policy | None = None) -> Catalog:
    """Models `gpt`, `long` and `calm`, with an account each; the first one has the fallbacks."""
    return Catalog.of(
        version="v",
        accounts=[account(f"at-{name}", pool=name) for name in ("gpt", "long", "calm")],
        models=[model("gpt", *fallbacks), model("long", CALM), model("calm")],
        keys=[ClientKey(id="k", tenant="t", digest=ClientKey.digest_of("key"))],
        policies=[policy] if policy else [],
    )


def fallbacks(*named: Fallback, policy: Policy | None = None) -> Fallbacks:
    made = catalog(*named)
    key = ClientKey(id="k", tenant="t", digest=b"")
    return Fallbacks(Admission(catalog=made, key=key, policy=policy or Policy()), made.models["gpt"])


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ContextTooLong(), "long"),
        (RateLimited(), "calm"),
        (NoAccount(), "calm"),
        (ContentRefused(), "calm"),
        (BadRequest(), None),
    ],
)
def test_the_cause_decides_which_one(error, expected):
    """What no other model would answer either goes to none."""
    instead = fallbacks(LONG, CALM).after(error)
    assert expected == (instead and instead.model)


def test_each_is_asked_once_and_in_order():
    """Whatever fails in between."""
    left = fallbacks(LONG, CALM)
    assert left.help("overloaded")
    assert "calm" == left.after(RateLimited()).model
    assert not left.help("overloaded")
    assert left.after(RateLimited()) is None
    assert "long" == left.after(ContextTooLong()).model
    assert left.after(ContextTooLong()) is None


def test_one_that_leads_nowhere_or_back_or_is_not_allowed_is_left_out():
    """The next one of the list is asked."""
    again = Fallback(model="gpt", on=frozenset({"overloaded"}))
    gone = Fallback(model="gone", on=frozenset({"overloaded"}))
    assert "calm" == fallbacks(again, gone, CALM).after(RateLimited()).model
    assert fallbacks(CALM, policy=Policy(models=("gpt",))).after(RateLimited()) is None


# --- in a call --------------------------------------------------------------------------------------------------------


def refusing(status: int, body=None) -> Script:
    return Script([msgspec.json.encode(body or {"error": {"message": "no", "type": "t"}})], status=status)


@pytest.mark.parametrize(
    ("first", "expected"),
    [(refusing(400, TOO_LONG), b"at-long"), (refusing(503), b"at-calm"), (refusing(401), b"at-calm")],
)
async def test_a_call_goes_on_at_another_model(first, expected):
    """Its client sees an answer; what it asked for and what it got are in the record and the headers."""
    bench = Bench(first, Script([BODY]), on=catalog(LONG, CALM), max_attempts=1)
    status, headers, _ = await bench.run()
    assert (200, expected, b"2") == (status, headers[b"x-gw-account"], headers[b"x-gw-attempts"])
    assert "gpt" == bench.facts.settled[0].model
    choice = bench.facts.opened[1].choice
    assert (expected.decode(), f"at-{choice.model}") == (bench.facts.opened[1].account, expected.decode())
    assert choice.cause in ("context_too_long", "overloaded")
    bench.assert_nothing_left()


async def test_its_attempts_are_counted_anew():
    """The other model may be asked as often as the first."""
    bench = Bench(*[refusing(500)] * 2, Script([BODY]), on=catalog(CALM), max_attempts=1)
    bench.upstream.scripts = [refusing(500), Script([BODY])]
    status, *_ = await bench.run()
    assert 200 == status


async def test_where_all_fail_the_client_is_told_of_the_last():
    """In its own dialect, once."""
    bench = Bench(refusing(400, TOO_LONG), refusing(529), on=catalog(LONG, CALM))
    status, headers, _ = await bench.run()
    assert (503, b"at-calm") == (status, headers[b"x-gw-account"])
    assert ["at-gpt", "at-long", "at-calm"] == [opened.account for opened in bench.facts.opened]
    bench.assert_nothing_left()


async def test_nothing_falls_back_once_the_client_has_a_part():
    """A stream that breaks ends as one."""
    bench = Bench(Script(STREAM[:2]), Script(STREAM), on=catalog(CALM))
    await bench.run(streamed())
    assert ["at-gpt"] == [opened.account for opened in bench.facts.opened]


async def test_where_nobody_serves_the_first_it_is_not_waited_for_long():
    """A pool that pauses for longer than `fallback_wait_seconds` is left for the other model."""
    on = catalog(CALM)
    bench = Bench(Script([BODY]), on=on, max_wait_seconds=30.0)
    pause = Signal(verdict="pause", whole=True, seconds=20.0, reason="requests")
    bench.balancer.hear(next(iter(on.route("gpt", Policy()))), pause)
    status, headers, _ = await bench.run()
    assert (200, b"at-calm") == (status, headers[b"x-gw-account"])


async def test_a_call_whose_time_is_over_asks_nobody_else():
    """Its client has left, or does so now."""
    bench = Bench(refusing(400, TOO_LONG), Script([BODY]), on=catalog(LONG))
    async with bench.relay.open(bench.relay.admit("key"), bench.call(timeout=4.5)) as reply:
        assert 400 == reply.status
    assert ["at-gpt"] == [opened.account for opened in bench.facts.opened]
