from llmgw_domain import Provider
from llmgw_protocols import Rendered, TargetFacts, place


def test_a_maker_s_own_platform_takes_its_dialect_as_it_is():
    """Nothing is moved for OpenAI, Anthropic and Google AI Studio."""
    rendered = Rendered(path="/chat/completions", body=b"{}")
    facts = TargetFacts(provider=Provider.OPENAI, model="gpt-4.1")
    assert rendered == place(rendered, "chat", facts, stream=True)
