import pytest

from llmgw_domain import Provider
from llmgw_protocols import TargetFacts, dialect_for, dialect_named, dialects


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
        ("anthropic", "claude-sonnet-4-5", "messages"),
        ("google", "gemini-2.5-flash", "gemini"),
        ("vertex", "gemini-2.5-flash", "gemini"),
        ("vertex", "claude-sonnet-4-5@20250929", "messages"),
    ],
)
def test_a_target_is_asked_in_its_provider_s_dialect(provider, model, name):
    """Vertex serves two makers' models, each in its maker's dialect."""
    assert name == dialect_for(TargetFacts(provider=Provider(provider), model=model)).name
