import hashlib

import msgspec
import pytest

from llmgw_domain import Provider
from llmgw_domain.chat import ChatRequest, Origin, RedactedThinking, Text, Thinking, ToolCall, Turn
from llmgw_domain.stream import MessageOpened, TextDelta, ThinkingDelta, ThinkingRedacted, ThinkingSigned, ToolOpened
from llmgw_protocols import TargetFacts, dialect_named
from llmgw_protocols.signatures import MAX_KEPT, Keeper, Kept, Message, restored, wanted

RESPONSES = dialect_named("responses")
KEY = f"text:{hashlib.sha256(b'Hi').hexdigest()}"

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


# --- messages of a Responses answer -----------------------------------------------------------------------------------

PHASES = ("commentary", "final_answer")
SAID = [
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "one"},
    {"type": "message", "id": "msg_1", "role": "assistant", "phase": PHASES[0], "content": [{"text": "Let me look."}]},
    {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "two"},
    {"type": "message", "id": "msg_2", "role": "assistant", "phase": PHASES[1], "content": [{"text": "It rains."}]},
    {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}"},
]
BODY = msgspec.json.encode({"id": "r", "status": "completed", "output": SAID})
BACK = [
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "one"},
    {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "Let me look."}],
        "phase": "commentary",
    },
    {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "two"},
    {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "It rains."}],
        "phase": "final_answer",
    },
    {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
]


def streamed() -> bytes:
    events = []
    for index, item in enumerate(SAID):
        events += [
            {"type": f"response.output_item.{e}", "output_index": index, "item": item} for e in ("added", "done")
        ]
    events.append({"type": "response.completed", "response": {"id": "r", "status": "completed", "output": SAID}})
    return b"".join(b"data: " + msgspec.json.encode(event) + b"\n\n" for event in events)


def next_turn(made: Keeper, text: str) -> list[object]:
    """The items of the next request of a chat client that brought back the text and the call alone."""
    turns = (Turn("assistant", (Text(text), ToolCall("call_1", "f", "{}"))),)
    asked = request(*turns)
    found = dict.fromkeys(made.keys, made.kept("gpt-5.3", "a"))
    assert set(wanted(asked)) <= set(found)
    target = TargetFacts(provider=Provider.OPENAI, model="gpt-5.3", account="a")
    body = RESPONSES.render(restored(asked, found, "openai", "gpt-5.3", "a"), target).body
    return msgspec.json.decode(body)["input"][:-1]


def test_messages_come_back_as_they_were():
    """Each with its phase, behind the reasoning that led to it; from a body and from a stream."""
    text = "Let me look.\n\nIt rains."
    assert BACK == next_turn(keeper(RESPONSES.decoder().whole(BODY)), text)
    stream = streamed()
    for at in range(len(stream)):
        decoder, made = RESPONSES.decoder(), Keeper()
        for piece in (stream[:at], stream[at:]):
            for frame in decoder.feed(piece):
                made.see(frame.events)
        assert BACK == next_turn(made, text)


@pytest.mark.parametrize("text", ["Let me see.\n\nIt rains.!", "Let me look. And it rains"[:23], "x" * 23])
def test_a_changed_text_is_one_message(text):
    """Bounds that no longer hold are not put into it; the reasoning is."""
    items = next_turn(keeper(RESPONSES.decoder().whole(BODY)), text)
    assert ["reasoning", "reasoning", "message", "function_call"] == [item["type"] for item in items]


def test_a_phase_alone_is_worth_keeping():
    """Of an answer without reasoning, too; an answer of one message without a phase is its text."""
    kept = keeper([MessageOpened("final_answer"), TextDelta("Hi")]).kept("m", "a")
    assert Origin("openai", "m", "a") == kept.origin
    (turn,) = restored(request(Turn("assistant", (Text("Hi"),))), {KEY: kept}, "openai", "m", "a").turns
    assert (Text("Hi", phase="final_answer"),) == turn.content
    assert keeper([TextDelta("Hi")]).kept("m", "a") is None


def test_a_first_message_need_not_have_a_phase():
    """It begins where the text does, behind the reasoning that there was."""
    events = [*EVENTS[:4], TextDelta("a"), TextDelta("\n\n"), MessageOpened(), TextDelta("b")]
    kept = keeper(events).kept("m", "a")
    assert (Message(0, None, 2), Message(3, None, 2), 4) == (*kept.messages, kept.length)


def test_messages_without_end_are_not_kept():
    """As reasoning without end is not."""
    assert keeper([MessageOpened("x"), TextDelta("a")] * 2000).kept("m", "a") is None
