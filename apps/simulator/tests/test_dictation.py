import msgspec
import pytest

from llmgw_simulator.ask import Ask, Choice, Tool, ToolResult, Turn
from llmgw_simulator.dictation import dictated
from llmgw_simulator.engine import decide

WEATHER, NEWS = Tool("weather"), Tool("news")
TOLD = """Two steps:
call news with {"city": "Bern"}
call nothing with {}
call weather with {"city": "Z ü"}
That is all."""


def ask(*turns, **more):
    return Ask(model="m", turns=turns, tools=(WEATHER, NEWS), **more)


def calls(asked):
    return [(part.name, part.text) for part in dictated(asked, "d") or ()]


def test_calls_are_made_one_a_turn():
    """The lines are followed in order as the results come in; then there is nothing to call, and text comes."""
    turns = [Turn("user", TOLD)]
    made = []
    for number in range(2):
        (part,) = decide(ask(*turns), 0).choices[0].parts
        made.append((part.name, part.text))
        turns += [Turn("assistant"), Turn("user", "a reminder", results=(ToolResult(part.id, f"result {number}"),))]
    assert [("news", '{"city": "Bern"}'), ("weather", '{"city": "Z ü"}')] == made
    last = decide(ask(*turns), 0).choices[0]
    assert "stop" == last.finish
    assert last.parts[0].text.startswith("The tools said: result 1.")


def test_the_newest_dictation_counts():
    """A conversation may go on with other calls."""
    turns = (
        Turn("user", "call news with {}"),
        Turn("assistant"),
        Turn("user", results=(ToolResult("1", "done"),)),
        Turn("assistant", "Done."),
        Turn("user", 'call weather with {"city": "b"}'),
    )
    assert [("weather", '{"city": "b"}')] == calls(ask(*turns))


@pytest.mark.parametrize(
    "asked",
    [
        ask(Turn("user", "call me with news")),
        ask(Turn("assistant", "call news with {}"), Turn("user", "Hi")),
        ask(Turn("user", "call news with {}"), choice=Choice("none")),
        ask(Turn("user", "call news with {}"), choice=Choice("any", ("weather",))),
    ],
)
def test_the_usual_rules_hold_otherwise(asked):
    """Without a dictation of the user, and where the choice forces or forbids calls."""
    assert dictated(asked, "d") is None


def test_a_script_of_tools_that_are_not_there_is_text():
    """A dictation that has nothing to call calls nothing, although there are tools."""
    asked = ask(Turn("user", "call nothing with {}"))
    assert [] == dictated(asked, "d")
    assert "stop" == decide(asked, 0).choices[0].finish
    assert calls(msgspec.structs.replace(asked, tools=())) == []
