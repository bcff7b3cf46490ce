import msgspec

from llmgw_simulator.ask import Ask, Turn
from llmgw_simulator.calllog import CallLog, Tally
from llmgw_simulator.engine import decide
from llmgw_simulator.testing import incoming_of


def opened(log, serial, body=b"{}", credential="key", is_json=True):
    incoming = msgspec.structs.replace(incoming_of("/p", body), serial=serial)
    return log.open("chat", incoming, credential, "m", is_json)


def test_a_request_is_in_flight_until_it_is_settled_once():
    """The second outcome does not count."""
    log = CallLog(10, 1000)
    entry = opened(log, 1)
    assert (1, "in_flight") == (log.in_flight, entry.outcome)
    log.settle(entry, "served", 0.5)
    log.settle(entry, "client_closed", 0.7)
    assert (0, "served", 0.5) == (log.in_flight, entry.outcome, entry.seconds)
    assert {"key": Tally(1, 0, {"served": 1})} == log.credentials


def test_the_ring_is_bounded_in_entries():
    """The oldest go."""
    log = CallLog(2, 1000)
    for serial in (1, 2, 3):
        opened(log, serial)
    assert [2, 3] == [entry.id for entry in log.entries]


def test_the_ring_is_bounded_in_bytes_but_keeps_the_newest():
    """A body larger than the bound is still shown, alone."""
    log = CallLog(10, 10)
    for serial, body in ((1, b'"1234"'), (2, b'"1234"'), (3, b'"12345678901234"')):
        opened(log, serial, body)
    assert [3] == [entry.id for entry in log.entries]


def test_the_body_is_shown_as_json_or_as_text():
    """JSON is embedded as it came."""
    log = CallLog(10, 1000)
    opened(log, 1, b'{"a": 1}')
    opened(log, 2, b"\xff{", is_json=False)
    opened(log, 3, b"", is_json=False)
    shown = msgspec.json.decode(msgspec.json.encode(log.entries))
    assert [{"a": 1}, "\ufffd{", None] == [entry["body"] for entry in shown]


def test_clear_keeps_what_is_in_flight():
    """A request that ends after the clear is counted down once."""
    log = CallLog(10, 1000)
    entry = opened(log, log.next_serial())
    log.clear()
    assert ([], {}, 1) == (log.entries, log.credentials, log.in_flight)
    log.settle(entry, "served", 0.1)
    assert (0, 2) == (log.in_flight, log.next_serial())


def test_an_answer_is_charged_however_it_ends():
    """In its line of the ledger, and in the counts of its credential."""
    log, ask = CallLog(10, 1000), Ask(model="m", turns=(Turn("user", "Hello"),))
    answers = msgspec.structs.replace(decide(ask, 0), prompt_tokens=100, cached_tokens=60, written_tokens=30)
    entry = opened(log, 1)
    log.charge(entry, ask, answers)
    assert (1, 0) == (log.in_flight_of("key"), log.in_flight_of("other"))
    entry.status = 200
    log.settle(entry, "reset", 2.5)
    (line,) = log.ledger.after(0, 10)
    assert (200, "reset", 2.5, 100, 60) == (line.status, line.outcome, line.seconds, line.prompt, line.cached)
    tally = log.credentials["key"]
    assert (100, 60, 30, {200: 1}) == (tally.prompt_tokens, tally.cached_tokens, tally.written_tokens, tally.statuses)


def test_a_request_that_was_not_let_in_costs_nothing():
    """It has no line."""
    log = CallLog(10, 1000)
    log.settle(opened(log, 1), "refused", 0.1)
    assert [] == log.ledger.after(0, 10)
