import io

import msgspec
import pytest

from llmgw_affinity import Pin, Stay
from llmgw_domain import Catalog, Usage
from llmgw_relay.facts import AttemptEnded, CallOpened, CallSettled, SessionFacts, SessionPlaced
from llmgw_telemetry import LogStream, Metrics, Observer, Totals, text

CALL = {"call": "c1", "request_id": "r1", "at": 1.5, "tenant": "t", "key": "k", "dialect": "chat", "model": "gpt"}
SERVED = {"account": "acc", "provider": "openai", "target_model": "gpt-5"}
USAGE = Usage(uncached_input=10, cache_read=20, cache_write_5m=1, cache_write_1h=2, output=7, reasoning=3)


def opened(**fields):
    return CallOpened(**{**CALL, **SERVED, "attempt": 1, **fields})


def settled(**fields):
    base = {"stream": True, "outcome": "ok", "status": 200, "attempts": 1, "duration": 1.25}
    return CallSettled(**{**CALL, **base, **fields})


class Watched:
    """An observer with what it made."""

    def __init__(self, *, console=False, requests=True):
        self.metrics, self.stream = Metrics(), io.StringIO()
        self.log = LogStream(self.stream, console=console, requests=requests)
        self.observer = Observer(self.metrics, self.log)

    def line(self):
        return msgspec.json.decode(self.stream.getvalue())

    def samples(self, prefix):
        text = self.metrics.render().decode().splitlines()
        return [line for line in text if line.startswith(prefix)]


def test_a_served_call_is_one_line():
    """The line has every field of the call that has a value, in a fixed order, durations in milliseconds."""
    seen = Watched()
    fields = {"first_byte": 0.2, "overhead": 0.0005, "usage": USAGE, "finish": "stop", "bytes_sent": 5}
    more = {"client": "10.0.0.1", "user_agent": "x/1", "tags": "a", "lossy": ("seed",), "config_version": "v1"}
    seen.observer.append(settled(**SERVED, **fields, **more))
    expected = {
        "ts": "1970-01-01T00:00:01.500+00:00",
        "level": "info",
        "event": "request",
        "request_id": "r1",
        "tenant": "t",
        "key": "k",
        "dialect": "chat",
        "model": "gpt",
        "account": "acc",
        "provider": "openai",
        "target_model": "gpt-5",
        "stream": True,
        "status": 200,
        "outcome": "ok",
        "finish": "stop",
        "attempts": 1,
        "duration_ms": 1250.0,
        "first_byte_ms": 200.0,
        "overhead_ms": 0.5,
        "tokens_input": 10,
        "tokens_cache_read": 20,
        "tokens_cache_write": 3,
        "tokens_output": 7,
        "tokens_reasoning": 3,
        "bytes_sent": 5,
        "client": "10.0.0.1",
        "user_agent": "x/1",
        "tags": "a",
        "lossy": ["seed"],
        "config_version": "v1",
    }
    assert list(seen.line().items()) == list(expected.items())


def test_a_served_call_is_counted():
    """Requests, durations and tokens go up under the call's labels."""
    seen = Watched()
    seen.observer.append(settled(**SERVED, first_byte=0.2, overhead=0.0005, usage=USAGE))
    labels = 'dialect="chat",provider="openai",model="gpt"'
    assert seen.samples("gateway_requests_total") == [
        f'gateway_requests_total{{{labels},account="acc",outcome="ok"}} 1'
    ]
    assert seen.samples("gateway_request_seconds_sum") == [f"gateway_request_seconds_sum{{{labels}}} 1.25"]
    first = seen.samples("gateway_time_to_first_token_seconds_sum")
    assert first == [f"gateway_time_to_first_token_seconds_sum{{{labels}}} 0.2"]
    assert seen.samples("gateway_overhead_seconds_sum") == ["gateway_overhead_seconds_sum 0.0005"]
    assert seen.samples("gateway_tokens_total") == [
        'gateway_tokens_total{kind="input"} 10',
        'gateway_tokens_total{kind="cache_read"} 20',
        'gateway_tokens_total{kind="cache_write"} 3',
        'gateway_tokens_total{kind="output"} 7',
        'gateway_tokens_total{kind="reasoning"} 3',
    ]


def test_calls_in_flight_are_counted_once():
    """A call with two attempts is one in flight, until it is settled; one refused at once never was."""
    seen = Watched()
    for fact in (opened(), opened(attempt=2), opened(call="c2"), settled(call="c3")):
        seen.observer.append(fact)
    assert seen.samples("gateway_inflight") == ["gateway_inflight 2"]
    seen.observer.append(settled())
    assert (seen.samples("gateway_inflight"), repr(seen.observer)) == (["gateway_inflight 1"], "<Observer 1 in flight>")


