import pytest

from llmgw_domain import Provider
from llmgw_protocols import TargetFacts, dialect_for, dialect_named, dialects, registry


@pytest.mark.parametrize("name", ["chat", "completions", "messages", "gemini"])
def test_dialects_are_found_by_their_name(name):
    """Each dialect is registered under the name that it calls itself."""
    assert dialect_named(name).name == name
    assert dialect_named(name) in dialects()


def test_an_unknown_name_is_a_key_error():
    """Asking for a dialect that is not there fails at once."""
    with pytest.raises(KeyError):
        dialect_named("smoke signals")


@pytest.mark.parametrize(
    ("provider", "model", "name"),
    [
        ("openai", "gpt-4.1", "chat"),
        ("azure", "gpt-4.1", "chat"),
        ("openai-compatible", "llama", "chat"),
        ("anthropic", "claude-sonnet-4-5", "messages"),
        ("google", "gemini-2.5-flash", "gemini"),
        ("bedrock", "us.amazon.nova-pro-v1:0", "converse"),
        ("vertex", "gemini-2.5-flash", "gemini"),
        ("vertex", "claude-sonnet-4-5@20250929", "messages"),
    ],
)
def test_a_target_is_asked_in_its_provider_s_dialect(provider, model, name):
    """Vertex serves two makers' models, each in its maker's dialect."""
    assert name == dialect_for(TargetFacts(provider=Provider(provider), model=model)).name


class Named:
    """A dialect of which only the name matters here."""

    def __init__(self, name):
        self.name = name


@pytest.fixture
def family(monkeypatch):
    """All of OpenAI's dialects, whichever this tree has."""
    for name in ("responses", "completions"):
        monkeypatch.setitem(registry._BY_NAME, name, Named(name))


@pytest.mark.parametrize("provider", ["openai", "azure", "openai-compatible"])
@pytest.mark.parametrize(
    ("api", "client", "name"),
    [
        ("auto", "chat", "chat"),
        ("auto", "responses", "responses"),
        ("auto", "completions", "completions"),
        ("auto", "messages", "chat"),
        ("auto", "", "chat"),
        ("chat", "responses", "chat"),
        ("chat", "completions", "chat"),
        ("chat", "gemini", "chat"),
        ("responses", "chat", "responses"),
        ("responses", "completions", "responses"),
        ("responses", "messages", "responses"),
    ],
)
def test_openai_s_family_is_asked_in_the_client_s_own_or_the_configured_one(family, provider, api, client, name):
    """A target's `api` is binding; `auto` keeps a client on its own API and asks for all others in chat."""
    assert name == dialect_for(TargetFacts(provider=Provider(provider), model="m"), api, client).name


@pytest.mark.parametrize("provider", ["anthropic", "google", "vertex"])
def test_other_providers_have_one_api(family, provider):
    """A client of OpenAI's dialects changes nothing at a provider that has none of them."""
    facts = TargetFacts(provider=Provider(provider), model="m")
    assert dialect_for(facts) is dialect_for(facts, "auto", "responses")


@pytest.mark.parametrize(
    ("model", "client", "name"),
    [
        ("gpt-5.1-codex", "messages", "responses"),
        ("o3-pro-2025-06-10", "gemini", "responses"),
        ("gpt-5-pro", "messages", "responses"),
        ("o4-mini-deep-research", "messages", "responses"),
        ("gpt-5-pro", "chat", "chat"),
        ("gpt-5", "messages", "chat"),
        ("pro-gpt", "messages", "chat"),
    ],
)
def test_a_model_that_only_responses_has_is_asked_there(family, model, client, name):
    """Translated requests go where the model is; a chat client's own request stays on chat."""
    assert name == dialect_for(TargetFacts(provider=Provider.OPENAI, model=model), "auto", client).name
    assert "chat" == dialect_for(TargetFacts(provider=Provider.OPENAI_COMPATIBLE, model=model), "auto", client).name


def test_chat_is_what_the_whole_family_has(monkeypatch):
    """A dialect that is not listed is asked for in chat."""
    monkeypatch.delitem(registry._BY_NAME, "completions", raising=False)
    assert "chat" == dialect_for(TargetFacts(provider=Provider.OPENAI, model="m"), "auto", "completions").name
