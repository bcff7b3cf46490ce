import pytest

from llmgw_simulator.faults import Fault, FaultBook, Match, Rule, parse_fault, parse_rules


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("status=429", Fault(status=429)),
        ("status=429, retry-after=1.5", Fault(status=429, retry_after=1.5)),
        ("reset_bytes=10;late-headers", Fault(reset_bytes=10, late_headers=True)),
        ("message=try again", Fault(message="try again")),
        ('{"eof-events": 3}', Fault(eof_events=3)),
        ("", Fault()),
    ],
)
def test_a_fault_is_read_from_both_forms(text, expected):
    """Short and JSON form, hyphens and underscores."""
    assert expected == parse_fault(text)


@pytest.mark.parametrize("text", ["nonsense=1", "status=abc", "status=200", '{"status":', "[1]"])
def test_a_wrong_fault_is_refused(text):
    """A typing error must not pass as no fault at all."""
    with pytest.raises(ValueError):
        parse_fault(text)


def test_rules_are_read_one_or_many():
    """A rule needs a fault, which may have the short form; once is the default."""
    body = b'[{"fault": "status=500"}, {"fault": {"tps": 5}, "match": {"model": "a*"}, "times": null}]'
    expected = [Rule(Fault(status=500)), Rule(Fault(tps=5.0), Match(model="a*"), None)]
    assert expected == parse_rules(body)
    assert expected[:1] == parse_rules(b'{"fault": "status=500"}')


@pytest.mark.parametrize(
    "body", [b"{}", b"[1]", b'{"fault": "status=500", "times": 0}', b'{"fault": {}, "x": 1}', b"{"]
)
def test_a_wrong_rule_is_refused(body):
    """And its reason told."""
    with pytest.raises(ValueError):
        parse_rules(body)


def test_rules_are_used_in_order_and_used_up():
    """The oldest that matches counts down and goes; one without a count stays."""
    book = FaultBook()
    first, always = Fault(status=429), Fault(status=503)
    book.add(Rule(first, Match(credential="a"), 2))
    book.add(Rule(always, times=None))
    taken = [book.take(key, "m", "/p") for key in ("b", "a", "a", "a")]
    assert [always, first, first, always] == taken
    assert [Rule(always, times=None)] == book.rules
    book.clear()
    assert book.take("a", "m", "/p") is None


def test_all_patterns_of_a_match_must_fit():
    """Patterns are the shell's."""
    match = Match(credential="key-?", model="claude*", path="/v1/*")
    assert match.fits("key-1", "claude-x", "/v1/messages")
    assert not match.fits("key-1", "gpt", "/v1/messages")
    assert Match().fits("", "", "")


def test_the_first_cut_that_is_set_is_the_kind():
    """Reset goes before a clean end."""
    assert "reset" == Fault(eof_bytes=1, reset_events=2).cut_kind
    assert Fault(tps=1.0).cut_kind is None


def test_what_is_for_server_sent_events_alone():
    """Comments and padding; every other wish stands in any format."""
    fault = Fault(comments=1.0, huge_frame=9, trickle=2.0)
    assert fault is fault.on("text/event-stream; charset=utf-8")
    assert Fault(trickle=2.0) == fault.on("application/json")


def test_a_window_cannot_be_shut_by_a_rule():
    """It would come too late; the refusal says what to do instead."""
    with pytest.raises(ValueError, match="x-sim-fault"):
        parse_rules(b'{"fault": "no-window"}')