@pytest.mark.parametrize(
    ("fields", "model"),
    [
        ({"error_code": "model_not_found", "status": 404}, "none"),
        ({"error_code": "no_available_account", "status": 503}, "gpt"),
        ({**SERVED, "error_code": "upstream_error", "status": 502}, "gpt"),
    ],
)
def test_a_name_that_only_the_client_knows_is_no_label(fields, model):
    """A model's name becomes a label once it is known to be configured; the log line always has it."""
    seen = Watched()
    seen.observer.append(settled(outcome="refused", **fields))
    [sample] = seen.samples("gateway_requests_total")
    assert (f'model="{model}"' in sample, seen.line()["model"]) == (True, "gpt")


@pytest.mark.parametrize(
    ("outcome", "status", "level"),
    [
        ("ok", 200, "info"),
        ("refused", 400, "info"),
        ("refused", 503, "warning"),
        ("failed", 200, "warning"),
        ("cancelled", 499, "info"),
    ],
)
def test_what_an_operator_should_look_at_is_a_warning(outcome, status, level):
    """Broken answers and our own refusals warn; a client's mistakes and departures do not."""
    seen = Watched()
    seen.observer.append(settled(outcome=outcome, status=status))
    assert seen.line()["level"] == level


def test_texts_of_others_are_redacted_and_bounded():
    """A credential in a client's or provider's text is masked, and no text is longer than 512 characters."""
    seen = Watched()
    texts = {"error_detail": "Bearer abcdefgh", "user_agent": "sk-12345678", "tags": "y" * 1000, "model": "\ud800"}
    seen.observer.append(settled(request_id="gw-0123456789abcdef0123", **texts))
    line = seen.line()
    got = (line["request_id"], line["error_detail"], line["user_agent"], len(line["tags"]), line["model"])
    assert got == ("gw-***", "Bearer ***", "sk-***", 512, "?")


def test_a_person_reads_one_plain_line():
    """The console form says what, where, how long, how much and why."""
    seen = Watched(console=True)
    seen.observer.append(settled(**SERVED, usage=USAGE, error_code="upstream_reset", error_detail="ECONNRESET"))
    what = "00:00:01.500  200  ok  chat  gpt -> acc/gpt-5  1250 ms  33 in (20 cached), 7 out"
    assert seen.stream.getvalue() == f"{what}  upstream_reset: ECONNRESET  r1\n"


def test_request_lines_can_be_turned_off():
    """Without request lines a call is still counted."""
    seen = Watched(requests=False)
    seen.observer.append(settled())
    assert (seen.stream.getvalue(), len(seen.samples("gateway_requests_total"))) == ("", 1)


def test_it_never_raises(caplog):
    """A fact that can't be recorded is itself logged, and the call goes on."""
    seen = Watched()
    seen.observer.append(settled(duration=None))
    assert caplog.messages == ["a call could not be recorded"]


def test_where_a_session_goes_is_no_call():
    """It is passed over: the call that it belongs to is counted once it is settled."""
    seen = Watched()
    stay = Stay(account="acc", since=1, node="n")
    pin = Pin(key="s", epoch=0, home=stay, current=stay)
    seen.observer.append(
        SessionPlaced(
            call="c1", at=1.5, tenant="t", key="k", session="s", model="m", pin=pin, reason="cold", moved=False
        )
    )
    assert ("", [], ["gateway_inflight 0"]) == (
        seen.stream.getvalue(),
        seen.samples("gateway_requests_total{"),
        seen.samples("gateway_inflight"),
    )


def test_the_catalog_has_one_version():
    """Only the served catalog's version is shown."""
    seen = Watched()
    seen.observer.catalog(Catalog.of(version="v1"))
    seen.observer.catalog(Catalog.of(version="v2"))
    assert seen.samples("gateway_catalog_version") == ['gateway_catalog_version{version="v2"} 1']


def test_accounts_are_read_when_asked():
    """Their states, error rates and calls, and the length of the queue, are shown as they are at the scrape."""
    seen, waiting = Watched(), []
    seen.observer.accounts(
        lambda: [(("a", "ok"), 1), (("b", "paused"), 1)], lambda: [(("b",), 0.25)], lambda: [(("a",), 2)]
    )
    seen.observer.queue(lambda: len(waiting))
    waiting += ["one", "two"]
    assert seen.samples("gateway_account") == [
        'gateway_account_state{account="a",state="ok"} 1',
        'gateway_account_state{account="b",state="paused"} 1',
        'gateway_account_error_rate{account="b"} 0.25',
        'gateway_account_leases{account="a"} 2',
    ]
    assert ["gateway_queue_depth 2"] == seen.samples("gateway_queue_depth")


