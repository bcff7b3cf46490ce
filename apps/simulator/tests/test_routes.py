import pytest

from llmgw_simulator.routes import find
from llmgw_simulator.wire import Refusal

PLACE = "projects/p/locations/l/publishers"


@pytest.mark.parametrize(
    ("method", "path", "headers", "expected"),
    [
        ("POST", "/v1/chat/completions", {}, ("chat", "generate", None, "")),
        ("POST", "/chat/completions", {}, ("chat", "generate", None, "")),
        ("POST", "/v1/messages", {}, ("messages", "generate", None, "")),
        ("POST", "/v1/models/a/b:generateContent", {}, ("gemini", "generate", "a/b", "generateContent")),
        ("POST", "/v1beta/models/g:streamGenerateContent", {}, ("gemini", "generate", "g", "streamGenerateContent")),
        ("POST", "/v1beta/models/g:batchEmbedContents", {}, ("gemini", "generate", "g", "batchEmbedContents")),
        ("POST", "/v1/messages/count_tokens", {}, ("messages", "generate", None, "count_tokens")),
        ("POST", "/model/arn:aws:x/y/converse-stream", {}, ("bedrock", "generate", "arn:aws:x/y", "converse-stream")),
        ("POST", f"/v1beta1/{PLACE}/google/models/g:predict", {}, ("vertex", "generate", "g", "predict")),
        (
            "POST",
            f"/v1/{PLACE}/anthropic/models/c@1:rawPredict",
            {},
            ("vertex-claude", "generate", "c@1", "rawPredict"),
        ),
        ("POST", "/v1/publishers/google/models/g:countTokens", {}, ("vertex", "generate", "g", "countTokens")),
        ("POST", "/token", {}, ("oauth", "generate", None, "")),
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


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/v1/messages", 405),
        ("GET", "/model/x/converse", 405),
        ("POST", f"/v1/{PLACE}/google/models/g:rawPredict", 404),
    ],
)
def test_other_requests_are_refused(method, path, status):
    """An unknown path, or a known one with another method."""
    with pytest.raises(Refusal) as caught:
        find(method, path, {}, {})
    assert status == caught.value.status
