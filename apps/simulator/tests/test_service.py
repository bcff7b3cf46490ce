import msgspec
import pytest

from llmgw_simulator.config import SimulatorConfig
from llmgw_simulator.faults import Fault, Match, Rule
from llmgw_simulator.script import Close, Open, Pace, Send
from llmgw_simulator.service import Service
from llmgw_simulator.testing import KEYS, incoming_of, request_of


@pytest.fixture
def service():
    return Service(SimulatorConfig())


def received(service, dialect, text="Hello", stream=False, headers=None, **more):
    path, body = request_of(dialect, text, stream=stream, **more)
    entry, performance = service.receive(incoming_of(path, body, {**KEYS[dialect], **(headers or {})}))
    steps = list(performance.steps)
    return entry, performance, steps, b"".join(step.data for step in steps if isinstance(step, Send))


@pytest.mark.parametrize("dialect", list(KEYS))
def test_an_answer_is_logged_and_scripted(service, dialect):
    """The entry tells who asked what; the script is headers, body, end."""
    entry, performance, steps, body = received(service, dialect)
    assert (dialect, "key-1", "in_flight") == (entry.dialect, entry.credential, entry.outcome)
    assert (200, False) == (performance.status, performance.streams)
    assert [Open, Send, Close] == [type(step) for step in steps]
    assert b"You said: Hello" in body


@pytest.mark.parametrize("dialect", list(KEYS))
def test_a_stream_is_marked(service, dialect):
    """In the log and for the transport."""
    entry, performance, steps, _ = received(service, dialect, stream=True)
    assert (True, True) == (entry.stream, performance.streams)
    assert len(steps) > 5


@pytest.mark.parametrize("dialect", list(KEYS))
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 503, 529])
def test_a_status_fault_gives_the_providers_error(service, dialect, status):
    """In the provider's envelope, with the words and the time that were asked for."""
    wish = f"status={status},message=so it is,retry-after=3"
    entry, performance, _, body = received(service, dialect, headers={"x-sim-fault": wish})
    assert (status, status) == (performance.status, entry.fault.status)
    told = msgspec.json.decode(body)
    assert "so it is" == told.get("error", told)["message"]
    if "retryDelay" in body.decode():
        assert b'"retryDelay":"3s"' in body
    else:
        assert "3" == performance.headers["retry-after"]


def test_a_rule_hits_the_requests_that_match(service):
    """And no other, as often as it says."""
    service.faults.add(Rule(Fault(status=503), Match(credential="key-1", model="sim/g*", path="*completions")))
    statuses = [received(service, dialect)[1].status for dialect in ("messages", "chat", "chat")]
    assert [200, 503, 200] == statuses


def test_the_header_goes_before_rules(service):
    """And does not use them up."""
    service.faults.add(Rule(Fault(status=503)))
    assert 429 == received(service, "chat", headers={"x-sim-fault": "status=429"})[1].status
    assert 503 == received(service, "chat")[1].status


def test_a_wrong_fault_header_is_refused(service):
    """With 400 and the reason."""
    _, performance, _, body = received(service, "chat", headers={"x-sim-fault": "statsu=429"})
    assert 400 == performance.status
    assert b"statsu" in body


def test_faults_set_the_pace():
    """Over that of the server."""
    service = Service(SimulatorConfig(pace=Pace(ttft=5.0)))
    assert 5.0 == received(service, "chat")[2][0].at
    assert 1.0 == received(service, "chat", headers={"x-sim-fault": "ttft=1"})[2][0].at


@pytest.mark.parametrize("dialect", list(KEYS))
def test_a_whole_answer_can_be_malformed_or_an_error(service, dialect):
    """With status 200, which is what makes it a fault."""
    _, performance, _, body = received(service, dialect, headers={"x-sim-fault": "malformed-events=0"})
    assert 200 == performance.status
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(body)
    _, performance, _, body = received(service, dialect, headers={"x-sim-fault": "error-events=0"})
    assert (200, True) == (performance.status, not {"error", "message"}.isdisjoint(msgspec.json.decode(body)))


