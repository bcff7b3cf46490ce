"""A fingerprint stays over a conversation's turns, differs between conversations, and takes any shape."""

from __future__ import annotations

import timeit
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_affinity import fingerprint
from llmgw_affinity.carriers import Form
from llmgw_affinity.fingerprint import Fingerprint

FORMS: tuple[Form, ...] = ("chat", "responses", "messages", "gemini", "completions")
TURNS = {
    "chat": "messages",
    "responses": "input",
    "messages": "messages",
    "gemini": "contents",
    "completions": "prompt",
}

TOOLS = [{"name": "read", "input_schema": {"type": "object"}}, {"name": "write", "input_schema": {"type": "object"}}]
MARK = {"type": "ephemeral"}


def of(form: Form, body: dict[str, Any], model: str = "m") -> Fingerprint:
    return fingerprint(form, model, {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in body.items()})


def text(said: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": said}]


# --- turns of one conversation ----------------------------------------------------------------------------------------

said = st.text(st.sampled_from('ab"\\{}[], \n\u20ac'), max_size=12)


@st.composite
def turns(draw: st.DrawFn, form: Form) -> list[dict[str, Any]]:
    """A conversation as its client would hold it, with the user first or behind system messages."""
    told = [{"role": "system", "content": draw(said)} for _ in range(draw(st.integers(0, 2)))]
    users, model = ("parts", "model") if form == "gemini" else ("content", "assistant")
    spoken = [
        {"role": "user" if place % 2 == 0 else model, users: [{"text": draw(said)}] if users == "parts" else draw(said)}
        for place in range(draw(st.integers(1, 5)))
    ]
    return [*(told if form in ("chat", "responses") else []), *spoken]


@pytest.mark.parametrize("form", ["chat", "responses", "messages", "gemini"])
def test_it_stays_when_turns_are_appended(form: Form) -> None:
    """What comes behind the first user message is not looked at, also if it repeats it, or is a system message."""

    @given(turns(form), said)
    def stays(conversation: list[dict[str, Any]], more: str) -> None:
        field = TURNS[form]
        first = of(form, {"tools": TOOLS, field: conversation})
        longer = [*conversation, *conversation, {"role": "system", "content": more}, {"role": "user", "content": more}]
        assert first == of(form, {field: longer, "temperature": 1, "tools": TOOLS})
        assert first.conversation is not None

    stays()


@given(turns("messages"), st.integers(0, 9), st.booleans())
def test_it_stays_when_cache_marks_move(conversation: list[dict[str, Any]], place: int, listed: bool) -> None:
    """The last message is marked, which makes a list of blocks of its text, and no mark when it is the last no more."""
    system = [{"type": "text", "text": "You are a tool."}]
    plain = of("messages", {"system": system, "tools": TOOLS, "messages": conversation})
    tools = [TOOLS[0], {**TOOLS[1], "cache_control": MARK}]
    spot = place % len(conversation)
    block = {"type": "text", "text": conversation[spot]["content"], "cache_control": {**MARK, "ttl": "1h"}}
    marked = [*conversation[:spot], {**conversation[spot], "content": [block]}, *conversation[spot + 1 :]]
    if listed:
        marked = [
            {**turn, "content": text(turn["content"])} if turn["role"] == "user" else turn for turn in conversation
        ]
    body = {"system": [{**system[0], "cache_control": MARK}], "tools": tools, "messages": marked}
    assert plain == of("messages", body)


def test_a_version_that_changes_is_no_part_of_it() -> None:
    """Claude Code's first block tells a checksum of each call."""

    def called(checksum: str) -> Fingerprint:
        header = f"x-anthropic-billing-header: cc_version=2.1.197.{checksum}; cch={checksum};"
        system = [{"type": "text", "text": header}, {"type": "text", "text": "You are a tool.", "cache_control": MARK}]
        return of("messages", {"system": system, "messages": [{"role": "user", "content": "hi"}]})

    def converted(checksum: str) -> Fingerprint:
        system = f"x-anthropic-billing-header: cch={checksum};\nYou are a tool."
        return of("chat", {"messages": [{"role": "system", "content": system}, {"role": "user", "content": "hi"}]})

    assert called("abc") == called("defg")
    assert converted("abc") == converted("defg")
    assert (
        called("abc").prefix != of("messages", {"system": "", "messages": [{"role": "user", "content": "hi"}]}).prefix
    )


# --- different conversations ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_another_first_message_is_another_conversation_with_the_same_prefix(form: Form) -> None:
    """So that both can begin where the prefix is warm."""

    def asking(question: str, **more: Any) -> Fingerprint:
        turn: dict[str, Any] = {"role": "user", "content": question, "parts": text(question)}
        return of(form, {TURNS[form]: question if form == "completions" else [turn], **more})

    one, other = asking("one"), asking("other")
    assert one.conversation != other.conversation
    if form != "completions":
        assert one.prefix == other.prefix
        assert (one.prefix, one.conversation) != (
            asking("one", tools=TOOLS).prefix,
            asking("one", tools=TOOLS).conversation,
        )


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ("chat", "tools"),
        ("chat", "functions"),
        ("responses", "tools"),
        ("responses", "instructions"),
        ("responses", "prompt"),
        ("messages", "tools"),
        ("messages", "system"),
        ("gemini", "tools"),
        ("gemini", "systemInstruction"),
        ("gemini", "system_instruction"),
        ("gemini", "cachedContent"),
    ],
)
def test_another_beginning_is_another_prefix(form: Form, field: str) -> None:
    """Tools and system text are what a cache holds first."""
    turn = {TURNS[form]: [{"role": "user", "content": "hi", "parts": text("hi")}]}
    prints = [of(form, {**turn, field: value}) for value in ("x" * 100, "y" * 100)]
    assert 2 == len({p.prefix for p in prints}) == len({p.conversation for p in prints})
    assert [102, 102] == [p.prefix_bytes for p in prints]


