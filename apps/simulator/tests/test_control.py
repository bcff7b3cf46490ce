import msgspec
import pytest

from llmgw_simulator.config import SimulatorConfig
from llmgw_simulator.connections import Connections
from llmgw_simulator.control import Control
from llmgw_simulator.service import Service
from llmgw_simulator.testing import KEYS, incoming_of, request_of


@pytest.fixture
def service():
    return Service(SimulatorConfig())


def asked(service, method, path, query=None, body=b""):
    answer = Control(service, Connections()).answer(method, path, query or {}, body)
    return answer.status, msgspec.json.decode(answer.body)


def call(service, text, key):
    path, body = request_of("chat", text)
    incoming = incoming_of(path, body, {"authorization": f"Bearer {key}"})
    service.receive(msgspec.structs.replace(incoming, serial=service.log.next_serial()))


def test_the_log_tells_who_asked_what(service):
    """Requests in order with their bodies, and counts by credential."""
    call(service, "one", "a")
    call(service, "two", "b")
    status, log = asked(service, "GET", "/_sim/log")
    assert (200, 2) == (status, log["in_flight"])
    assert ["one", "two"] == [entry["body"]["messages"][0]["content"] for entry in log["requests"]]
    assert 1 == log["credentials"]["a"]["requests"]


def test_the_log_can_be_narrowed(service):
    """By credential, and to the last ones."""
    for text, key in (("one", "a"), ("two", "b"), ("three", "b")):
        call(service, text, key)
    found = asked(service, "GET", "/_sim/log", {"credential": "b", "limit": "1"})[1]["requests"]
    assert ["three"] == [entry["body"]["messages"][0]["content"] for entry in found]
    assert 400 == asked(service, "GET", "/_sim/log", {"limit": "x"})[0]


def test_the_log_can_be_cleared(service):
    """To start a test with an empty one."""
    call(service, "one", "a")
    assert 200 == asked(service, "DELETE", "/_sim/log")[0]
    assert [] == asked(service, "GET", "/_sim/log")[1]["requests"]


def test_faults_are_set_shown_and_cleared(service):
    """A rule works on the next request."""
    rule = b'{"match": {"model": "sim/gpt"}, "fault": "status=503"}'
    expected = [{"fault": {"status": 503}, "match": {"model": "sim/gpt"}}]
    assert (200, {"rules": expected}) == asked(service, "POST", "/_sim/faults", body=rule)
    assert {"rules": expected} == asked(service, "GET", "/_sim/faults")[1]
    path, body = request_of("chat", "x")
    assert 503 == service.receive(incoming_of(path, body, KEYS["chat"]))[1].status
    asked(service, "POST", "/_sim/faults", body=rule)
    assert {"rules": []} == asked(service, "DELETE", "/_sim/faults")[1]


@pytest.mark.parametrize("body", [b"", b"{}", b'{"fault": "x=1"}', b"\xff", b'{"fault": {"status": "a"}}'])
def test_a_wrong_rule_is_refused_with_its_reason(service, body):
    """With 400 and without an effect."""
    status, answer = asked(service, "POST", "/_sim/faults", body=body)
    assert (400, True) == (status, bool(answer["error"]))
    assert [] == service.faults.rules


def test_accounts_are_set_shown_and_cleared(service):
    """A setting works on the next request, and what each credential was answered is counted."""
    setting = b'{"credential": "a", "down": 503}'
    assert (200, [{"credential": "a", "down": 503}]) == (
        (answer := asked(service, "POST", "/_sim/accounts", body=setting))[0],
        answer[1]["settings"],
    )
    call(service, "one", "a")
    assert 1 == asked(service, "GET", "/_sim/accounts")[1]["credentials"]["a"]["requests"]
    assert [] == asked(service, "DELETE", "/_sim/accounts")[1]["settings"]
    status, answer = asked(service, "POST", "/_sim/accounts", body=b'{"credential": "a", "down": 200}')
    assert (400, True, []) == (status, bool(answer["error"]), service.admission.accounts.settings)


def test_trouble_of_some_seconds_begins_when_it_is_set():
    """By the clock of the world, times the time scale."""
    service = Service(SimulatorConfig(time_scale=10.0))
    control = Control(service, Connections(), clock=lambda: 1e9 - 1.0)
    path, body = request_of("chat", "x")
    statuses = []
    for seconds in (20, 5):
        control.answer("POST", "/_sim/accounts", {}, b'{"credential": "*", "down": 503, "seconds": %d}' % seconds)
        statuses.append(service.receive(incoming_of(path, body, KEYS["chat"]))[1].status)
    assert [503, 200] == statuses


def test_the_ledger_tells_what_it_all_cost(service):
    """In lines behind the last that the reader has, with the names of their fields."""
    for text in ("one", "two", "three"):
        call(service, text, "a")
    first = asked(service, "GET", "/_sim/ledger", {"limit": "2"})[1]
    lines = [dict(zip(first["fields"], line, strict=True)) for line in first["lines"]]
    assert [("a", "sim/gpt", 1)] * 2 == [(line["credential"], line["model"], line["turn"]) for line in lines]
    assert 1 == len(asked(service, "GET", "/_sim/ledger", {"after": str(lines[-1]["id"])})[1]["lines"])


def test_other_control_paths_do_not_exist(service):
    """But for the health check."""
    assert 404 == asked(service, "GET", "/_sim/other")[0]
    assert (200, {"status": "ok"}) == asked(service, "GET", "/_sim/health")