def test_models_are_listed_with_a_key_only(service):
    """In each shape, by the headers that the SDKs send."""
    shapes = [
        ("/v1/models", "chat", "data"),
        ("/v1/models", "messages", "data"),
        ("/v1beta/models", "gemini", "models"),
    ]
    for path, dialect, field in shapes:
        performance = service.receive(incoming_of(path, None, KEYS[dialect], "GET"))[1]
        listed = msgspec.json.decode(list(performance.steps)[1].data)
        assert len(service.config.models) == len(listed[field])
    assert 401 == service.receive(incoming_of("/v1/models", None, {}, "GET"))[1].status


def test_an_unknown_path_is_logged_and_refused(service):
    """A gateway that calls a wrong path shows."""
    entry, performance = service.receive(incoming_of("/v2/x", {}, {"authorization": "Bearer k"}))
    assert (404, "/v2/x", "k") == (performance.status, entry.path, entry.credential)


@pytest.mark.parametrize("dialect", list(KEYS))
@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'{"model": "\xff"}', b'{"model": 3}', b"null"])
def test_what_is_no_request_is_refused(service, dialect, body):
    """With 400, and shown in the log as text or JSON, whichever it is."""
    path, _ = request_of(dialect, "x")
    entry, performance = service.receive(incoming_of(path, body, KEYS[dialect]))
    assert 400 == performance.status
    assert msgspec.json.encode(entry)


def test_a_body_over_the_limit_is_refused_in_the_dialect(service):
    """With 413, on a known path and on an unknown one."""
    for path, dialect in (("/v1/messages", "messages"), ("/v2/x", "chat")):
        entry, performance = service.too_large(incoming_of(path, None, KEYS["messages"]))
        assert (413, dialect) == (performance.status, entry.dialect)


def test_stream_and_whole_answer_agree(service):
    """Streaming changes the form, not the answer."""
    whole = msgspec.json.decode(received(service, "chat")[3])
    frames = received(service, "chat", stream=True)[3].split(b"\n\n")[:-2]
    chunks = [msgspec.json.decode(frame.removeprefix(b"data: ")) for frame in frames]
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    assert (whole["id"], whole["choices"][0]["message"]["content"]) == (chunks[0]["id"], text)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
def test_a_long_prompt_is_cached_for_its_credential(service, path):
    """Under OpenAI's rules; the answer says how much of it."""
    text = "word " * 2000
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}
    if path == "/v1/responses":
        body = {"model": "gpt-4o", "input": text}

    def cached(key):
        _, performance = service.receive(incoming_of(path, body, {"authorization": f"Bearer {key}"}))
        raw = b"".join(step.data for step in performance.steps if isinstance(step, Send))
        usage = msgspec.json.decode(raw)["usage"]
        return (usage.get("prompt_tokens_details") or usage["input_tokens_details"])["cached_tokens"]

    first, second, other = cached("key-1"), cached("key-1"), cached("key-2")
    assert (0, True, 0) == (first, second > 2000, other)
    assert 0 == second % 128


def test_a_broken_stream_of_responses_goes_on_counting(service):
    """Its failure has the number after the last event's, and the response's id."""
    headers = {**KEYS["chat"], "x-sim-fault": "error-events=4"}
    body = {"model": "gpt-4o", "input": "Hi", "stream": True}
    _, performance = service.receive(incoming_of("/v1/responses", body, headers))
    frames = [step.data for step in performance.steps if isinstance(step, Send)]
    first, last = (msgspec.json.decode(frame.split(b"\ndata: ")[1]) for frame in (frames[0], frames[-1]))
    assert (5, 4, "response.failed") == (len(frames), last["sequence_number"], last["type"])
    assert first["response"]["id"] == last["response"]["id"]
