"""How servers are asked to think."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_domain.chat import Effort, Reasoning
from llmgw_domain.servers import Server
from llmgw_protocols.chat.reasoning import nearest, wish
from llmgw_protocols.losses import Losses

OFF, HIGH, ON = Reasoning(mode="disabled"), Reasoning(effort="high"), Reasoning(mode="enabled")
BUDGET = Reasoning(budget=2000)
LOST = ("reasoning_effort",)


def asked(wanted: Reasoning | None, **flags: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    losses = Losses("openai")
    return wish(wanted, Server(**flags), losses), losses.names()


@pytest.mark.parametrize(
    ("form", "wanted", "expected"),
    [
        ("effort", HIGH, {"reasoning_effort": "high"}),
        ("effort", OFF, {"reasoning_effort": "none"}),
        ("effort", ON, {}),
        ("effort", BUDGET, {"reasoning_effort": "medium"}),
        ("thinking", HIGH, {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
        ("thinking", OFF, {"thinking": {"type": "disabled"}}),
        ("thinking", ON, {"thinking": {"type": "enabled"}}),
        ("enabled", HIGH, {"reasoning": {"enabled": True}, "reasoning_effort": "high"}),
        ("enabled", OFF, {"reasoning": {"enabled": False}}),
        ("template", HIGH, {"chat_template_kwargs": {"enable_thinking": True}, "reasoning_effort": "high"}),
        ("template", OFF, {"chat_template_kwargs": {"enable_thinking": False}}),
        ("template", ON, {"chat_template_kwargs": {"enable_thinking": True}}),
        ("object", HIGH, {"reasoning": {"effort": "high"}}),
        ("object", OFF, {"reasoning": {"enabled": False}}),
        ("object", ON, {"reasoning": {"enabled": True}}),
        ("object", BUDGET, {"reasoning": {"max_tokens": 2000}}),
        ("object", Reasoning(effort="low", show=False), {"reasoning": {"effort": "low", "exclude": True}}),
    ],
)
def test_each_form(form: Any, wanted: Reasoning, expected: dict[str, Any]) -> None:
    """Off, on, an effort and a budget in the words of each kind of server."""
    assert (expected, ()) == asked(wanted, reasoning=form)


def test_nothing_wished_is_nothing_said() -> None:
    """What is left to the model is not said."""
    for form in ("effort", "none", "thinking", "enabled", "template", "object"):
        assert [({}, ())] * 2 == [asked(r, reasoning=form) for r in (None, Reasoning(mode="adaptive"))]


def test_a_server_that_can_not_be_asked() -> None:
    """The wish is told as lost."""
    assert [({}, LOST)] * 2 == [asked(r, reasoning="none") for r in (HIGH, OFF)]


def test_further_fields_go_with_a_wish_to_think() -> None:
    """And not with the wish not to."""
    more = {"reasoning_format": "parsed"}
    assert {"reasoning_effort": "high", **more} == asked(HIGH, reasoning_fields=more)[0]
    assert more == asked(ON, reasoning_fields=more)[0]
    assert {"reasoning_effort": "none"} == asked(OFF, reasoning_fields=more)[0]


@pytest.mark.parametrize(
    ("effort", "offered", "expected"),
    [
        ("low", (), ("low", False)),
        ("low", ("low", "high"), ("low", False)),
        ("minimal", ("low", "medium", "high"), ("low", False)),
        ("max", ("low", "medium", "high"), ("high", False)),
        ("low", ("none", "high"), ("high", True)),
        ("medium", ("none", "high"), ("high", False)),
        ("minimal", ("none", "high"), ("high", True)),
        ("none", ("low", "high"), ("low", True)),
        ("low", ("none",), (None, True)),
    ],
)
def test_the_nearest_effort(effort: Effort, offered: tuple[Effort, ...], expected: tuple[str | None, bool]) -> None:
    """The next step is near enough, and the highest for what is above it; what thinks goes on thinking."""
    assert expected == nearest(effort, offered)


@given(st.sampled_from(get_args(Effort)), st.lists(st.sampled_from(get_args(Effort)), unique=True))
def test_only_what_is_offered_is_sent(effort: Effort, offered: list[Effort]) -> None:
    """Whatever is asked, a server with a list gets something from it or nothing."""
    sent, differs = nearest(effort, tuple(offered))
    assert sent is None or not offered or sent in offered
    assert not differs or sent != effort