def test_workers_accounts_are_one_view():
    """Of several workers the worst error rate counts, and the sum of their calls."""
    totals = Totals()
    for worker, rate in (("w0", 0.5), ("w1", 0.1)):
        seen = Watched()
        seen.observer.accounts(lambda: [(("a", "ok"), 1)], lambda rate=rate: [(("a",), rate)], lambda: [(("a",), 2)])
        totals.put(worker, seen.metrics.collect())
    lines = [line for line in text(totals.collect()).decode().splitlines() if line.startswith("gateway_account")]
    assert lines == [
        'gateway_account_state{account="a",state="ok"} 1',
        'gateway_account_error_rate{account="a"} 0.5',
        'gateway_account_leases{account="a"} 4',
    ]


def test_a_turn_of_a_session_has_its_line():
    """The line says which session, where it was served and why, how long it waited, and what its cache lost."""
    seen = Watched()
    turn = SessionFacts(
        key="5e", placement="moved", reason="waits_too_long", expected=900, observed=0, lost=950, cause="full"
    )
    seen.observer.append(settled(**SERVED, session=turn, queued=0.25))
    line = {
        "queued_ms": 250.0,
        "session": "5e",
        "placement": "moved",
        "reason": "waits_too_long",
        "cache_expected": 900,
        "cache_lost": 950,
        "cache_cause": "full",
    }
    assert list(line.items()) == [(name, value) for name, value in seen.line().items() if name in line]


def test_a_turn_that_lost_nothing_says_so_by_silence():
    """What there is none of is left out of the line: waiting, expected and lost tokens, the cause."""
    seen = Watched()
    turn = SessionFacts(key="5e", placement="new", reason="unknown", expected=0, observed=0)
    seen.observer.append(settled(**SERVED, session=turn))
    extra = {"session", "placement", "reason", "queued_ms", "cache_expected", "cache_lost", "cache_cause"}
    assert {"session": "5e", "placement": "new", "reason": "unknown"} == {
        name: value for name, value in seen.line().items() if name in extra
    }


def test_a_person_reads_where_a_session_went():
    """The console form names a turn's placement, its reason, and what was lost."""
    seen = Watched(console=True)
    turn = SessionFacts(key="5e", placement="moved", reason="gone", expected=900, observed=0, lost=950, cause="drain")
    seen.observer.append(settled(session=turn))
    end = "moved (gone)  950 cached tokens lost: drain  r1\n"
    assert seen.stream.getvalue().endswith(end), seen.stream.getvalue()


def test_retries_are_counted_by_their_cause():
    """What another attempt followed counts, by the error before it; what nothing followed is no retry."""
    seen = Watched()
    ended = AttemptEnded(
        call="c1",
        request_id="r1",
        at=1.5,
        tenant="t",
        key="k",
        account="acc",
        attempt=1,
        error_code="rate_limit_exceeded",
        retried=True,
    )
    seen.observer.append(ended)
    seen.observer.append(msgspec.structs.replace(ended, retried=False))
    assert ['gateway_retries_total{cause="rate_limit_exceeded"} 1'] == seen.samples("gateway_retries_total")


def test_waits_are_counted_for_those_that_waited():
    """A request that was served at once does not make the waits of others look short."""
    seen = Watched()
    seen.observer.append(settled())
    seen.observer.append(settled(queued=1.5))
    assert ["gateway_queued_seconds_count 1"] == seen.samples("gateway_queued_seconds_count")
    assert ["gateway_queued_seconds_sum 1.5"] == seen.samples("gateway_queued_seconds_sum")


def test_connections_are_read_when_asked():
    """Connections, the calls on them and their PINGs are shown as they are at the scrape."""
    seen, now, calls, pings = Watched(), {("http1", "https://a", "idle"): 1}, {("http2", "a"): 3}, {"answered": 4}
    seen.observer.connections(now.items, calls.items, lambda: pings)
    now["http2", "https://b", "leased"] = 2
    assert seen.samples("gateway_upstream_connections") == [
        'gateway_upstream_connections{transport="http1",origin="https://a",state="idle"} 1',
        'gateway_upstream_connections{transport="http2",origin="https://b",state="leased"} 2',
    ]
    assert ['gateway_upstream_leases{transport="http2",account="a"} 3'] == seen.samples("gateway_upstream_leases")
    assert ['gateway_pings_total{outcome="answered"} 4'] == seen.samples("gateway_pings_total")


def test_a_cost_that_nobody_knows_is_an_alarm():
    """A provider that bills and says nothing is counted, and its line is a warning."""
    seen = Watched()
    seen.observer.append(settled(**SERVED, unmetered=True))
    assert ("warning", True) == (seen.line()["level"], seen.line()["unmetered"])
    assert ['gateway_unmetered_requests_total{account="acc",model="gpt"} 1'] == seen.samples(
        "gateway_unmetered_requests_total{"
    )
