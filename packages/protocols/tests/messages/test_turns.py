"""Histories as Anthropic takes them."""

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from llmgw_domain.chat import (
    Block,
    CacheMark,
    ChatRequest,
    Image,
    Inline,
    Opaque,
    Origin,
    RedactedThinking,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from llmgw_domain.errors import InvalidField
from llmgw_protocols.losses import Losses
from llmgw_protocols.messages.models import capabilities
from llmgw_protocols.messages.turns import Conversation, TurnRules, normalise, wire_id
from llmgw_protocols.placeholders import NO_RESULT

OLD, INLINE = "claude-sonnet-4-5", "claude-opus-4-8"
SIGNATURE = "EsIgAbCdEfGhIjKlMnOp"


def _normal(*turns: Turn, model: str = OLD, prefill: bool = True) -> tuple[Conversation, tuple[str, ...]]:
    losses = Losses("openai")
    request = ChatRequest(model="m", turns=turns)
    return normalise(request, capabilities(model), losses, may_prefill=prefill), losses.names()


def _turns(*turns: Turn, **options: Any) -> list[tuple[str, list[Block]]]:
    return [(t.role, t.blocks) for t in _normal(*turns, **options)[0].turns]


def user(*blocks: Block | str) -> Turn:
    return Turn("user", tuple(Text(b) if isinstance(b, str) else b for b in blocks))


def assistant(*blocks: Block | str) -> Turn:
    return Turn("assistant", tuple(Text(b) if isinstance(b, str) else b for b in blocks))


def call(id: str, name: str = "f") -> ToolCall:
    return ToolCall(id, name, "{}")


def result(id: str, text: str = "r") -> ToolResult:
    return ToolResult(id, (Text(text),))


def missing(id: str) -> ToolResult:
    return ToolResult(id, (Text(NO_RESULT),), error=True)


HI = ("user", [Text("Hi")])


def test_leading_system() -> None:
    """Leading system text leaves the turns, one text a part, its marks kept."""
    talk, _ = _normal(Turn("system", (Text("a", CacheMark()), Text(" "))), Turn("developer", (Text("b"),)), user("Hi"))
    assert [Text("a", CacheMark()), Text("b")] == talk.system


def test_results_in_call_order() -> None:
    """Results stand in one user turn, in the order of the calls, before any other block."""
    turns = _turns(
        user("Hi"),
        assistant(call("a"), call("b")),
        user(result("b", "B")),
        user("thanks"),
        user(result("a", "A")),
    )
    assert ("user", [result("a", "A"), result("b", "B"), Text("thanks")]) == turns[2]


def test_missing_result() -> None:
    """A call that nobody answered gets an error for a result, at the end of a history too."""
    turns = _turns(user("Hi"), assistant("x", call("a")), user("go on"), assistant(call("b")))
    assert [
        HI,
        ("assistant", [Text("x"), call("a")]),
        ("user", [missing("a"), Text("go on")]),
        ("assistant", [call("b")]),
        ("user", [missing("b")]),
    ] == turns


def test_late_result() -> None:
    """A result that comes turns too late still goes to its call."""
    turns = _turns(user("Hi"), assistant(call("a")), user("wait"), assistant("ok"), user(result("a"), "now"))
    assert [("user", [result("a"), Text("wait")]), ("user", [Text("now")])] == [turns[2], turns[4]]


def test_orphan_result() -> None:
    """A result without a call is told as text."""
    assert [("user", [Text("Hi"), Text("[tool x] r")])] == _turns(user("Hi", result("x")))


def test_orphan_picture() -> None:
    """The picture of a result without a call stays, behind its text."""
    picture = Image(Inline("image/png", "iVBORw0KGgo="))
    orphaned = ToolResult("x", (Text("r"), picture))
    assert [("user", [Text("[tool x] r"), picture])] == _turns(user(orphaned))


def test_one_result_twice() -> None:
    """A second result for one call is told as text."""
    turns = _turns(user("Hi"), assistant(call("a")), user(result("a", "1"), result("a", "2")))
    assert ("user", [result("a", "1"), Text("[tool a] 2")]) == turns[2]


def test_reused_ids() -> None:
    """An id that a history uses again becomes another one, for the call and its result alike."""
    again = wire_id("a", 1)
    turns = _turns(
        user("Hi"), assistant(call("a")), user(result("a", "1")), assistant(call("a")), user(result("a", "2"))
    )
    assert [[call("a")], [result("a", "1")], [call(again)], [result(again, "2")]] == [b for _, b in turns[1:]]


def test_same_id_in_one_turn() -> None:
    """Two calls of one turn with one id are answered in order."""
    again = wire_id("a", 1)
    turns = _turns(user("Hi"), assistant(call("a"), call("a")), user(result("a", "1"), result("a", "2")))
    assert [result("a", "1"), result(again, "2")] == turns[2][1]


def test_legal_ids() -> None:
    """Legal ids stay, others are hashed, the same in every request."""
    assert ("call_1-x", True, wire_id("a:b")) == (wire_id("call_1-x"), wire_id("").startswith("toolu_"), wire_id("a:b"))


def test_empty_blocks() -> None:
    """Empty texts and refusals are dropped, with the assistant turns that they leave empty."""
    turns = _turns(user("Hi", " "), assistant("", Refusal("")), user("again"))
    assert [("user", [Text("Hi"), Text("again")])] == turns


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ([assistant("Hello"), user("Hi")], [("user", [Text(".")]), ("assistant", [Text("Hello")]), HI]),
        ([user("")], [("user", [Text(".")])]),
        (
            [user("Hi"), assistant("a"), user(" "), assistant("b"), user("Hi")],
            [HI, ("assistant", [Text("a")]), ("user", [Text(".")]), ("assistant", [Text("b")]), HI],
        ),
        ([user(""), assistant("a"), user("Hi")], [("user", [Text(".")]), ("assistant", [Text("a")]), HI]),
        ([Turn("system", (Text("s"),))], [("user", [Text("s")])]),
    ],
)
def test_alternation(turns: list[Turn], expected: object) -> None:
    """A user speaks first, and roles alternate."""
    assert expected == _turns(*turns)


