"""Custom tools as functions, and their calls read back."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_domain import Provider
from llmgw_domain.chat import CacheMark, ChatRequest, Text, Tool, ToolCall, ToolChoice, ToolResult, Turn
from llmgw_domain.stream import Finished, FinishReason, StreamEvent, TextDelta, ToolDelta, ToolOpened
from llmgw_protocols import ProviderDialect, TargetFacts
from llmgw_protocols.customs import Unwrapper, as_functions, for_provider
from llmgw_protocols.losses import Losses
from llmgw_protocols.registry import dialect_for

SHELL = Tool(name="sh", description="Runs.", custom=True, grammar=msgspec.Raw(b'{"type":"grammar"}'))
F = Tool(name="f", schema=msgspec.Raw(b"{}"))
FREE_TEXT = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
TURNS = (
    Turn("user", (Text("Hi"),)),
    Turn("assistant", (Text("ok"), ToolCall("1", "sh", 'echo "ä"\n', custom=True, cache=CacheMark()))),
    Turn("user", (ToolResult("1", (Text("ä"),)),)),
)
STOP = Finished(FinishReason.TOOL_CALLS)


def asked(*tools: Tool, turns: tuple[Turn, ...] = TURNS, **fields: Any) -> ChatRequest:
    return ChatRequest(model="m", turns=turns, tools=tools, **fields)


def test_a_custom_tool_is_a_function_of_one_text() -> None:
    """Its grammar is told in words, since nothing enforces it, and that is named."""
    losses = Losses("openai")
    made, names = as_functions(asked(SHELL, F), losses)
    tool, other = made.tools
    assert isinstance(tool, Tool)
    assert (False, FREE_TEXT, F) == (tool.custom, msgspec.json.decode(tool.schema or b""), other)
    assert 'Runs.\n\nThe input must follow this grammar: {"type":"grammar"}' == tool.description
    assert (frozenset(["sh"]), ("tools.custom",)) == (names, losses.names())


def test_calls_of_earlier_turns_are_calls_of_that_function() -> None:
    """Also where the tool is gone; nothing is lost by that."""
    losses = Losses("openai")
    made, names = as_functions(asked(F), losses)
    call = ToolCall("1", "sh", '{"input":"echo \\"ä\\"\\n"}', cache=CacheMark())
    assert (TURNS[0], (Text("ok"), call), TURNS[2]) == (made.turns[0], made.turns[1].content, made.turns[2])
    assert (frozenset(), ()) == (names, losses.names())


def test_half_a_surrogate_pair_has_no_bytes() -> None:
    """A client may have sent one in its JSON."""
    turn = Turn("assistant", (ToolCall("1", "sh", "\ud83d", custom=True),))
    (made,) = as_functions(asked(turns=(turn,)), Losses("openai"))[0].turns
    assert (ToolCall("1", "sh", '{"input":"?"}'),) == made.content


def test_openais_own_have_custom_tools() -> None:
    """Compatible servers know functions only."""
    request, losses = asked(SHELL), Losses("openai")
    assert (request, frozenset()) == for_provider(request, Provider.AZURE, losses)
    assert frozenset(["sh"]) == for_provider(request, Provider.OPENAI_COMPATIBLE, losses)[1]


@pytest.mark.parametrize(
    ("provider", "model", "api"),
    [
        (Provider.ANTHROPIC, "claude-sonnet-4-5", "auto"),
        (Provider.GOOGLE, "gemini-3-pro", "auto"),
        (Provider.BEDROCK, "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "auto"),
        (Provider.OPENAI_COMPATIBLE, "m", "chat"),
        (Provider.OPENAI_COMPATIBLE, "m", "responses"),
    ],
)
def test_every_other_target_gets_functions(provider: Provider, model: str, api: Any) -> None:
    """Tool, choice and history; the answer's reader is told."""
    facts = TargetFacts(provider=provider, model=model)
    dialect: ProviderDialect = dialect_for(facts, api)
    made = dialect.render(asked(SHELL, tool_choice=ToolChoice("named", ("sh",))), facts)
    assert (frozenset(["sh"]), ("tools.custom",)) == (made.customs, made.lossy)
    assert b'"custom' not in made.body
    assert 'echo \\"ä\\"' in made.body.decode().replace('\\\\\\"', '\\"')


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_openai_gets_them_as_they_are(api: Any) -> None:
    """Nothing is lost, and nothing to be unwrapped."""
    facts = TargetFacts(provider=Provider.OPENAI, model="gpt-5")
    made = dialect_for(facts, api).render(asked(SHELL), facts)
    assert (frozenset(), ()) == (made.customs, made.lossy)
    assert b'"custom' in made.body


# --- the way back -----------------------------------------------------------------------------------------------------


def read(*pieces: str, finish: bool = True) -> list[str]:
    """The pieces of text that pieces of arguments give."""
    events: list[StreamEvent] = [ToolOpened(0, "c", "sh"), *(ToolDelta(0, piece) for piece in pieces)]
    opened, *rest = Unwrapper(frozenset(["sh"])).events([*events, STOP] if finish else events)
    assert ToolOpened(0, "c", "sh", custom=True) == opened
    return [event.fragment for event in rest if isinstance(event, ToolDelta)]


