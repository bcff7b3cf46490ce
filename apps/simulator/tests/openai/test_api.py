import msgspec
import pytest

from llmgw_simulator.config import SimulatorConfig
from llmgw_simulator.dialects.azure import Azure
from llmgw_simulator.openai.api import OpenAI
from llmgw_simulator.script import Open, Send
from llmgw_simulator.service import Service
from llmgw_simulator.testing import incoming_of
from llmgw_simulator.wire import Refusal, Reply

API = OpenAI(0, lambda path, body, owner: Reply(200, {}, b""))
KEY = {"authorization": "Bearer key-1"}
VERSION = {"api-version": "2025-04-01-preview"}


def received(service, path, body=None, headers=KEY, method="POST"):
    entry, performance = service.receive(incoming_of(path, body, headers, method))
    steps = list(performance.steps)
    return entry, performance, b"".join(step.data for step in steps if isinstance(step, Send)), steps[0]


@pytest.mark.parametrize("prefix", ["/v1", ""])
@pytest.mark.parametrize(
    ("method", "path", "kind", "name"),
    [
        ("POST", "/responses", "generate", ""),
        ("POST", "/completions", "generate", ""),
        ("POST", "/responses/input_tokens", "endpoint", "responses"),
        ("GET", "/responses/resp_1", "endpoint", "responses"),
        ("GET", "/responses/resp_1/input_items", "endpoint", "responses"),
        ("POST", "/embeddings", "endpoint", "embeddings"),
        ("GET", "/files/file-1/content", "endpoint", "files"),
        ("POST", "/batches/batch_1/cancel", "endpoint", "batches"),
    ],
)
def test_paths(prefix, method, path, kind, name):
    """With and without the version."""
    found = API.find(method, prefix + path, {})
    assert (kind, name) == (found.kind, found.name)


def test_other_paths_are_others():
    """And known ones want their method."""
    assert None is API.find("POST", "/v1/chat/completions", {})
    assert None is API.find("GET", "/v1/models", {})
    for method, path in (("GET", "/v1/responses"), ("PUT", "/v1/files/file-1"), ("GET", "/v1/embeddings")):
        with pytest.raises(Refusal) as refused:
            API.find(method, path, {})
        assert 405 == refused.value.status


@pytest.mark.parametrize(
    ("path", "query", "kind", "model"),
    [
        ("/openai/v1/chat/completions", {}, "generate", None),
        ("/openai/v1/responses", {}, "generate", None),
        ("/openai/v1/files", {}, "endpoint", None),
        ("/openai/responses", VERSION, "generate", None),
        ("/openai/deployments/dep/chat/completions", VERSION, "generate", "dep"),
        ("//openai/deployments/dep/completions", VERSION, "generate", "dep"),
        ("/openai/deployments/dep/embeddings", VERSION, "endpoint", "dep"),
        ("/openai/deployments/dep/audio/speech", VERSION, "endpoint", "dep"),
    ],
)
def test_paths_on_azure(path, query, kind, model):
    """With the deployment in the path, or without."""
    found = API.find("POST", path, query)
    assert (kind, model, True) == (found.kind, found.model, isinstance(found.dialect, Azure))


@pytest.mark.parametrize(
    "path",
    [
        "/openai/deployments/dep/chat/completions",
        "/openai/responses",
        "/openai/deployments/dep/responses?api-version=1",
        "/openai/nothing?api-version=1",
    ],
)
def test_azure_wants_a_version_and_a_path_that_it_knows(path):
    """Else there is no such resource."""
    _, performance, body, _ = received(Service(SimulatorConfig()), path, {}, {"api-key": "k"})
    assert (404, {"error": {"code": "404", "message": "Resource not found"}}) == (
        performance.status,
        msgspec.json.decode(body),
    )


def test_endpoints_are_logged_and_have_the_providers_headers():
    """By the name of the resource."""
    service = Service(SimulatorConfig())
    entry, performance, _, _ = received(service, "/v1/embeddings", {"model": "m", "input": "x"})
    assert ("embeddings", "m", "key-1") == (entry.dialect, entry.model, entry.credential)
    assert performance.headers["x-request-id"].startswith("req_")
    assert 401 == received(service, "/v1/files", method="GET", headers={})[1].status


def test_faults_and_timing_hold_for_endpoints():
    """Errors, cuts, and the time that an answer takes."""
    service = Service(SimulatorConfig())
    body = {"model": "m", "input": "x"}

    def spoilt(wish, path="/v1/embeddings", body=body):
        return received(service, path, body, {**KEY, "x-sim-fault": wish})

    assert 503 == spoilt("status=503")[1].status
    assert b'"error"' in spoilt("error-events=0")[2]
    assert 10 == len(spoilt("fin-bytes=10")[2])
    assert 3.0 == spoilt("ttft=3")[3].at
    speech = {"model": "tts-1", "input": "Hello over there", "voice": "alloy"}
    assert 1.0 == spoilt("ttft=1,tps=1", "/v1/audio/speech", speech)[3].at
    assert isinstance(spoilt("eof-events=1", "/v1/audio/speech", speech)[3], Open)
    assert b'"error"' in spoilt("error-events=1", "/v1/audio/speech", speech | {"stream_format": "sse"})[2]