def test_nothing_to_say() -> None:
    """A request without any content is refused."""
    with pytest.raises(InvalidField):
        _normal(Turn("system", (Text(" "),)))


def test_system_between() -> None:
    """System text in the middle is wrapped where it stands for models that know no such role."""
    turns = _turns(user("Hi"), Turn("system", (Text("s"),)), assistant("a"), user("b"))
    assert ("user", [Text("Hi"), Text("<system>s</system>")]) == turns[0]


def test_system_inline() -> None:
    """Models that know the role get it, behind the user turns that it preceded."""
    turns = _turns(
        user("Hi"), assistant("a"), Turn("developer", (Text("s"),)), user("b"), assistant("c"), user("d"), model=INLINE
    )
    assert [("user", [Text("b")]), ("system", [Text("s")]), ("assistant", [Text("c")])] == turns[2:5]


def test_system_after_assistant() -> None:
    """A system message with no user turn before it has no place of its own, so it is wrapped."""
    turns = _turns(user("Hi"), assistant("a"), Turn("system", (Text("s"),)), model=INLINE)
    assert ("user", [Text("<system>s</system>")]) == turns[-1]


@pytest.mark.parametrize(
    ("model", "prefill", "end", "lossy"),
    [
        (OLD, True, ("assistant", [Text("It is")]), ()),
        (OLD, False, ("user", [Text("Continue.")]), ("messages",)),
        (INLINE, True, ("user", [Text("Continue.")]), ("messages",)),
    ],
)
def test_prefill(model: str, prefill: bool, end: object, lossy: tuple[str, ...]) -> None:
    """An unfinished answer is continued by models that can, and asked for by others."""
    talk, lost = _normal(user("Hi"), assistant("It is "), model=model, prefill=prefill)
    last = talk.turns[-1]
    assert (end, lossy) == ((last.role, last.blocks), lost)


