"""Answers in several goes, and the one answer that is made of them."""

from typing import Any

import msgspec
import pytest

from llmgw_domain import Usage
from llmgw_domain.stream import (
    Cited,
    Finished,
    FinishReason,
    Opened,
    TextDelta,
    ToolDelta,
    ToolOpened,
    UsageReported,
)
from llmgw_protocols.continuation import Joiner, continuation, paused
from llmgw_protocols.gemini.continued import ContinuedAnswer
from llmgw_protocols.messages.paused import PausedTurn


@pytest.mark.parametrize(
    ("dialect", "asked", "expected"),
    [
        ("messages", {"tools": [{"type": "web_search_20250305"}]}, PausedTurn),
        ("messages", {"tools": [{"name": "f"}]}, type(None)),
        ("gemini", {}, ContinuedAnswer),
        ("chat", {}, type(None)),
        ("responses", {"tools": [{"type": "web_search"}]}, type(None)),
        ("converse", {}, type(None)),
    ],
)
def test_whose_answers_may_come_in_several_goes(dialect: str, asked: Any, expected: type) -> None:
    """Two dialects know it; Anthropic's only with tools that it runs itself."""
    assert expected is type(continuation(dialect, msgspec.json.encode(asked)))


def test_a_pause_is_told_by_the_providers_word() -> None:
    """One end of the only choice; any other end is one."""
    pause = Finished(FinishReason.STOP, detail="pause_turn")
    assert paused([TextDelta("x"), pause])
    assert paused([Finished(FinishReason.LENGTH, detail="CONTINUATION")])
    for events in (
        [],
        [TextDelta("x")],
        [Finished(FinishReason.STOP)],
        [pause, msgspec.structs.replace(pause, choice=1)],
    ):
        assert not paused(events)
    assert not paused([msgspec.structs.replace(pause, choice=1)])


def used(**counts: int) -> UsageReported:
    return UsageReported(Usage(**counts))


def test_goes_become_one_answer() -> None:
    """Opened once; calls, places and usage go on where the go before ended."""
    joiner = Joiner()
    first: list[Any] = [
        Opened("id-1"),
        used(uncached_input=10),
        TextDelta("12345"),
        ToolOpened(0, "a", "f"),
        Cited("u", start=0, end=5),
        used(uncached_input=10, output=3),
    ]
    assert first == joiner.join(first)
    joiner.next()
    second: list[Any] = [
        Opened("id-2"),
        used(uncached_input=20),
        TextDelta("678"),
        ToolOpened(0, "b", "f"),
        ToolDelta(0, "{}"),
        Cited("u", start=1, end=None),
        used(uncached_input=20, output=4),
        Finished(FinishReason.STOP),
    ]
    expected: list[Any] = [
        used(uncached_input=30, output=3),
        TextDelta("678"),
        ToolOpened(1, "b", "f"),
        ToolDelta(1, "{}"),
        Cited("u", start=6, end=None),
        used(uncached_input=30, output=7),
        Finished(FinishReason.STOP),
    ]
    assert expected == joiner.join(second)
    joiner.next()
    assert [ToolOpened(2, "c", "f"), used(uncached_input=31, output=7), Cited("u", start=8)] == joiner.join(
        [ToolOpened(0, "c", "f"), used(uncached_input=1), Cited("u", start=0)]
    )


def test_a_go_without_usage_leaves_what_was_counted() -> None:
    """And usage that only a later one tells is that one's."""
    joiner = Joiner()
    joiner.join([TextDelta("x")])
    joiner.next()
    assert [used(output=1)] == joiner.join([used(output=1)])
    joiner.next()
    assert [] == joiner.join([])
    joiner.next()
    assert [used(output=3)] == joiner.join([used(output=2)])
