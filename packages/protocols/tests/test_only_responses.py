"""What only OpenAI Responses can say, on its way to other providers."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from llmgw_domain import Provider
from llmgw_domain.chat import ChatRequest, HostedTool, Opaque, Text, Tool, ToolChoice, Turn
from llmgw_protocols import Rendered, TargetFacts, dialect_named
from llmgw_protocols.losses import Losses
from llmgw_protocols.only_responses import without

HI = Turn("user", (Text("Hi"),))
TARGETS = {
    "chat": TargetFacts(provider=Provider.OPENAI, model="gpt-4o"),
    "messages": TargetFacts(provider=Provider.ANTHROPIC, model="claude-sonnet-4-5"),
    "gemini": TargetFacts(provider=Provider.GOOGLE, model="gemini-3-pro"),
}


def hosted(kind: str, **members: Any) -> HostedTool:
    return HostedTool(family="openai", kind=kind, json=Raw(msgspec.json.encode({"type": kind, **members})))


def request(**fields: Any) -> ChatRequest:
    return ChatRequest(**{"model": "m", "turns": (HI,), "dialect": "responses", **fields})


def rendered(dialect: str, **fields: Any) -> tuple[Any, Rendered]:
    made = dialect_named(dialect).render(request(**fields), TARGETS[dialect])
    return msgspec.json.decode(made.body), made


@pytest.mark.parametrize("dialect", TARGETS)
def test_nothing_is_refused(dialect: str) -> None:
    """Tools, items and fields are left out and named as the client knows them."""
    searched = Opaque("openai", "web_search_call", Raw(b"{}"))
    _, made = rendered(
        dialect,
        turns=(HI, Turn("assistant", (searched,)), HI),
        tools=(Tool(name="f"), hosted("mcp"), hosted("web_search", external_web_access=False)),
        tool_choice=ToolChoice("auto"),
        extras={"context_management": Raw(b"[]"), "client_metadata": Raw(b'{"a":"b"}'), "metadata": Raw(b'{"a":"b"}')},
    )
    expected = {"input.web_search_call", "tools.mcp", "tools.web_search", "context_management", "client_metadata"}
    assert expected <= set(made.lossy)
    assert b"web_search" not in made.body
    assert b"client_metadata" not in made.body
    assert "metadata" not in made.lossy


def test_a_live_search_is_the_targets_own() -> None:
    """Anthropic's with the user's place and domains; Google's only beside no function."""
    place = {"type": "approximate", "city": "Bern"}
    search = hosted("web_search", user_location=place, filters={"allowed_domains": ["a.org"]})
    body, made = rendered("messages", tools=(search,))
    tool = {"type": "web_search_20250305", "name": "web_search", "user_location": place, "allowed_domains": ["a.org"]}
    assert ([tool], ()) == (body["tools"], made.lossy)
    body, made = rendered("gemini", tools=(search,))
    assert ([{"googleSearch": {}}], ()) == (body["tools"], made.lossy)
    body, made = rendered("gemini", tools=(search, Tool(name="f")))
    assert (["functionDeclarations"], ("tools.web_search",)) == (list(body["tools"][0]), made.lossy)


def test_losses_have_the_clients_names() -> None:
    """Responses has other names than Chat."""
    losses = Losses("responses")
    for name in ("messages.name", "max_tokens", "verbosity", "top_k"):
        losses.add(name)
    assert ("input.name", "max_output_tokens", "text.verbosity", "top_k") == losses.names()


def test_other_clients_requests_are_left_alone() -> None:
    """Their tools are judged by the renderers."""
    asked = request(dialect="", tools=(hosted("mcp"),))
    assert without(asked, Losses("openai")) is asked


def test_a_turn_that_held_nothing_else_is_gone() -> None:
    """Providers refuse empty ones."""
    opaque = Opaque("openai", "compaction", Raw(b"{}"))
    asked = request(turns=(HI, Turn("assistant", (opaque,)), Turn("assistant", (opaque, Text("a")))))
    assert (HI, Turn("assistant", (Text("a"),))) == without(asked, Losses("responses")).turns