@pytest.mark.parametrize(
    ("block", "kept"),
    [
        (Thinking("t", "s", Origin("anthropic")), True),
        (Thinking("t", None, Origin("anthropic")), False),
        (Thinking("t", "s", Origin("google")), False),
        (Thinking("t", SIGNATURE), True),
        (Thinking("t", "gw1.abc"), False),
        (RedactedThinking("d", Origin("anthropic")), True),
        (RedactedThinking("d"), False),
        (Opaque("anthropic", "server_tool_use", Raw(b"{}")), True),
        (Opaque("google", "toolCall", Raw(b"{}")), False),
    ],
)
def test_opaque_values(block: Block, kept: bool) -> None:
    """Signed and opaque values go back only to the family that made them."""
    turns = _turns(user("Hi"), assistant(block, "a"), user("b"))
    assert ([block] if kept else []) == turns[1][1][:-1]


def test_lost() -> None:
    """Foreign opaque blocks, names, and media in system text are named as lost."""
    _, lossy = _normal(
        Turn("system", (Refusal("r"),)),
        Turn("user", (Text("Hi"),), name="Ann"),
        assistant(Opaque("google", "toolCall", Raw(b"{}")), "a"),
        user("b"),
    )
    assert lossy == ("messages.system", "messages.name", "messages.toolCall")


_ids = st.sampled_from(["a", "b", "c:d", ""])
_block = st.one_of(
    st.sampled_from([Text("x"), Text(" "), Thinking("t", "s", Origin("anthropic")), Refusal("no")]),
    st.builds(call, _ids),
)
_turn = st.one_of(
    st.builds(lambda b: assistant(*b), st.lists(_block, max_size=4)),
    st.builds(lambda b: user(*b), st.lists(st.one_of(st.just(Text("x")), st.builds(result, _ids)), max_size=4)),
    st.just(Turn("system", (Text("s"),))),
)


@given(st.lists(_turn, max_size=8), st.sampled_from([OLD, INLINE]))
def test_always_legal(turns: list[Turn], model: str) -> None:
    """Whatever the history, roles alternate, each call is answered in the next turn, and no id comes twice."""
    talk, _ = _normal(user("Hi"), *turns, model=model)
    spoken = [t for t in talk.turns if t.role != "system"]
    assert all(t.blocks for t in talk.turns)
    assert ["user", "assistant"] * (len(spoken) // 2) + ["user"] * (len(spoken) % 2) == [t.role for t in spoken]
    ids = [c.id for t in spoken for c in t.calls]
    assert len(set(ids)) == len(ids)
    for before, after in itertools.pairwise(spoken):
        results = [b.call_id for b in after.blocks if isinstance(b, ToolResult)]
        assert [c.id for c in before.calls] == results
        assert all(isinstance(b, ToolResult) for b in after.blocks[: len(results)])


def test_rules_of_another_api() -> None:
    """An API that takes turns in this order may have other ids and families of its own."""
    rules = TurnRules(signed_by=("x",), opaque_of="y", legal_id=re.compile("[a-z]"))
    mine, theirs = Opaque("y", "k", Raw(b"{}")), Opaque("anthropic", "k", Raw(b"{}"))
    signed = [Thinking("t", SIGNATURE, Origin(family)) for family in ("x", "anthropic")]
    said = assistant(*signed, Thinking("t", SIGNATURE), mine, theirs, call("a"), call("A"))
    losses = Losses("openai")
    request = ChatRequest(model="m", turns=(user("Hi"), said))
    talk = normalise(request, capabilities(OLD), losses, may_prefill=True, rules=rules)
    sent = [signed[0], mine, call("a"), call(wire_id("A", legal=rules.legal_id))]
    assert sent == talk.turns[1].blocks
    assert ("messages.k",) == losses.names()
