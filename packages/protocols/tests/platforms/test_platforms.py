import pytest

from llmgw_domain import Provider
from llmgw_protocols import Rendered, TargetFacts, place


@pytest.mark.parametrize("provider", ["openai", "openai-compatible", "anthropic", "google", "bedrock"])
@pytest.mark.parametrize("dialect", ["chat", "responses", "messages", "gemini", "converse"])
def test_a_maker_s_own_platform_takes_its_dialect_as_it_is(provider, dialect):
    """Nothing is moved for OpenAI, Anthropic, Google AI Studio, and Bedrock, whose dialect is its own."""
    rendered = Rendered(path="/chat/completions", body=b"{}")
    facts = TargetFacts(provider=Provider(provider), model="m")
    assert rendered is place(rendered, dialect, facts, stream=True)


@pytest.mark.parametrize(
    ("provider", "dialect", "path", "expected"),
    [
        ("azure", "chat", "/chat/completions", "/openai/v1/chat/completions"),
        ("azure", "responses", "/responses", "/openai/v1/responses"),
        ("vertex", "gemini", "/v1/models/m:generateContent", "/v1/publishers/google/models/m:generateContent"),
        ("vertex", "messages", "/v1/messages", "/v1/publishers/anthropic/models/m:rawPredict"),
    ],
)
def test_a_cloud_has_paths_of_its_own(provider, dialect, path, expected):
    """Azure and Vertex, by the dialect that the request is in."""
    facts = TargetFacts(provider=Provider(provider), model="m")
    assert expected == place(Rendered(path=path, body=b"{}"), dialect, facts, stream=False).path
