import pytest

from llmgw_simulator.routes import find
from llmgw_simulator.wire import Refusal


@pytest.mark.parametrize(
    ("method", "path", "headers", "expected"),
    [
        ("POST", "/v1/chat/completions", {}, ("chat", "generate", None, "")),
        ("POST", "/chat/completions", {}, ("chat", "generate", None, "")),
        ("POST", "/v1/messages", {}, ("messages", "generate", None, "")),
        ("POST", "/v1/models/a/b:generateContent", {}, ("gemini", "generate", "a/b", "generateContent")),
        ("POST", "/v1beta/models/g:streamGenerateContent", {}, ("gemini", "generate", "g", "streamGenerateContent")),
        ("GET", "/v1/models", {}, ("chat", "models", None, "")),
        ("GET", "/models/a/b", {}, ("chat", "models", "a/b", "")),
        ("GET", "/v1/models", {"anthropic-version": "x"}, ("messages", "models", None, "")),
        ("GET", "/v1/models", {"x-goog-api-key": "x"}, ("gemini", "models", None, "")),
        ("GET", "/v1beta/models", {}, ("gemini", "models", None, "")),
    ],
)
def test_paths_lead_to_dialects(method, path, headers, expected):
    """With model and action where the path names them."""
    route = find(method, path, headers, {})
    assert expected == (route.dialect.name, route.kind, route.model, route.action)


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("GET", "/v1/messages", 405)])
def test_other_requests_are_refused(method, path, status):
    """An unknown path, or a known one with another method."""
    with pytest.raises(Refusal) as caught:
        find(method, path, {}, {})
    assert status == caught.value.status