def test_another_model_is_another_prefix() -> None:
    """Models share no cache."""
    body = {"messages": [{"role": "user", "content": "hi"}]}
    assert of("chat", body).prefix != of("chat", body, model="n").prefix


def test_system_messages_of_the_conversation_are_in_the_prefix() -> None:
    """In chat and Responses the system text stands among the messages."""
    user = {"role": "user", "content": "hi"}
    prints = [
        of("chat", {"messages": [{"role": role, "content": told}, user]})
        for role in ("system", "developer")
        for told in ("a", "b")
    ]
    assert 4 == len({p.prefix for p in prints})
    other = of("chat", {"messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "bye"}]})
    assert prints[0].prefix == other.prefix


def test_long_values_differ_by_length_beginning_and_end() -> None:
    """Of a long text not everything is hashed."""
    prints = [
        of("chat", {"messages": [{"role": "user", "content": said}]}).conversation
        for said in ("x" * 500_000, "x" * 500_001, "y" + "x" * 499_999, "x" * 499_999 + "y")
    ]
    assert 4 == len(set(prints))


# --- odd input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        None, 7, True, "", "hi", [], [[]], [None], ["hi", "ho"], {}, {"role": "user"}, [{}], [{"role": 5}],
        [{"role": "user"}], [{"role": "user", "content": None}], [{"role": "user", "content": 7}],
        [{"role": "user", "content": [[[[]]]]}], [{"role": ["user"], "content": "hi"}], [{"content": "hi"}],
        [7, "a", {"role": "user", "content": "x"}], [{"role": "system", "content": "only"}],
        [{"role": "user", "content": ""}], [{"role": "user", "content": '"}],"role":"user"'}],
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", FORMS)
def test_any_shape_has_a_fingerprint(form: Form, value: Any) -> None:
    """Never raises; the same gives the same, wherever else it stands."""
    names = ["tools", "system", "instructions", "systemInstruction"]
    assert of(form, {TURNS[form]: value}) == of(form, {TURNS[form]: value})
    of(form, dict.fromkeys([TURNS[form], *names], value))


def test_deep_nesting_is_hashed_as_it_is() -> None:
    """The decoder refuses it; it is no reason to fail."""
    deep = msgspec.Raw(b'[{"role":"user","content":' + b"[" * 200_000 + b"]" * 200_000 + b"}]")
    one = fingerprint("chat", "m", {"messages": deep})
    assert one == fingerprint("chat", "m", {"messages": deep})
    assert one.conversation is not None


@pytest.mark.parametrize("form", FORMS)
def test_no_messages_name_no_conversation(form: Form) -> None:
    """Then nothing tells one call from another."""
    assert of(form, {}).conversation is None


@pytest.mark.parametrize("form", ["chat", "responses", "messages"])
def test_no_user_message_names_no_conversation(form: Form) -> None:
    """A turn of tool outputs alone says nothing of what it belongs to."""
    assert of(form, {TURNS[form]: [{"type": "function_call_output", "output": "1"}]}).conversation is None


def test_a_completion_is_named_by_its_beginning() -> None:
    """A prompt grows with each turn; its first kilobytes stay."""
    told = "Once upon a time. " * 300
    prints = [of("completions", {"prompt": told + more}) for more in ("", "And", "And then")]
    assert 1 == len({p.conversation for p in prints})
    assert 4096 == prints[0].prefix_bytes


def test_a_repr_is_short() -> None:
    """It shows what distinguishes, and the size."""
    assert "of 0 bytes, None>" in repr(of("chat", {}))


# --- cost -------------------------------------------------------------------------------------------------------------

CODE = 'def f(x):\n    return {"a": "b\\n", "c": x}\n'
MEGABYTE = {
    "conversation": [{"role": "user" if i % 2 == 0 else "assistant", "content": CODE * 10} for i in range(2000)],
    "huge message": [{"role": "user", "content": CODE * 20_000}],
    "huge prose": [{"role": "user", "content": "The quick brown fox jumps over the lazy dog. " * 23_000}],
    "huge system": [{"role": "system", "content": CODE * 20_000}, {"role": "user", "content": "hi"}],
    "many parts": [{"role": "user", "content": text("hi") * 35_000}],
    "role last": [{"content": CODE * 20_000, "role": "user"}],
    "marks": [{"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": MARK}] * 14_000}],
}