ANSWERS = [
    ('{"input":"ls -l"}', "ls -l"),
    (' {\n "input" : "a" }\n', "a"),
    ('{"input":""}', ""),
    (r'{"input":"a\n\t\"b\\\/\b\f\r"}', 'a\n\t"b\\/\b\f\r'),
    (r'{"input":"\u00e4\u20AC"}', "ä€"),
    (r'{"input":"\ud83d\ude00!"}', "😀!"),
    (r'{"input":"\ud83d"}', "�"),
    (r'{"input":"\ud83d\ud83d\ude00"}', "�😀"),
    (r'{"input":"\ud83d\n"}', "�\n"),
    (r'{"input":"\ude00x"}', "�x"),
    ('{"input":"zwei\nZeilen"}', "zwei\nZeilen"),
    (r'{"input":"a\xb\u12g4"}', r"a\xb\u12g4"),
    ('{"input":"a","why":"b"}', "a"),
    # Cut short.
    ('{"input":"ab', "ab"),
    ('{"input":"ab\\', "ab\\"),
    (r'{"input":"ab\u00', r"ab\u00"),
    (r'{"input":"ab\ud83d', "ab�"),
    (r'{"input":"ab\ud83d\u', r"ab�\u"),
    ('{"inp', '{"inp'),
    # Of another shape.
    ("{}", "{}"),
    ("ls -l", "ls -l"),
    ('"ls"', '"ls"'),
    ('{"input":5}', '{"input":5}'),
    ('{"inputs":"a"}', '{"inputs":"a"}'),
    ('{"cmd":"a","input":"b"}', '{"cmd":"a","input":"b"}'),
    ('[{"input":"a"}]', '[{"input":"a"}]'),
    ("", ""),
]


@pytest.mark.parametrize(("json", "expected"), ANSWERS)
def test_every_answer_at_every_split(json: str, expected: str) -> None:
    """Whole, in two pieces, and letter by letter, the text is the same."""
    assert expected == "".join(read(json))
    for at in range(len(json) + 1):
        assert expected == "".join(read(json[:at], json[at:]))
    assert expected == "".join(read(*json))


@given(st.text(), st.data())
def test_any_text_comes_back(text: str, data: st.DataObject) -> None:
    """Whatever escapes its JSON has and wherever it is cut."""
    escaped = "".join(c if c not in '"\\' and data.draw(st.booleans()) else _escaped(c) for c in text)
    json = f'{{"input":"{escaped}"}}'
    cuts = sorted(data.draw(st.lists(st.integers(0, len(json)), max_size=5)))
    pieces = [json[a:b] for a, b in zip([0, *cuts], [*cuts, len(json)], strict=True)]
    assert text == "".join(read(*pieces))


def _escaped(char: str) -> str:
    units = char.encode("utf-16-be")
    return "".join(f"\\u{int.from_bytes(units[i : i + 2]):04x}" for i in range(0, len(units), 2))


def test_text_goes_on_as_it_comes() -> None:
    """A client sees each piece at once, and never half a character."""
    assert ["ab", "c", "😀d"] == read('{"input":"ab', "c", "\\ud83d", "\\ude", '00d"', "}", finish=False)


def test_white_space_without_end_does_not_wait() -> None:
    """What a hostile server sends is not kept."""
    assert ["{" + " " * 255, " "] == read("{" + " " * 255, " ", finish=False)
    assert 200 * " " + "{" == "".join(read(200 * " " + "{"))


def test_other_calls_stay() -> None:
    """Functions, calls that are custom already, and other choices' calls of the same number."""
    events: list[StreamEvent] = [
        TextDelta("a"),
        ToolOpened(0, "c", "f"),
        ToolDelta(0, '{"input":"x"}'),
        ToolOpened(1, "d", "sh", custom=True),
        ToolDelta(1, '{"input":"x"}'),
        ToolOpened(0, "e", "sh", choice=1),
        ToolDelta(0, '{"input":"x', choice=1),
        Finished(FinishReason.TOOL_CALLS),
        ToolDelta(0, "\\", choice=1),
        Finished(FinishReason.TOOL_CALLS, choice=1),
    ]
    assert [
        *events[:5],
        ToolOpened(0, "e", "sh", choice=1, custom=True),
        ToolDelta(0, "x", choice=1),
        events[7],
        ToolDelta(0, "\\", choice=1),
        events[9],
    ] == Unwrapper(frozenset(["sh"])).events(events)


def test_calls_may_take_turns() -> None:
    """Pieces of two calls at a time are told apart."""
    events: list[StreamEvent] = [ToolOpened(0, "a", "sh"), ToolOpened(1, "b", "sh")]
    for one, two in zip('{"input":"x"}', '{"input":"y"}', strict=True):
        events += [ToolDelta(0, one), ToolDelta(1, two)]
    told = Unwrapper(frozenset(["sh"])).events(events)
    assert [ToolDelta(0, "x"), ToolDelta(1, "y")] == told[2:]
