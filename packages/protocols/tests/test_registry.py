import pytest

from llmgw_domain import Provider
from llmgw_domain.chat import ChatRequest, File, Reasoning, Remote, Tool, ToolResult, Turn
from llmgw_domain.servers import Server
from llmgw_protocols import TargetFacts, dialect_for, dialect_named, dialects


@pytest.mark.parametrize("name", ["chat", "responses", "completions", "messages", "gemini"])
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


@pytest.mark.parametrize("provider", ["openai", "azure", "openai-compatible"])
@pytest.mark.parametrize(
    ("api", "client", "name"),
    [
        ("auto", "chat", "chat"),
        ("auto", "responses", "responses"),
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
def test_openai_s_family_is_asked_in_the_client_s_own_or_the_configured_one(provider, api, client, name):
    """A target's `api` is binding; `auto` keeps a client on its own API and asks for all others in chat."""
    assert name == dialect_for(TargetFacts(provider=Provider(provider), model="m"), api, client).name


@pytest.mark.parametrize("provider", ["anthropic", "google", "vertex"])
def test_other_providers_have_one_api(provider):
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
        ("gpt-5-pro", "chat", "responses"),
        ("gpt-5", "messages", "chat"),
        ("pro-gpt", "messages", "chat"),
    ],
)
def test_a_model_that_only_responses_has_is_asked_there(model, client, name):
    """Whoever asks: a chat client's request would be refused where the model is not."""
    assert name == dialect_for(TargetFacts(provider=Provider.OPENAI, model=model), "auto", client).name
    assert "chat" == dialect_for(TargetFacts(provider=Provider.OPENAI_COMPATIBLE, model=model), "auto", client).name


@pytest.mark.parametrize(
    ("provider", "model", "name"),
    [
        ("openai", "gpt-3.5-turbo-instruct", "completions"),
        ("openai", "gpt-4.1", "chat"),
        ("azure", "davinci-002", "completions"),
        ("azure", "gpt-4.1", "chat"),
        ("openai-compatible", "llama-3", "completions"),
        ("anthropic", "claude-sonnet-4-5", "messages"),
    ],
)
def test_completions_are_asked_for_where_they_exist(provider, model, name):
    """OpenAI's chat models have none, so a chat stands in."""
    assert name == dialect_for(TargetFacts(provider=Provider(provider), model=model), "auto", "completions").name


@pytest.mark.parametrize(
    ("model", "tools", "effort", "name"),
    [
        ("gpt-5.4", True, "high", "responses"),
        ("gpt-5.4", True, None, "chat"),
        ("gpt-5.4", False, "high", "chat"),
        ("gpt-5.2", True, "high", "chat"),
    ],
)
def test_tools_beside_reasoning_need_responses(model, tools, effort, name):
    """Newer models of OpenAI's refuse the two together in chat; nothing is parsed for the others."""
    request = ChatRequest(
        model="m",
        turns=(),
        tools=(Tool(name="f"),) if tools else (),
        reasoning=Reasoning(effort=effort) if effort else None,
    )
    facts = TargetFacts(provider=Provider.OPENAI, model=model)
    assert name == dialect_for(facts, "auto", "chat", lambda: request).name


@pytest.mark.parametrize(
    ("client", "provider", "name"),
    [
        ("messages", "openai", "responses"),
        ("gemini", "azure", "responses"),
        ("messages", "openai-compatible", "chat"),
        ("chat", "openai", "chat"),
    ],
)
def test_a_document_at_an_address_needs_responses(client, provider, name):
    """OpenAI fetches it there; chat has no word for it."""
    document = File(Remote("https://example.com/a.pdf"))
    facts = TargetFacts(provider=Provider(provider), model="gpt-4.1")
    for block in (document, ToolResult("c", (document,))):
        request = ChatRequest(model="m", turns=(Turn("user", (block,)),))
        assert name == dialect_for(facts, "auto", client, lambda asked=request: asked).name


@pytest.mark.parametrize(
    ("server", "client", "expected"),
    [
        (Server(), "responses", "responses"),
        (Server(name="s"), "responses", "chat"),
        (Server(name="s", has_responses=True), "responses", "responses"),
        (Server(), "completions", "completions"),
        (Server(name="s", has_completions=False), "completions", "chat"),
    ],
)
def test_a_server_is_asked_in_what_it_has(server: Server, client: str, expected: str) -> None:
    """A client's own dialect where the server has it or nothing is known of the server; chat otherwise."""
    facts = TargetFacts(provider=Provider.OPENAI_COMPATIBLE, model="m", server=server)
    assert expected == dialect_for(facts, client=client).name