def raw_body(shape: str) -> tuple[bytes, dict[str, msgspec.Raw]]:
    tools = [{"name": f"tool{i}", "description": "d" * 3000} for i in range(24)]
    body = msgspec.json.encode({"model": "m", "tools": tools, "messages": MEGABYTE[shape]})
    return body, msgspec.json.decode(body, type=dict[str, msgspec.Raw])


def seconds(call: Callable[[], object], times: int = 5) -> float:
    return min(timeit.repeat(call, number=1, repeat=times))


@pytest.mark.parametrize("shape", MEGABYTE)
def test_a_megabyte_costs_less_than_parsing_it(shape: str) -> None:
    """The bound is generous, four times a plain decode of the same body, because machines are noisy. What would be
    worse than linear, or a walk in Python, is tens of times that."""
    body, fields = raw_body(shape)
    decoded = seconds(lambda: msgspec.json.decode(body))
    assert seconds(lambda: fingerprint("messages", "m", fields)) < 4 * decoded + 0.002


@pytest.mark.bench
@pytest.mark.parametrize("shape", MEGABYTE)
def test_how_long_a_megabyte_takes(shape: str) -> None:
    """Printed in milliseconds, the least of 50."""
    body, fields = raw_body(shape)
    took = seconds(lambda: fingerprint("messages", "m", fields), 50) * 1e3
    decoded = seconds(lambda: msgspec.json.decode(body), 10) * 1e3
    print(f"\nfingerprint of {len(body):,} bytes, {shape}: {took:.3f} ms; a decode of it: {decoded:.3f} ms")
