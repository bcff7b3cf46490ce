import msgspec
import pytest

from llmgw_domain.chat import ChatRequest, Origin, RedactedThinking, Text, Thinking, ToolCall, Turn
from llmgw_domain.stream import TextDelta, ThinkingDelta, ThinkingRedacted, ThinkingSigned, ToolOpened
from llmgw_protocols.signatures import MAX_KEPT, Keeper, Kept, restored, wanted

CLAUDE = Origin("anthropic")
THOUGHT = Thinking("hm, well", "sig", CLAUDE)
EVENTS = [
    ThinkingDelta("hm, "),
    ThinkingDelta("well"),
    ThinkingSigned("sig", family="anthropic"),
    ThinkingRedacted("xx", family="anthropic"),
    TextDelta("Let me look."),
    ToolOpened(0, "call_1", "f"),
    ToolOpened(1, "call_2", "g"),
]


def keeper(events) -> Keeper:
    made = Keeper()
    made.see(events)
    return made


def request(*turns: Turn) -> ChatRequest:
    return ChatRequest(model="m", turns=turns)


def bare(*more) -> Turn:
    return Turn("assistant", (*more, ToolCall("call_1", "f", "{}"), ToolCall("call_2", "g", "{}")))


def test_signed_reasoning_is_kept_in_order():
    """Under the ids of all calls of the answer, since any of them may come back."""
    made = keeper(EVENTS)
    kept = made.kept("m", "a")
    assert (THOUGHT, RedactedThinking("xx", CLAUDE)) == kept.blocks
    assert (("call_1", "call_2"), Origin("anthropic", "m", "a")) == (made.keys, kept.origin)


def test_google_s_signatures_are_its_calls():
    """The first call of a step has one."""
    kept = keeper([ToolOpened(0, "c", "f", "gs"), ToolOpened(1, "d", "f")]).kept("m", "a")
    assert ("google", {"c": "gs"}) == (kept.origin.family, kept.calls)


def test_an_answer_without_calls_is_known_by_its_text():
    """However it was cut on its way."""
    one = keeper([ThinkingSigned("s", family="google"), TextDelta("Hel"), TextDelta("lo")])
    two = wanted(request(Turn("assistant", (Text("Hello"),))))
    assert one.keys == two


@pytest.mark.parametrize(
    "events",
    [
        [ThinkingDelta("unsigned"), TextDelta("x")],
        [ThinkingDelta("x" * MAX_KEPT), ThinkingSigned("s", family="anthropic")],
        [ThinkingSigned("s", choice=1, family="google")],
    ],
)
def test_what_is_not_signed_or_too_long_is_not_kept(events):
    """Nor is what another choice thought."""
    assert keeper(events).kept("m", "a") is None


def test_a_bare_turn_gets_its_reasoning_back():
    """Before its text and calls, as the provider made it; and the calls their signatures."""
    made = keeper(EVENTS)
    kept = msgspec.structs.replace(made.kept("m", "a"), calls={"call_2": "cs"})
    asked = request(Turn("user", (Text("hi"),)), bare(Text("Let me look.")))
    assert ("call_1", "call_2") == wanted(asked)
    turn = restored(asked, {"call_2": kept}, "anthropic", "m", "b").turns[1]
    assert (THOUGHT, RedactedThinking("xx", CLAUDE), Text("Let me look.")) == turn.content[:3]
    assert [None, "cs"] == [b.signature for b in turn.content[3:]]


def test_reasoning_in_the_clear_is_not_doubled():
    """A client that kept the text alone gets the signed text instead."""
    kept = keeper(EVENTS).kept("m", "a")
    turn = restored(request(bare(Thinking("hm, well"))), {"call_1": kept}, "anthropic", "m", "a").turns[0]
    assert 1 == sum(isinstance(b, Thinking) for b in turn.content)


def test_a_turn_that_brings_its_reasoning_is_left_alone():
    """The client's own comes first."""
    for block in (THOUGHT, RedactedThinking("xx")):
        assert () == wanted(request(bare(block)))
    assert () == wanted(request(Turn("assistant", (ToolCall("call_1", "f", "{}", "gs"),))))


@pytest.mark.parametrize(
    ("family", "target", "fits"),
    [
        ("anthropic", ("anthropic", "m", "b"), True),
        ("anthropic", ("anthropic", "other", "a"), False),
        ("anthropic", ("google", "m", "a"), False),
        ("anthropic", ("bedrock", "m", "a"), True),
        ("bedrock", ("bedrock", "m", "a"), True),
        ("bedrock", ("anthropic", "m", "a"), False),
        ("google", ("bedrock", "m", "a"), False),
        ("openai", ("openai", "m", "a"), True),
        ("openai", ("openai", "m", "b"), False),
    ],
)
def test_reasoning_goes_to_its_maker_alone(family, target, fits):
    """To the same model; OpenAI's to the same account, since another organisation can't read it."""
    assert fits == Kept(origin=Origin(family, "m", "a")).fits(*target)
