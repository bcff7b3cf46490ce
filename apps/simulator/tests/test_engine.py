import msgspec
import pytest

from llmgw_simulator.ask import Ask, Choice, Media, Tool, ToolResult, Turn
from llmgw_simulator.engine import ECHO_LIMIT, decide, given_arguments, object_or_empty, prompt_tokens

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER, NEWS = Tool("weather", CITY), Tool("news", CITY)


def ask(text="Hello", **more):
    more.setdefault("turns", (Turn("user", text),))
    return Ask(model="m", **more)


def answer(asked, seed=0, least=0):
    return decide(asked, seed, least).choices[0]


def text_of(found):
    return "".join(part.text for part in found.parts if part.kind == "text")


def calls_of(found):
    return [part.name for part in found.parts if part.kind == "call"]


def test_the_same_request_and_seed_give_the_same_answer():
    """And another seed gives another."""
    assert decide(ask(), 1) == decide(ask(), 1)
    assert decide(ask(), 1).id != decide(ask(), 2).id


def test_text_comes_back_with_sentences():
    """Nothing special in the request: the last user text is said again."""
    found = answer(ask("What now?"))
    assert text_of(found).startswith("You said: What now?\n")
    assert len(text_of(found)) > len("You said: What now?\n")
    assert "stop" == found.finish


def test_the_echo_is_bounded():
    """A megabyte is not said again."""
    assert ECHO_LIMIT <= len(text_of(answer(ask("x" * 1_000_000)))) < ECHO_LIMIT + 400


@pytest.mark.parametrize(
    ("text", "choice", "expected"),
    [
        ("hello", Choice(), ["weather"]),
        ("the news, please", Choice(), ["news"]),
        ("in parallel", Choice(), ["weather", "news"]),
        ("do both", Choice(), ["weather", "news"]),
        ("in parallel", Choice(parallel=False), ["weather"]),
        ("hello", Choice("none"), []),
        ("hello", Choice("any", ("news",)), ["news"]),
        ("in parallel", Choice("any", ("news",)), ["news", "news"]),
    ],
)
def test_tools_are_called(text, choice, expected):
    """Which tools are called follows from the text and the choice."""
    found = answer(ask(text, tools=(WEATHER, NEWS), choice=choice))
    assert expected == calls_of(found)
    assert ("calls" if expected else "stop") == found.finish


def test_arguments_are_valid_and_ids_differ():
    """Two calls of one tool have arguments of the schema and ids of their own."""
    found = answer(ask("parallel", tools=(WEATHER,)))
    assert [["city"], ["city"]] == [list(msgspec.json.decode(part.text)) for part in found.parts]
    assert 2 == len({part.id for part in found.parts})


def test_results_are_quoted_and_not_answered_by_calls():
    """After the results of the last turn comes text, unless a call is forced."""
    turns = (Turn("user", results=(ToolResult("a", "sunny"), ToolResult("b", "no such city", error=True))),)
    asked = ask(turns=turns, tools=(WEATHER,))
    assert text_of(answer(asked)).startswith("The tools said: sunny; error: no such city.")
    forced = msgspec.structs.replace(asked, choice=Choice("any"))
    assert ["weather"] == calls_of(answer(forced))


def test_a_schema_is_answered_in_json():
    """The text is JSON that fits; JSON mode without a schema gives an object."""
    assert ["city"] == list(msgspec.json.decode(text_of(answer(ask(schema=CITY)))))
    assert {"answer": "You said: Hello"} == msgspec.json.decode(text_of(answer(ask(json_mode=True))))


def test_attachments_are_described():
    """Kind, type and size of every attachment are told, so that a lost byte shows."""
    media = (Media("image", "image/png", 68), Media("image", uri="https://a/b"), Media("document", "text/plain", 4))
    text = text_of(answer(ask(turns=(Turn("user", "look", media),))))
    expected = (
        "I see 2 images of image/png, 68 bytes; https://a/b. I see 1 document of text/plain, 4 bytes. You said: look"
    )
    assert text.startswith(expected)
    one = text_of(answer(ask(turns=(Turn("user", "", media[:1]),))))
    assert one.startswith("I see 1 image of image/png, 68 bytes.")


