"""Tool names as the targets take them."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_domain import Provider
from llmgw_domain.chat import ChatRequest, HostedTool, Text, Tool, ToolCall, ToolChoice, ToolResult, Turn
from llmgw_protocols import ProviderDialect, TargetFacts
from llmgw_protocols.names import ANTHROPIC, CONVERSE, GOOGLE, OPENAI, aliased, openais
from llmgw_protocols.registry import dialect_for

RULES = (OPENAI, CONVERSE, ANTHROPIC, GOOGLE)
SEARCH = HostedTool(family="google", kind="googleSearch", json=msgspec.Raw(b"{}"))


def request(*names: str, **fields: Any) -> ChatRequest:
    return ChatRequest(model="m", **{"turns": (), "tools": tuple(Tool(name=n) for n in names), **fields})


def named(asked: ChatRequest) -> list[str]:
    return [tool.name for tool in asked.tools if isinstance(tool, Tool)]


@pytest.mark.parametrize("rule", RULES)
def test_legal_names_stay(rule: re.Pattern[str]) -> None:
    """A request without an illegal name is not touched."""
    asked = request("get_weather", "a-1", "f" * 64)
    assert (asked, {}) == aliased(asked, rule)


@pytest.mark.parametrize(
    ("name", "legal"),
    [
        ("a.b", (GOOGLE,)),
        ("f" * 65, (ANTHROPIC, GOOGLE)),
        ("f" * 129, ()),
        ("1st", (OPENAI, CONVERSE, ANTHROPIC)),
        ("-f", (OPENAI, CONVERSE, ANTHROPIC)),
        ("a b", ()),
        ("wetter_für", ()),
        ("", ()),
    ],
)
def test_each_target_has_its_rule(name: str, legal: tuple[re.Pattern[str], ...]) -> None:
    """What a target takes it gets; nothing is changed for servers of which nothing is known."""
    asked = request(name)
    assert [rule not in legal for rule in RULES] == [aliased(asked, rule)[0] != asked for rule in RULES]
    assert (asked, {}) == aliased(asked, None)


def test_rules_by_provider() -> None:
    """OpenAI's own rule holds at Azure too, and compatible servers have none in common."""
    given_ = [openais(p) for p in (Provider.OPENAI, Provider.AZURE, Provider.OPENAI_COMPATIBLE)]
    assert [OPENAI, OPENAI, None] == given_


def test_an_alias_stands_everywhere() -> None:
    """In tools, choice, calls and results; what else there is stays."""
    turns = (
        Turn("user", (Text("Hi"),)),
        Turn("assistant", (Text("a.b"), ToolCall("1", "a.b", "{}"), ToolCall("2", "ok", "{}"))),
        Turn("user", (ToolResult("1", (), name="a.b"), ToolResult("2", ()))),
    )
    choice = ToolChoice("allowed", ("a.b", "ok"), required=True)
    made, aliases = aliased(
        request(turns=turns, tools=(Tool(name="a.b"), SEARCH, Tool(name="ok")), tool_choice=choice), OPENAI
    )
    ((alias, name),) = aliases.items()
    assert "a.b" == name
    assert alias.startswith("a_b_")
    assert (Tool(name=alias), SEARCH, Tool(name="ok")) == made.tools
    assert ToolChoice("allowed", (alias, "ok"), required=True) == made.tool_choice
    assert turns[0] == made.turns[0]
    assert (Text("a.b"), ToolCall("1", alias, "{}"), ToolCall("2", "ok", "{}")) == made.turns[1].content
    assert (ToolResult("1", (), name=alias), ToolResult("2", ())) == made.turns[2].content


def test_an_alias_is_no_other_tools_name() -> None:
    """A tool that has the alias for its own name keeps it, and the other gets the next one."""
    ((taken, _),) = aliased(request("a.b"), OPENAI)[1].items()
    made, aliases = aliased(request("a.b", taken), OPENAI)
    assert taken == named(made)[1] != named(made)[0]
    assert {named(made)[0]: "a.b"} == aliases


def test_one_alias_in_every_request_of_a_conversation() -> None:
    """The history must name what the tools name, so order and company make no difference."""
    first, second = aliased(request("a.b", "c.d"), OPENAI)[1], aliased(request("c.d", "x", "a.b"), OPENAI)[1]
    assert first == second


@given(st.lists(st.text(max_size=80), unique=True, max_size=8), st.sampled_from(RULES))
def test_names_are_legal_told_apart_and_known_again(names: list[str], rule: re.Pattern[str]) -> None:
    """Whatever clients call their tools."""
    made, aliases = aliased(request(*names), rule)
    assert all(rule.fullmatch(name) for name in named(made))
    assert len(set(named(made))) == len(names)
    assert names == [aliases.get(name, name) for name in named(made)]


TARGETS = [
    (Provider.OPENAI, "gpt-4.1", "chat"),
    (Provider.AZURE, "gpt-4.1", "chat"),
    (Provider.OPENAI, "gpt-4.1", "responses"),
    (Provider.ANTHROPIC, "claude-sonnet-4-5", "auto"),
    (Provider.VERTEX, "claude-sonnet-4-5", "auto"),
    (Provider.GOOGLE, "gemini-3-pro", "auto"),
    (Provider.BEDROCK, "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "auto"),
    (Provider.BEDROCK, "us.amazon.nova-2-lite-v1:0", "auto"),
]


@pytest.mark.parametrize(("provider", "model", "api"), TARGETS)
def test_no_target_is_sent_an_illegal_name(provider: Provider, model: str, api: Any) -> None:
    """The alias stands wherever a name does, and the way back is known."""
    turns = (
        Turn("user", (Text("Hi"),)),
        Turn("assistant", (ToolCall("c1", "an odd/name", "{}"),)),
        Turn("user", (ToolResult("c1", (Text("x"),)),)),
    )
    choice = ToolChoice("named", ("an odd/name",))
    asked = request("an odd/name", "other", turns=turns, tool_choice=choice)
    facts = TargetFacts(provider=provider, model=model)
    dialect: ProviderDialect = dialect_for(facts, api)
    made = dialect.render(asked, facts)
    ((alias, name),) = made.aliases.items()
    assert "an odd/name" == name
    assert b"odd/name" not in made.body
    # The tool, the call and the choice; Google's results have the name as well, Nova is not forced by name.
    assert made.body.count(alias.encode()) >= 3
    assert () == made.lossy


def test_compatible_servers_get_any_name() -> None:
    """Which names they take is not known, and most take all."""
    facts = TargetFacts(provider=Provider.OPENAI_COMPATIBLE, model="m")
    made = dialect_for(facts, "chat").render(request("a.b", turns=(Turn("user", (Text("Hi"),)),)), facts)
    assert {} == made.aliases
    assert b'"a.b"' in made.body