def test_thinking_comes_first_and_is_counted():
    """Reasoning is the first part, and its tokens are part of the answer's."""
    found = answer(ask(thinking=True))
    assert ["reasoning", "text"] == [part.kind for part in found.parts]
    assert 0 < found.reasoning_tokens < found.tokens


def test_the_limit_cuts_the_whole_answer():
    """No more tokens than the limit, and the finish says so."""
    found = answer(ask(limit=3))
    assert (3, "length") == (found.tokens, found.finish)
    assert "You said: Hello" == text_of(found)
    assert "stop" == answer(ask(limit=10_000)).finish


def test_the_limit_can_use_up_the_thinking():
    """Then there is no text at all."""
    found = answer(ask(thinking=True, limit=4))
    assert (["reasoning"], 4, "length") == ([part.kind for part in found.parts], found.reasoning_tokens, found.finish)


def test_arguments_can_be_cut():
    """A call that the limit cuts is marked, and reads as an empty object."""
    found = answer(ask(tools=(WEATHER,), limit=2))
    assert (True, "length") == (found.parts[0].cut, found.finish)
    assert {} == object_or_empty(found.parts[0].text)


def test_no_tokens_no_parts():
    """A limit of 0 is a request to generate nothing."""
    assert ((), "length") == (answer(ask(limit=0)).parts, answer(ask(limit=0)).finish)


def test_the_first_stop_sequence_ends_the_text():
    """The sequence itself is not in the text, and the answer says which one it was."""
    found = answer(ask("one two three", stop=("three", "two")))
    assert ("You said: one ", "stop_sequence", "two") == (text_of(found), found.finish, found.stop_sequence)


def test_a_text_can_be_made_long():
    """For benchmarks that want many tokens."""
    assert 500 <= answer(ask(), least=500).tokens < 600


def test_choices_differ():
    """Each of n answers is its own."""
    texts = [text_of(choice) for choice in decide(ask(n=3), 0).choices]
    assert (3, True) == (len(texts), len(set(texts)) > 1)


def test_prompt_tokens_grow_with_everything():
    """Texts, attachments, results and tools are all counted."""
    base = prompt_tokens(ask())
    bigger = [
        ask("Hello, and more than that"),
        ask(turns=(Turn("user", "Hello", (Media("image"),)),)),
        ask(turns=(Turn("user", "Hello", results=(ToolResult("a", "1"),)),)),
        ask(tools=(WEATHER,)),
    ]
    assert all(prompt_tokens(one) > base for one in bigger)


def test_a_word_makes_it_refuse():
    """Whatever else is asked for: no call, no JSON."""
    found = answer(ask("Please REFUSE", tools=(WEATHER,), choice=Choice("any"), schema=CITY))
    assert ([], "I'm sorry, but I can't help with that request.") == (calls_of(found), text_of(found))
    assert "You said" in text_of(answer(ask("Please refuse")))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('weather {"city": "Oslo"}', {"city": "Oslo"}),
        ('Call weather({"city": "a } b", "more": {"x": []}}) now {', {"city": "a } b", "more": {"x": []}}),
        ('weather: {"city": "Oslo"}', None),
        ('weather {"city": ', None),
        ('some weather {} and weather {"city": "Oslo"}', {}),
        ('stormweather {"city": "Oslo"}', None),
        ("weather", None),
    ],
)
def test_the_text_can_give_the_arguments(text, expected):
    """As an object right behind the tool's name."""
    assert expected == given_arguments(text, "weather")


def test_given_arguments_are_used():
    """For the tool that they are behind."""
    found = answer(ask('both: weather {"city": "Oslo"} and news', tools=(WEATHER, NEWS)))
    oslo, news = (part.text for part in found.parts)
    assert '{"city":"Oslo"}' == oslo != news
